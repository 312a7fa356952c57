package scan

import (
	"math"
	"testing"
	"time"
)

// TestBeginsAgain shows that a second scan begins when it does, and not when the
// alert about the first was closed.
func TestBeginsAgain(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	b.sweep(worm, "10.9.0.1", 20, 445, time.Second, always(refused))
	b.wait(10 * time.Hour)
	start := begin.Add(b.now)
	b.sweep(worm, "10.9.1.1", 21, 445, time.Second, always(refused))
	b.engine.Close()
	starts := b.rec.starts()
	if len(starts) != 2 {
		t.Fatalf("alerts %q, want two", summaries(starts))
	}
	if !starts[1].First.Equal(start) {
		t.Errorf("the second scan begins at %v, the alert says %v", start, starts[1].First)
	}
	end := b.rec.alerts[len(b.rec.alerts)-1]
	if rate := end.Evidence.Scan.Rate; math.Abs(rate-1) > .01 {
		t.Errorf("the second scan goes at %v a second, want 1", rate)
	}
}
