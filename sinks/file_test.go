package sinks

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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

func TestRotatesBySize(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	f := open(t, filepath.Join(dir, "events.jsonl"), FileOptions{MaxSize: 20, now: c.now})
	for i := range 9 { // 8 bytes each: two a file, all in the same second
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
	}
	must(t, f.Close())
	want := map[string]string{
		"events-20260105T080000Z.jsonl":   "event 0\nevent 1\n",
		"events-20260105T080000Z-2.jsonl": "event 2\nevent 3\n",
		"events-20260105T080000Z-3.jsonl": "event 4\nevent 5\n",
		"events-20260105T080000Z-4.jsonl": "event 6\nevent 7\n",
		"events.jsonl":                    "event 8\n",
	}
	for name, text := range want {
		if got := read(t, filepath.Join(dir, name)); got != text {
			t.Errorf("%s is %q, want %q", name, got, text)
		}
	}
	if got := f.Stats(); got != (FileStats{Events: 9, Rotations: 4}) {
		t.Errorf("stats %+v", got)
	}
}

// TestRotatesBehindALink: a link stays what it is, and the file that it leads to
// is rotated where it is; one that somebody has open is not rotated.
func TestRotatesBehindALink(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	must(t, os.Mkdir(data, 0o750))
	link := filepath.Join(dir, "link")
	must(t, os.Symlink("data/events.jsonl", link))
	c := newClock()
	f := open(t, link, FileOptions{MaxSize: 20, Keep: 1, now: c.now})
	for i := range 5 {
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
	}
	must(t, f.Close())
	if got := folder(t, data); !slices.Equal(got, []string{"events-20260105T080000Z-2.jsonl", "events.jsonl"}) {
		t.Errorf("behind the link are %q", got)
	}
	if got := read(t, link); got != "event 4\n" {
		t.Errorf("the link leads to %q", got)
	}
	lent, err := os.Create(filepath.Join(dir, "lent"))
	must(t, err)
	defer lent.Close()
	must(t, os.Remove(link))
	must(t, os.Symlink(fmt.Sprintf("/proc/self/fd/%d", lent.Fd()), link))
	f = open(t, link, FileOptions{MaxSize: 20, now: c.now})
	for i := range 5 {
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
	}
	must(t, f.Close())
	if got := folder(t, dir); !slices.Equal(got, []string{"data", "lent", "link"}) {
		t.Errorf("there are %q", got)
	}
	if got := strings.Count(read(t, lent.Name()), "\n"); got != 5 {
		t.Errorf("%d events are in the file that is lent", got)
	}
}

func TestOneLargeEventIsNotRotatedAlone(t *testing.T) {
	dir := t.TempDir()
	f := open(t, filepath.Join(dir, "events"), FileOptions{MaxSize: 4})
	must(t, f.Event([]byte("larger than the limit")))
	must(t, f.Close())
	if got := folder(t, dir); !slices.Equal(got, []string{"events"}) {
		t.Errorf("files %q", got)
	}
}

func TestRotatesByAge(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	f := open(t, filepath.Join(dir, "events"), FileOptions{MaxAge: time.Hour, now: c.now})
	c.advance(2 * time.Hour) // an empty file does not age
	must(t, f.Event([]byte("a")))
	c.advance(59 * time.Minute)
	must(t, f.Event([]byte("b")))
	c.advance(time.Minute)
	must(t, f.Event([]byte("c")))
	must(t, f.Close())
	if got, want := folder(t, dir), []string{"events", "events-20260105T110000Z"}; !slices.Equal(got, want) {
		t.Fatalf("files %q, want %q", got, want)
	}
	if got := read(t, filepath.Join(dir, "events-20260105T110000Z")); got != "a\nb\n" {
		t.Errorf("rotated file is %q", got)
	}
}

