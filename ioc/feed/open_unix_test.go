//go:build unix

package feed

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

// pipeIn makes a named pipe in a folder.
func pipeIn(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSilentPipe: a pipe of which nothing comes is given up, whether nobody opens it to
// write, or somebody does and says no more.
func TestSilentPipe(t *testing.T) {
	for _, said := range []string{"", "evil.example\nmore"} {
		path := pipeIn(t, t.TempDir())
		if said != "" {
			w, err := os.OpenFile(path, os.O_RDWR, 0)
			if err == nil {
				_, err = w.WriteString(said)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
		}
		_, err := Load(t.Context(), ioc.NewBuilder(), path, Options{patience: 20 * time.Millisecond})
		if want := "feed " + path + ": a pipe of which nothing has come for 20ms"; err == nil || err.Error() != want {
			t.Errorf("said %q: %v, want %s", said, err, want)
		}
	}
}

// TestNoRegularFile: what may never end, or can be read once only, is refused at once
// in a folder, and when feeds are renewed.
func TestNoRegularFile(t *testing.T) {
	folder := t.TempDir()
	pipe := pipeIn(t, folder)
	sockets := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(sockets, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, c := range []struct {
		path string
		o    Options
		want string
	}{
		{folder, Options{}, "feed " + pipe + ": a pipe: "},
		{pipe, Options{Again: true}, "feed " + pipe + ": a pipe: "},
		{sockets, Options{}, "feed " + filepath.Join(sockets, "socket") + ": not a regular file"},
		{"/dev/zero", Options{}, "feed /dev/zero: not a regular file"},
	} {
		if _, err := Load(ctx, ioc.NewBuilder(), c.path, c.o); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.path, err, c.want)
		}
	}
}
