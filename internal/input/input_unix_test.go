//go:build unix

package input

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRead: what has an end is read, be it a file or not, and what has none is an error
// that names it.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.WriteFile(file, []byte("text"), 0o600), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		go func() { _ = os.WriteFile(pipe, []byte(text), 0) }()
	}
	for _, c := range []struct{ path, said, want, fails string }{
		{path: file, want: "text"},
		{path: pipe, said: "more", want: "more"},
		{path: os.DevNull},
		{path: pipe, said: "", fails: "read " + pipe + ": a pipe that gives nothing: what it has, it gives only once"},
		{path: filepath.Join(dir, "none"), fails: "open " + filepath.Join(dir, "none") + ": no such file or directory"},
		{path: dir, fails: "read " + dir + ": is a directory"},
	} {
		if c.path == pipe {
			write(c.said)
		}
		text, err := Read(c.path)
		if string(text) != c.want || (err != nil || c.fails != "") && (err == nil || err.Error() != c.fails) {
			t.Errorf("%s: %q, %v; want %q, %s", c.path, text, err, c.want, c.fails)
		}
	}
}

// TestEndless: nobody waits for ever for a pipe to be written to, or for its end.
func TestEndless(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := within(pipe, 20*time.Millisecond, 1<<20)
		if err == nil || !strings.Contains(err.Error(), "has not come to an end for 20ms") {
			t.Error(err)
		}
		w, err := os.OpenFile(pipe, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
	}
	if text, err := within("/dev/zero", longest, 1<<20); err == nil || err.Error() != "no regular file, and larger than 1 MB" {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
