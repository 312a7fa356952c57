package main

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/internal/testnet"
)

// TestLateWriter: lines wait for a writer that takes nothing, as many as may, and it is
// said how many of those beyond are missing.
func TestLateWriter(t *testing.T) {
	r, to := io.Pipe()
	w := newLateWriter(to)
	const all = maxLate + 500
	for n := range all {
		fmt.Fprintf(w, "line %d\n", n)
	}
	var wrote, lost int
	for lines := bufio.NewScanner(r); wrote+lost < all && lines.Scan(); {
		if text, missing := strings.CutPrefix(lines.Text(), "wormscope: lines that are missing here, since nothing took them: "); missing {
			if _, err := fmt.Sscan(text, &lost); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if want := fmt.Sprintf("line %d", wrote); lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
		wrote++
	}
	if wrote < maxLate || lost == 0 || wrote+lost != all {
		t.Errorf("%d lines, and %d missing, of %d", wrote, lost, all)
	}
	fmt.Fprintln(w, "last")
	rest := make(chan string)
	go func() {
		text, _ := io.ReadAll(r) // to the end
		rest <- string(text)
	}()
	w.close()
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-rest; got != "last\n" {
		t.Errorf("at the end: %q", got)
	}
}

// TestLiveOutlivesItsLog runs with a standard error that takes nothing: the run ends all
// the same, with its scope.
func TestLiveOutlivesItsLog(t *testing.T) {
	p := testnet.NewPair(t)
	scope := filepath.Join(t.TempDir(), "scope.json")
	_, hangs := io.Pipe()
	status := make(chan int, 1)
	go func() {
		err := p.Inside(func() error {
			status <- run([]string{"live", "-i", testnet.Right, "--no-sandbox", "--ring-mb", "1", "--duration", "100ms", "--scope", scope}, nil, io.Discard, hangs)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	select {
	case got := <-status:
		if got != exitOK {
			t.Errorf("exit status %d", got)
		}
	case <-time.After(testnet.Patience):
		t.Fatal("the run waits for its log")
	}
	var doc document
	unmarshal(t, slurp(scope), &doc)
	if doc.Capture.Dropped != 0 {
		t.Errorf("the scope has %+v", doc.Capture)
	}
}
