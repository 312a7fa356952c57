package scan

import (
	"testing"
	"time"

	"wormscope/detect"
)

// TestWantsDataOnlyWhileCurious: once the tap is known to be whole, segments
// with data are of no interest, until a flood is suspected, or attempts go
// unanswered.
func TestWantsDataOnlyWhileCurious(t *testing.T) {
	b := newBed(t, Config{})
	asked := 0
	b.d.OnChange(func() { asked++ })
	check := func(when string, want bool, times int) {
		t.Helper()
		if got := b.d.Wants().Kinds&detect.TCPData != 0; got != want {
			t.Errorf("%s: wants data: %v, want %v", when, got, want)
		}
		if asked != times {
			t.Errorf("%s: said %d times that it wants something else, want %d", when, asked, times)
		}
	}
	check("at first", true, 0)
	b.whole()
	check("on a whole tap", false, 1)
	for i := range 2 * floodSuspect { // some share a bit
		b.syn(nth("198.51.100.1", i), ad("10.0.0.1"), 445)
	}
	check("with a suspected flood", true, 2)
	b.wait(time.Minute) // more than floodWithin
	b.syn(ad("192.0.2.1"), ad("10.0.0.1"), 445)
	b.try(ad("10.0.0.2"), ad("10.0.0.3"), 80, answered)
	check("when it is over, and nobody was answered", true, 2)
	b.whole()
	check("when the tap is known to be whole still", false, 3)
	b.syn(ad("10.0.0.2"), ad("10.0.0.4"), 80)
	b.wait(6 * time.Second)
	check("soon after", false, 3)
	b.wait(time.Duration(lookEvery))
	b.syn(ad("10.0.0.2"), ad("10.0.0.5"), 80)
	b.wait(6 * time.Second)
	check("when an attempt goes unanswered again", true, 4)
}
