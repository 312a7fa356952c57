package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// samplesDir is where the captures are committed.
func samplesDir() string { return filepath.Join("..", "..", "testdata", "pcaps") }

// What is committed is what this program makes, byte for byte.
func TestCommittedSamplesAreWhatIsMade(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			committed, err := os.ReadFile(filepath.Join(samplesDir(), s.name))
			if err != nil {
				t.Fatal(err)
			}
			var made bytes.Buffer
			if err := s.write(&made); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(made.Bytes(), committed) {
				t.Errorf("%s is %d bytes and differs from the %d bytes made: run make pcaps and look at the difference",
					s.name, len(committed), made.Len())
			}
		})
	}
}

func TestWrongUsage(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"nowhere", nil, "say where to with -out"},
		{"no such bench", []string{"-bench", "huge", "-out", filepath.Join(t.TempDir(), "x")}, "-bench huge: not small, large or flood"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := run(tt.args, io.Discard)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
