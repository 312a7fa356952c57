package sinks

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

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
	f.io.Lock() // until the writer has told of its write, too, which would be said of a later event
	d.room = 1000
	f.io.Unlock()
	if err := f.Err(); err != nil && !errors.Is(err, errDiskFull) {
		t.Error(err)
	}
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

// TestHangingDiskAtClose: of a disk that hangs Close waits for half a minute in all, and
// says what is lost; for whoever reads a pipe it waits.
func TestHangingDiskAtClose(t *testing.T) {
	for _, regular := range []bool{true, false} {
		d := &hanging{release: make(chan struct{})}
		c := newClock()
		f := open(t, "-", FileOptions{Stdout: d, Patience: time.Millisecond, lastPatience: time.Millisecond, flushEvery: time.Millisecond, now: c.now})
		f.mu.Lock()
		f.regular = regular
		f.mu.Unlock()
		must(t, f.Event([]byte("event 1")))
		for !f.writes() {
			time.Sleep(time.Millisecond)
		}
		must(t, f.Event([]byte("event 2")))
		c.advance(lastPatience)
		if f.Paused() == regular {
			t.Errorf("regular %v: paused %v", regular, f.Paused())
		}
		closed := make(chan error, 1)
		go func() { closed <- f.Close() }()
		if regular {
			if err := <-closed; err == nil || !strings.HasSuffix(err.Error(), "a write has not come back for 30s: 16 bytes of events are lost") {
				t.Errorf("Close: %v", err)
			}
			close(d.release)
			continue
		}
		select {
		case err := <-closed:
			t.Errorf("Close does not wait: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		close(d.release)
		if err := <-closed; err != nil || d.String() != "event 1\nevent 2\n" {
			t.Errorf("Close: %v, with %q", err, d.String())
		}
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

// TestAllLossIsTold has events for which there was no room before the end, too.
func TestAllLossIsTold(t *testing.T) {
	f := open(t, "/dev/full", FileOptions{MaxWaiting: 16})
	must(t, f.Event([]byte("event 1")))
	must(t, f.Event([]byte("event 2")))
	for range 3 {
		if err := f.Event([]byte("event 3")); !errors.Is(err, ErrFull) {
			t.Fatalf("an event too many: %v", err)
		}
	}
	if err := f.Close(); err == nil || !strings.Contains(err.Error(), "events that waited are lost: 2, and before these: 3") {
		t.Errorf("Close says %v", err)
	}
	if got := f.Stats(); got.Lost != 5 {
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
