package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// endingWith is a reader that calls a function at its end.
type endingWith struct {
	io.Reader
	end func()
}

func (r endingWith) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		r.end()
	}
	return n, err
}

// TestReplayTellsWhatItHas: of a ring whose oldest file goes away meanwhile, what
// the others hold is told, and that one is missing.
func TestReplayTellsWhatItHas(t *testing.T) {
	pcaps := filepath.Join("..", "..", "testdata", "pcaps")
	first, err := os.ReadFile(filepath.Join(pcaps, "smb-doublepulsar.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	later, err := os.ReadFile(filepath.Join(pcaps, "dig-nxdomain.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(t.TempDir(), "gone.pcap")
	if err = os.WriteFile(gone, later, 0o600); err != nil {
		t.Fatal(err)
	}
	in := endingWith{bytes.NewReader(first), func() { _ = os.Remove(gone) }}
	var out, report bytes.Buffer
	status := run([]string{"replay", gone, "-"}, in, &out, &report)
	want := "wormscope: open " + gone + ": no such file or directory"
	if lines := strings.Split(strings.TrimSpace(report.String()), "\n"); status != 1 || lines[len(lines)-1] != want {
		t.Errorf("status %d, want 1 and, last, %s\n%s", status, want, &report)
	}
	if text := out.String(); !strings.HasPrefix(text, "1 host is INFECTED") || !strings.Contains(text, "  - open "+gone) {
		t.Errorf("what the other holds is not told:\n%s", text)
	}
}
