package scan

import (
	"testing"
	"time"
)

const pusher = "10.3.0.50"

// TestTurn shows that a server that pushes to its clients and is infected while the
// alert about that is open scans since its outcomes turned, whether they come at once
// or not.
func TestTurn(t *testing.T) {
	worms := map[string]outcome{"refused": refused, "silent": silent}
	for name, o := range worms {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, Config{})
			b.whole()
			start := begin.Add(b.now)
			b.sweep(pusher, "10.8.0.1", 120, 445, time.Second, always(answered))
			b.wait(2 * time.Minute)
			infected := begin.Add(b.now)
			b.sweep(pusher, "10.9.0.1", 150, 445, 100*time.Millisecond, always(o))
			b.wait(time.Minute)
			first := b.rec.starts()[0].Evidence.Scan.Since
			if first.Sub(start) > time.Minute || first.Before(start.Add(-time.Second)) {
				t.Errorf("at the alarm it looks like a scanner from %v on, want when it pushes", first.Sub(start))
			}
			end, s := b.last()
			if late := s.Since.Sub(infected); late < -time.Second || late > time.Second {
				t.Errorf("in the end it looks like a scanner from %v after it was infected on", late)
			}
			if !end.First.Before(infected.Add(-time.Minute)) {
				t.Errorf("the alert is said to begin at %v, after it was said", end.First)
			}
		})
	}
}

// TestNoTurn shows that a server of which some clients are off is not dated anew, nor
// a worm that many answer.
func TestNoTurn(t *testing.T) {
	for _, tt := range []struct {
		name string
		gap  time.Duration
		o    func(int) outcome
	}{
		{"a server", time.Second, every(15, silent)},
		{"a worm", 200 * time.Millisecond, every(4, silent)},
	} {
		b := newBed(t, Config{})
		b.whole()
		b.sweep(pusher, "10.8.0.1", 400, 445, tt.gap, tt.o)
		b.wait(time.Minute)
		end, s := b.last()
		if first := b.rec.starts()[0].Evidence.Scan.Since; first.IsZero() || !s.Since.Equal(first) {
			t.Errorf("%s is dated anew, from %v to %v: %s", tt.name, first, s.Since, summary(&end))
		}
	}
}
