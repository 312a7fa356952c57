package main

import (
	"strings"
	"testing"
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