func TestRotatesByAgeWithoutEvents(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	f := open(t, filepath.Join(dir, "events"), FileOptions{MaxAge: time.Hour, flushEvery: time.Millisecond, now: c.now})
	must(t, f.Event([]byte("a")))
	c.advance(time.Hour)
	for f.Stats().Rotations == 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestKeepsTheNewest(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	stranger := filepath.Join(dir, "events-old.jsonl")
	must(t, os.WriteFile(stranger, []byte("not ours"), 0o600))
	f := open(t, filepath.Join(dir, "events.jsonl"), FileOptions{MaxSize: 1, Keep: 3, now: c.now})
	for i := range 15 {
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
		if i >= 12 {
			c.advance(time.Second)
		}
	}
	must(t, f.Close())
	want := []string{
		"events-20260105T080000Z-12.jsonl", // after -9, which a sort by name puts last
		"events-20260105T080001Z.jsonl", "events-20260105T080002Z.jsonl",
		"events-old.jsonl", "events.jsonl",
	}
	got := folder(t, dir)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestCompresses(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	f := open(t, filepath.Join(dir, "events"), FileOptions{MaxSize: 1, Compress: true, now: c.now})
	for i := range 4 {
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
	}
	must(t, f.Close()) // waits
	want := []string{"events", "events-20260105T080000Z-2.gz", "events-20260105T080000Z-3.gz", "events-20260105T080000Z.gz"}
	if got := folder(t, dir); !slices.Equal(got, want) {
		t.Fatalf("files %q, want %q", got, want)
	}
	z, err := gzip.NewReader(strings.NewReader(read(t, filepath.Join(dir, want[1]))))
	must(t, err)
	text, err := io.ReadAll(z)
	must(t, err)
	if string(text) != "event 1\n" {
		t.Errorf("got %q", text)
	}
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

// disk takes so many bytes, then none.
type disk struct {
	bytes.Buffer
	room int
}

var errDiskFull = errors.New("no space left on device")

func (d *disk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errDiskFull
	}
	return n, nil
}

func TestFullDisk(t *testing.T) {
	d := &disk{room: 10}
	f := open(t, "-", FileOptions{Stdout: d, MaxWaiting: 32})
	must(t, f.Event([]byte("event 1")))
	must(t, f.Event([]byte("event 2")))
	if err := f.Flush(); !errors.Is(err, errDiskFull) {
		t.Fatalf("Flush: %v", err)
	}
	must(t, f.Event([]byte("event 3")))
	must(t, f.Event([]byte("event 4")))
	must(t, f.Event([]byte("event 5")))
	if err := f.Event([]byte("event 6")); !errors.Is(err, ErrFull) || !errors.Is(err, errDiskFull) {
		t.Fatalf("an event too many: %v", err)
	}
	d.room = 1000
	must(t, f.Event([]byte("event 7")))
	must(t, f.Close())
	if got, want := d.String(), "event 1\nevent 2\nevent 3\nevent 4\nevent 5\nevent 7\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := f.Stats(); got != (FileStats{Events: 6, Lost: 1, Errors: 2}) {
		t.Errorf("stats %+v", got)
	}
}

// hanging is a disk on which a write comes back only when it is told to.
type hanging struct {
	bytes.Buffer
	release chan struct{}
}

func (h *hanging) Write(p []byte) (int, error) {
	<-h.release
	return h.Buffer.Write(p)
}

// TestHangingDisk has events come while a write hangs: whoever has them does not
// hang with it, and what there is room for is written when it is over.
func TestHangingDisk(t *testing.T) {
	d := &hanging{release: make(chan struct{})}
	c := newClock()
	f := open(t, "-", FileOptions{Stdout: d, MaxWaiting: 32, Patience: time.Millisecond, flushEvery: time.Millisecond, now: c.now})
	must(t, f.Event([]byte("event 1")))
	for !f.writes() {
		time.Sleep(time.Millisecond)
	}
	for n := 2; n <= 4; n++ {
		must(t, f.Event(fmt.Appendf(nil, "event %d", n)))
	}
	for n := 5; n <= 6; n++ {
		if err := f.Event(fmt.Appendf(nil, "event %d", n)); !errors.Is(err, ErrFull) {
			t.Fatalf("event %d, for which there is no room: %v", n, err)
		}
	}
	must(t, f.Err())
	c.advance(slowWrite)
	if err := f.Err(); err == nil || !strings.Contains(err.Error(), "32 bytes of events wait") {
		t.Errorf("of a write that takes long is said: %v", err)
	}
	close(d.release)
	must(t, f.Flush())
	must(t, f.Event([]byte("event 7")))
	must(t, f.Close())
	if got, want := d.String(), "event 1\nevent 2\nevent 3\nevent 4\nevent 7\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := f.Stats(); got != (FileStats{Events: 5, Lost: 2}) {
		t.Errorf("stats %+v", got)
	}
}

