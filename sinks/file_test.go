package sinks

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a clock that tests move by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// open opens a file that flushes only when told.
func open(t *testing.T, path string, o FileOptions) *File {
	t.Helper()
	if o.flushEvery == 0 {
		o.flushEvery = time.Hour
	}
	f, err := OpenFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

// folder lists the files of a folder.
func folder(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestEventsAreLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := open(t, path, FileOptions{})
	must(t, f.Event([]byte(`{"n":1}`)))
	must(t, f.Event([]byte("{\"n\":2}\n")))
	must(t, f.Close())
	if got, want := read(t, path), "{\"n\":1}\n{\"n\":2}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := f.Event([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("an event after Close: %v", err)
	}
	if got := f.Stats(); got != (FileStats{Events: 2, Lost: 1}) {
		t.Errorf("stats %+v", got)
	}
	must(t, f.Close()) // again
}

func TestAppendsToWhatIsThere(t *testing.T) {
	tests := []struct{ name, before, want string }{
		{"empty", "", "new\n"},
		{"whole lines", "old\n", "old\nnew\n"},
		{"torn last line", "old\n{\"torn", "old\n{\"torn\nnew\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events")
			must(t, os.WriteFile(path, []byte(tt.before), 0o600))
			f := open(t, path, FileOptions{})
			must(t, f.Event([]byte("new")))
			must(t, f.Close())
			if got := read(t, path); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOpenFileSaysWhatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "events")
	_, err := OpenFile(path, FileOptions{})
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the error does not name the path: %v", err)
	}
}

func TestFlushesByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	f := open(t, path, FileOptions{flushEvery: time.Millisecond})
	must(t, f.Event([]byte("soon")))
	for read(t, path) != "soon\n" { // the test's own time limit ends it
		time.Sleep(time.Millisecond)
	}
	_ = f
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	path, moved := filepath.Join(dir, "events"), filepath.Join(dir, "events.1")
	f := open(t, path, FileOptions{})
	must(t, f.Event([]byte("before")))
	must(t, os.Rename(path, moved))
	must(t, f.Event([]byte("between")))
	must(t, f.Reopen())
	must(t, f.Event([]byte("after")))
	must(t, f.Close())
	if got := read(t, moved); got != "before\nbetween\n" {
		t.Errorf("moved file is %q", got)
	}
	if got := read(t, path); got != "after\n" {
		t.Errorf("new file is %q", got)
	}
}

func TestReopenThatFailsLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	must(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "events")
	f := open(t, path, FileOptions{})
	must(t, os.Rename(dir, dir+".away"))
	if err := f.Reopen(); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("Reopen without the folder: %v", err)
	}
	must(t, f.Event([]byte("waits")))
	if err := f.Flush(); err == nil {
		t.Fatal("Flush without a file reports nothing")
	}
	must(t, os.Mkdir(dir, 0o700))
	must(t, f.Flush())
	if got := read(t, path); got != "waits\n" {
		t.Errorf("got %q", got)
	}
}

func TestStdout(t *testing.T) {
	var b bytes.Buffer
	f := open(t, "-", FileOptions{Stdout: &b, MaxSize: 1})
	must(t, f.Event([]byte("a")))
	must(t, f.Event([]byte("b")))
	must(t, f.Reopen())
	must(t, f.Close())
	if b.String() != "a\nb\n" {
		t.Errorf("got %q", b.String())
	}
}

func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "events")
	f := open(t, path, FileOptions{MaxSize: 4000, Compress: true, flushEvery: time.Millisecond})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				if err := f.Event(fmt.Appendf(nil, "writer %d event %d", w, i)); err != nil {
					t.Error(err)
				}
				if i%100 == 0 {
					if err := f.Reopen(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	must(t, f.Close())
	lines := 0
	for _, name := range folder(t, dir) {
		text := read(t, filepath.Join(dir, name))
		if strings.HasSuffix(name, ".gz") {
			z, err := gzip.NewReader(strings.NewReader(text))
			must(t, err)
			b, err := io.ReadAll(z)
			must(t, err)
			text = string(b)
		}
		lines += strings.Count(text, "\n")
	}
	if lines != 2000 {
		t.Errorf("%d lines, want 2000", lines)
	}
}
