//go:build unix

package feed

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"wormscope/ioc"
)

// TestPipeWithoutWriter has a feed that is a named pipe: one that nobody opens to write,
// and one of which nothing comes. What waits for either ends when it is told to.
func TestPipeWithoutWriter(t *testing.T) {
	for _, silent := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		told := errors.New("told to end")
		if silent {
			w, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
		}
		failed := make(chan error)
		go func() {
			_, err := Load(ctx, ioc.NewBuilder(), path, Options{})
			failed <- err
		}()
		cancel(told)
		if err := <-failed; !errors.Is(err, told) {
			t.Errorf("silent %v: %v", silent, err)
		}
	}
}

// TestPipe: what is written to a named pipe is a feed as any other.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error)
	go func() { written <- os.WriteFile(path, []byte("evil.example\n"), 0) }()
	r, err := Load(t.Context(), ioc.NewBuilder(), path, Options{})
	if failed := <-written; err != nil || failed != nil || r.Files[0].Names != 1 {
		t.Errorf("%v, %v, %+v", err, failed, r.Files)
	}
}
