package scan

import (
	"math"
	"testing"
	"time"

	"wormscope/detect/alert"
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

// last returns the last word of the only alert.
func (b *bed) last() (alert.Alert, *alert.Scan) {
	b.t.Helper()
	b.engine.Close()
	b.one()
	end := b.rec.alerts[len(b.rec.alerts)-1]
	return end, end.Evidence.Scan
}

// TestRepeatsAfterAlarm shows that only first contacts count after the alarm,
// too: not what a host's TCP repeats for a minute, nor a server that the host
// then uses all day.
func TestRepeatsAfterAlarm(t *testing.T) {
	for _, src := range []string{worm, "198.51.100.7"} {
		t.Run(src, func(t *testing.T) {
			b := newBed(t, Config{})
			b.whole()
			for range 3 { // Linux repeats a SYN at 31 and 63 s, among others
				b.sweep(src, "10.9.0.1", 60, 445, 100*time.Millisecond, always(silent))
				b.try(ad(src), ad("10.9.1.1"), 445, answered)
				b.wait(25 * time.Second)
			}
			began := b.now
			b.wait(6 * time.Minute)
			for range 100 {
				b.try(ad(src), ad("10.9.1.1"), 445, answered)
				b.wait(5 * time.Minute)
			}
			end, s := b.last()
			if s.Targets != 61 || s.Answered != 1 || s.Silent != 60 || end.Count != 61 {
				t.Errorf("at the end %d attempts, %s; want 61 targets, tried once each", end.Count, summary(&end))
			}
			if !end.Last.Before(begin.Add(began)) || end.Time.Sub(end.Last) != time.Duration(quietAfter) {
				t.Errorf("the last attempt was at %v, and the end at %v", end.Last, end.Time)
			}
		})
	}
}

// TestPoller shows that a host that polls the same dead ones is no new scanner
// each time.
func TestPoller(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for range 12 {
		b.sweep("10.1.0.9", "10.9.0.1", 100, 445, 10*time.Millisecond, always(silent))
		b.wait(15 * time.Minute)
	}
	if _, s := b.last(); s.Targets != 100 || s.Silent != 100 {
		t.Errorf("%d targets, %d silent, want 100", s.Targets, s.Silent)
	}
}

// TestScanShare shows that a scan does not fill the memory of contacts.
func TestScanShare(t *testing.T) {
	const most = 1 << 10
	b := newBed(t, Config{MaxContacts: most * scanShare})
	b.whole()
	b.sweep(worm, "10.9.0.1", 2*most, 445, 10*time.Millisecond, always(refused))
	if _, s := b.last(); s.Targets < 2*most*9/10 {
		t.Errorf("%d targets, want about %d", s.Targets, 2*most)
	}
	if n := b.d.inside.contacts.used; n > most+most/10 {
		t.Errorf("%d contacts are remembered, want %d", n, most)
	}
}

// TestLongAgo shows that what a host did months or years ago is not part of what
// it does now.
func TestLongAgo(t *testing.T) {
	for _, days := range []int{30, 400, 570, 770} {
		b := newBed(t, Config{})
		b.whole()
		b.sweep("10.1.0.9", "10.9.0.1", 15, 445, 400*time.Second, always(answered))
		b.wait(time.Duration(days*24) * time.Hour)
		b.sweep("10.1.0.9", "10.9.1.1", 6, 445, 400*time.Second, always(answered))
		b.engine.Close()
		b.none()
	}
}

// TestGoesOverTheSame shows that a scanner that goes over its destinations again
// scans for as long as it does, though it adds nothing to its alert; and that one
// who afterwards uses what it has a few of, dead or not, does not.
func TestGoesOverTheSame(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for range 60 {
		b.sweep(worm, "10.9.0.1", 100, 445, 50*time.Millisecond, every7)
		b.wait(time.Minute)
	}
	last := begin.Add(b.now - time.Minute)
	for range 60 {
		b.sweep(worm, "10.9.0.1", 12, 445, time.Second, every7)
		b.wait(time.Minute)
	}
	end, s := b.last()
	if s.Targets != 100 || s.Answered != 14 || s.Silent != 86 || end.Count != 100 || s.Rate < 19 {
		t.Errorf("%d attempts, %v a second, %s", end.Count, s.Rate, summary(&end))
	}
	if end.Last.After(last.Add(2*time.Minute)) || end.Last.Before(last.Add(-time.Second)) || end.Time.Sub(end.Last) != time.Duration(quietAfter) {
		t.Errorf("the last attempt was at %v, not %v or little later, the end at %v", end.Last, last, end.Time)
	}
	if end.Seq > 6 {
		t.Errorf("%d words, want 7 at most", end.Seq+1)
	}
}

// TestScansNoMore shows that neither what TCP says again of a scan that is over
// keeps its alert open, nor a few dead drives do.
func TestScansNoMore(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	start := b.now
	var last time.Time
	for _, at := range []time.Duration{0, 31 * time.Second, 63 * time.Second, 127 * time.Second} { // as Linux does
		b.wait(start + at - b.now)
		b.sweep(worm, "10.9.0.1", 100, 445, 10*time.Millisecond, always(silent))
		if at == 0 {
			last = begin.Add(b.now - 10*time.Millisecond)
		}
	}
	for range 60 {
		b.wait(time.Minute)
		b.sweep(worm, "10.9.0.1", 12, 445, time.Second, always(silent))
	}
	if end, _ := b.last(); !end.Last.Equal(last) {
		t.Errorf("the last attempt was at %v, and not %v", end.Last, last)
	}
}

// TestRelapse shows that a scanner that comes back on another day is told again,
// and that neither a server that pushes is, nor a host with a few dead drives.
func TestRelapse(t *testing.T) {
	for _, c := range []struct {
		name   string
		n      int
		o      func(int) outcome
		alerts int
	}{
		{"worm", 100, every7, 3},
		{"refused", 100, always(refused), 3},
		{"server that pushes, also to stale clients", 100, every(4, silent), 1},
		{"dead drives", 12, always(refused), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, Config{})
			b.whole()
			for range 3 {
				for range 3 {
					b.sweep(worm, "10.9.0.1", c.n, 445, 50*time.Millisecond, c.o)
					b.wait(time.Hour)
				}
				b.wait(21 * time.Hour)
			}
			b.engine.Close()
			starts := b.rec.starts()
			if len(starts) != c.alerts {
				t.Fatalf("alerts %q, want %d", summaries(starts), c.alerts)
			}
			for _, a := range b.rec.alerts {
				if a.Phase == alert.PhaseEnd && a.Count != uint64(c.n) {
					t.Errorf("at the end %d attempts, want %d: %s", a.Count, c.n, summary(&a))
				}
			}
		})
	}
}
