package main

import (
	"io"
	"strings"
	"testing"

	"wormscope/capture/ring"
)

// TestLiveSaysThatNothingComes shows a run minutes with packets and without: the
// first of those without is told, unless a filter may be why.
func TestLiveSaysThatNothingComes(t *testing.T) {
	for filter, want := range map[string]int{"": 2, "port 7": 0} {
		var log strings.Builder
		l := newLiveRun(&settings{Filter: filter, Live: liveSetting{Interfaces: []string{"mon0"}}}, streams{err: &log})
		quiet := false
		last := &snapshot{}
		for _, frames := range []uint64{0, 0, 5, 9, 9, 9} {
			now := &snapshot{Frames: frames}
			quiet = l.remark(last, now, quiet)
			last = now
		}
		if got := strings.Count(log.String(), "nothing comes"); got != want {
			t.Errorf("filter %q: told %d times, want %d: %s", filter, got, want, log.String())
		}
	}
}

// TestLiveSaysWhatWasDown: the scope tells of an interface that was not up from the
// start, too, which none can have gone away from.
func TestLiveSaysWhatWasDown(t *testing.T) {
	const lost = "eth1 went away or down"
	for _, tt := range []struct {
		seen ring.Interface
		want []string
	}{
		{ring.Interface{Up: true}, nil},
		{ring.Interface{Up: true, Losses: 1, Returns: 1}, []string{lost}},
		{ring.Interface{Losses: 2, Returns: 1}, []string{lost}},
		{ring.Interface{Up: true, Returns: 1}, []string{"eth1 was down at first"}},
		{ring.Interface{Losses: 1, Returns: 1}, []string{"eth1 was down at first", lost}},
		{ring.Interface{}, []string{"eth1 was down all the time"}},
	} {
		tt.seen.Name = "eth1"
		l := newLiveRun(&settings{}, streams{err: io.Discard})
		l.p, l.source = &pipeline{}, &seenTap{seen: tt.seen}
		got := l.sight().warnings
		if len(got) != len(tt.want) {
			t.Errorf("%+v: %q, want %q", tt.seen, got, tt.want)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], tt.want[i]) {
				t.Errorf("%+v: %q, want %q", tt.seen, got, tt.want)
			}
		}
	}
}

// A seenTap has one interface, of which this was seen.
type seenTap struct {
	idleTap
	seen ring.Interface
}

func (s *seenTap) Stats() ring.Stats { return ring.Stats{Interfaces: []ring.Interface{s.seen}} }
