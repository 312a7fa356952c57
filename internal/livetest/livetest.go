// Package livetest holds what every source that captures from interfaces must
// do, as tests on cables in namespaces of their own. They need root and Linux.
package livetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wormscope/capture"
	"wormscope/capture/ring"
	"wormscope/internal/testnet"
)

// deadline is how long a test waits before it gives up. Machines, and the race
// detector, may be slow.
const deadline = testnet.Patience

// A Source is what is tested.
type Source interface {
	Next(f *capture.Frame) error
	Name(file int) string
	Stats() ring.Stats
	Stop()
	Close() error
}

// An Opener opens a source in the namespace that the thread is in.
type Opener func(ring.Options) (Source, error)

// Run runs all tests over the sources that open makes.
func Run(t *testing.T, open Opener) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Opener)
	}{
		{"FramesAsSent", framesAsSent},
		{"SegmentsWhole", segmentsWhole},
		{"Outgoing", outgoing},
		{"Loopback", loopback},
		{"Promiscuous", promiscuous},
		{"TwoInterfaces", twoInterfaces},
		{"Idle", idle},
		{"StopDrains", stopDrains},
		{"StopWakes", stopWakes},
		{"Loss", loss},
		{"DownAndUp", downAndUp},
		{"GoneAndBack", goneAndBack},
		{"SameNumber", sameNumber},
		{"DownAtFirst", downAtFirst},
		{"Closed", closed},
		{"Unknown", unknown},
		{"RawIP", rawIP},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open) })
	}
}

// A Tap is a source under test, and what it has warned of.
type Tap struct {
	Source
	t testing.TB

	mu       sync.Mutex
	warnings []string
}

// Small is a ring that is quick to make.
func Small(ifaces ...string) ring.Options {
	return ring.Options{Interfaces: ifaces, Blocks: 8}
}

// Open opens a source in the namespace of the cable, and closes it when the
// test ends.
func (open Opener) Open(t testing.TB, p *testnet.Pair, o ring.Options) *Tap {
	t.Helper()
	tap := &Tap{t: t}
	o.Warn = func(iface, text string) {
		tap.mu.Lock()
		defer tap.mu.Unlock()
		tap.warnings = append(tap.warnings, iface+": "+text)
	}
	err := p.Inside(func() (err error) {
		tap.Source, err = open(o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tap.Close(); err != nil {
			t.Error(err)
		}
	})
	return tap
}

// Frames reads until there are n frames and returns copies.
func (tap *Tap) Frames(n int) []capture.Frame {
	tap.t.Helper()
	var got []capture.Frame
	for end := time.Now().Add(deadline); len(got) < n; {
		var f capture.Frame
		err := tap.Next(&f)
		switch {
		case err == nil:
			f.Data = bytes.Clone(f.Data)
			got = append(got, f)
		case !errors.Is(err, capture.ErrIdle):
			tap.t.Fatalf("after %d of %d frames: %v", len(got), n, err)
		case time.Now().After(end):
			tap.t.Fatalf("%d of %d frames in %v", len(got), n, deadline)
		}
	}
	return got
}

// all reads to the end.
func (tap *Tap) all() iter.Seq[*capture.Frame] {
	return func(yield func(*capture.Frame) bool) {
		for {
			var f capture.Frame
			switch err := tap.Next(&f); {
			case errors.Is(err, io.EOF):
				return
			case err != nil && !errors.Is(err, capture.ErrIdle):
				tap.t.Fatal(err)
			case err == nil && !yield(&f):
				return
			}
		}
	}
}

// Rest reads to the end and returns how many frames came.
func (tap *Tap) Rest() int {
	tap.t.Helper()
	n, err := drain(tap.Source)
	if err != nil {
		tap.t.Fatalf("after %d frames: %v", n, err)
	}
	return n
}

func drain(s Source) (n int, err error) {
	var f capture.Frame
	for {
		switch err := s.Next(&f); {
		case err == nil:
			n++
		case errors.Is(err, io.EOF):
			return n, nil
		case !errors.Is(err, capture.ErrIdle):
			return n, err
		}
	}
}

// Warned reads until a warning has the text in it, and fails if none comes.
func (tap *Tap) Warned(text string) {
	tap.t.Helper()
	var f capture.Frame
	for end := time.Now().Add(deadline); ; {
		tap.mu.Lock()
		all := slices.Clone(tap.warnings)
		tap.mu.Unlock()
		if slices.ContainsFunc(all, func(w string) bool { return strings.Contains(w, text) }) {
			return
		}
		if err := tap.Next(&f); err == nil {
			tap.t.Fatalf("a frame of %d bytes while waiting for %q", len(f.Data), text)
		} else if !errors.Is(err, capture.ErrIdle) {
			tap.t.Fatal(err)
		}
		if time.Now().After(end) {
			tap.t.Fatalf("no warning of %q in %v, but %q", text, deadline, all)
		}
	}
}

// IsUp checks whether the interface is up, and how often it went down and came
// back.
func (tap *Tap) IsUp(up bool, losses, returns uint64) {
	tap.t.Helper()
	if i := tap.Stats().Total(); i.Up != up || i.Losses != losses || i.Returns != returns {
		tap.t.Errorf("want it up: %t, with %d losses and %d returns; it is %+v", up, losses, returns, i)
	}
}

// Frame returns an Ethernet frame of a size that begins with a number, whose
// EtherType is one for experiments.
func Frame(number, size int, tags ...uint16) []byte {
	f := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	for _, tag := range tags {
		f = append(f, byte(tag>>8), byte(tag))
	}
	f = append(f, 0x88, 0xb5)
	f = fmt.Appendf(f, "%d ", number)
	for len(f) < size {
		f = append(f, byte(len(f)))
	}
	return f
}

// check compares frames with what was sent.
func check(t testing.TB, got []capture.Frame, want [][]byte) {
	t.Helper()
	for i, f := range got {
		if !bytes.Equal(f.Data, want[i]) {
			t.Errorf("frame %d: got %d bytes %x, want %d bytes %x", i, len(f.Data), f.Data[:min(24, len(f.Data))], len(want[i]), want[i][:min(24, len(want[i]))])
		}
		if f.Len != len(want[i]) {
			t.Errorf("frame %d: a length of %d, want %d", i, f.Len, len(want[i]))
		}
		if f.Link != capture.LinkEthernet {
			t.Errorf("frame %d: link type %v", i, f.Link)
		}
		if f.Number != uint64(i+1) {
			t.Errorf("frame %d has the number %d", i, f.Number)
		}
	}
}
