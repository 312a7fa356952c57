package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/internal/needs"
)

func TestMedian(t *testing.T) {
	for want, all := range map[float64][]float64{5: {9, 1, 5}, 7: {7}, 4: {1, 4}} {
		if got := median(all); got != want {
			t.Errorf("of %v: %v", all, got)
		}
	}
}

func TestCount(t *testing.T) {
	path := filepath.Join("..", "..", "testdata", "pcaps", "format.pcap")
	packets, length, err := count(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := info.Size() - fileHeader - packets*recordHeader; packets < 2 || length != want {
		t.Errorf("%d packets of %d bytes, want %d bytes", packets, length, want)
	}
	if _, _, err := count(filepath.Join("..", "..", "testdata", "pcaps", "format-cut.pcap")); err == nil {
		t.Error("a capture that was cut was counted to its end")
	}
}

// Two programs that do nothing take the places of wormscope and tcpdump.
func TestTable(t *testing.T) {
	capture := filepath.Join("..", "..", "testdata", "pcaps", "format.pcap")
	var out, messages bytes.Buffer
	if err := run([]string{"-wormscope", "true", "-tcpdump", "true", "-runs", "1", capture}, &out, &messages); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 2 || !strings.Contains(lines[1], "format.pcap") {
		t.Errorf("got %q", out.String())
	}
}

func TestAProgramThatFailsFails(t *testing.T) {
	if _, err := (command{"false", nil}).run(); err == nil {
		t.Error("no error")
	}
	c, err := (command{"sleep", []string{"0.01"}}).run()
	if err != nil {
		t.Fatal(err)
	}
	if c.wall < 10*time.Millisecond || c.peak == 0 {
		t.Errorf("got %+v", c)
	}
}

// Two runs of one program count the same instructions, but for a few.
func TestExact(t *testing.T) {
	needs.Tools(t, "valgrind")
	a, err := (command{"true", nil}).instructions()
	if err != nil {
		t.Fatal(err)
	}
	b, err := (command{"true", nil}).instructions()
	if err != nil || a < 10_000 || max(a-b, b-a) > a/100 {
		t.Errorf("%d and %d instructions: %v", a, b, err)
	}
}