// writes reports whether a write is under way.
func (f *File) writes() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.begin.IsZero() && f.held > 0
}

// TestSlowDisk has events come faster than they can be written: without an end to
// its patience a File has them wait, and loses none.
func TestSlowDisk(t *testing.T) {
	d := &hanging{release: make(chan struct{})}
	f := open(t, "-", FileOptions{Stdout: d, MaxWaiting: 32})
	go func() {
		for {
			d.release <- struct{}{} // ends with the test's program
			time.Sleep(100 * time.Microsecond)
		}
	}()
	var want strings.Builder
	for n := range 100 {
		line := fmt.Sprintf("event %d", n)
		want.WriteString(line + "\n")
		must(t, f.Event([]byte(line)))
	}
	must(t, f.Close())
	if got := d.String(); got != want.String() {
		t.Errorf("%d bytes were written, want %d", len(got), want.Len())
	}
}

func TestFullDiskAtTheEnd(t *testing.T) {
	f := open(t, "/dev/full", FileOptions{})
	must(t, f.Event([]byte("event 1")))
	must(t, f.Event([]byte("event 2")))
	err := f.Close()
	if err == nil || !strings.Contains(err.Error(), "event file /dev/full: events that waited are lost: 2") {
		t.Errorf("Close says %v", err)
	}
	if got := f.Stats(); got != (FileStats{Events: 2, Lost: 2, Errors: 1}) {
		t.Errorf("stats %+v", got)
	}
}

func TestBackgroundErrorsAreReported(t *testing.T) {
	f := open(t, "/dev/full", FileOptions{flushEvery: time.Millisecond})
	must(t, f.Event([]byte("event 1")))
	for f.Event([]byte("event 2")) == nil { // the test's own time limit ends it
		time.Sleep(time.Millisecond)
	}
	if f.Stats().Errors == 0 {
		t.Error("the error is not counted")
	}
}

// unsafe is a disk that packed bytes do not get to.
type unsafe struct{ bytes.Buffer }

var errPower = errors.New("the power failed")

func (*unsafe) Sync() error { return errPower }

// TestPackedIsOnTheDisk: a file is deleted only for a packed one that is safe.
func TestPackedIsOnTheDisk(t *testing.T) {
	var disk unsafe
	if err := gzipOnto(&disk, strings.NewReader("event 1\n")); !errors.Is(err, errPower) || disk.Len() == 0 {
		t.Errorf("%d bytes, %v", disk.Len(), err)
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

// TestKeepsTheNewestWhenTheClockIsSetBack: a sensor that starts with a wrong clock
// must not delete what it rotates when that is put right.
func TestKeepsTheNewestWhenTheClockIsSetBack(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	f := open(t, filepath.Join(dir, "events.jsonl"), FileOptions{MaxSize: 1, Keep: 2, now: c.now})
	for i := range 6 {
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
		c.advance(time.Second)
		if i == 2 {
			c.advance(-24 * time.Hour)
		}
	}
	must(t, f.Close())
	var got []string
	for _, name := range folder(t, dir) {
		got = append(got, strings.TrimSpace(read(t, filepath.Join(dir, name))))
	}
	slices.Sort(got)
	if want := []string{"event 3", "event 4", "event 5"}; !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}
