package scan

import (
	"net/netip"
	"testing"
	"time"

	"wormscope/detect/alert"
)

// push lets a server try n hosts at the same time; all but one in some number
// answer after a while.
func (b *bed) push(src, from string, n int, dead int, after time.Duration) {
	for i := range n {
		b.syn(ad(src), nth(from, i), 445)
	}
	b.wait(after)
	for i := range n {
		if i%dead != dead-1 {
			b.synack(ad(src), nth(from, i), 445)
			b.ack(ad(src), nth(from, i), 445)
		}
	}
}

// TestVerdictInTime shows that a sweep faster than silence is certain is told for
// what it is while it runs, and when the capture ends before it does; and that a
// server whose clients take a moment to answer is not.
func TestVerdictInTime(t *testing.T) {
	const soon = 3 * time.Second
	for _, c := range []struct {
		name    string
		run     func(b *bed)
		worm    bool          // is it told for one
		after   time.Duration // how soon, at most
		words   int           // at most
		silence uint64        // told last
	}{
		{"one in seven answers", func(b *bed) {
			b.sweep(worm, "10.9.0.1", 254, 445, 50*time.Millisecond, every7)
			b.wait(9 * time.Second)
			b.wait(time.Hour)
		}, true, time.Second, 4, 218},
		{"the capture ends in the midst of it", func(b *bed) {
			b.sweep(worm, "10.9.0.1", 80, 445, 50*time.Millisecond, every7)
		}, true, time.Second, 2, 61},
		{"at once", func(b *bed) {
			b.push(worm, "10.9.0.1", 254, 1, 0)
			for range 9 {
				b.wait(time.Second)
			}
			b.wait(time.Hour)
		}, true, soon, 5, 254},
		{"at once, and the capture ends", func(b *bed) { b.push(worm, "10.9.0.1", 40, 1, 0) }, true, 0, 2, 0},
		{"faster and faster", func(b *bed) {
			b.sweep(worm, "10.9.0.1", 20, 445, 50*time.Millisecond, every7)
			b.sweep(worm, "10.9.1.1", 2000, 445, time.Millisecond, every7)
			b.wait(9 * time.Second)
			b.wait(time.Hour)
		}, true, time.Second, 5, 1731},
		{"a server that pushes to all its clients at once", func(b *bed) {
			b.push("10.1.0.9", "10.9.0.1", 250, 20, 300*time.Millisecond)
			b.wait(9 * time.Second)
			b.wait(time.Hour)
		}, false, 0, 4, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, Config{})
			b.whole()
			began := begin.Add(b.now)
			c.run(b)
			last, s := b.last()
			told := false
			for i := range b.rec.alerts {
				a := &b.rec.alerts[i]
				bad := a.Severity == alert.Critical
				if bad == a.Evidence.Scan.MostlyAnswered() {
					t.Errorf("severity and counts differ: %s", summary(a))
				}
				if bad && !told && a.Time.Sub(began) > c.after {
					t.Errorf("told after %v", a.Time.Sub(began))
				}
				if told && !bad {
					t.Errorf("taken back: %s", summary(a))
				}
				told = told || bad
			}
			if told != c.worm || s.Silent != c.silence || len(b.rec.alerts) > c.words {
				t.Errorf("told for a worm: %v, in %d words, the last %s", told, len(b.rec.alerts), summary(&last))
			}
			if before := b.rec.alerts[len(b.rec.alerts)-2]; c.words > 2 && before.Evidence.Scan.Silent != c.silence {
				t.Errorf("told when it rests: %s", summary(&before))
			}
		})
	}
}

// TestSeverityRises shows that an alert is said again when it turns out that most
// of its scan is in vain.
func TestSeverityRises(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	began := begin.Add(b.now)
	b.sweep(worm, "10.9.0.1", 90, 445, 50*time.Millisecond, func(i int) outcome {
		if i%5 < 2 {
			return answered
		}
		return silent
	})
	b.last()
	if first := b.rec.alerts[0]; first.Severity != alert.High {
		t.Errorf("at first %s", summary(&first))
	}
	if next := b.rec.alerts[1]; next.Severity != alert.Critical || next.Phase != alert.PhaseUpdate || next.Time.Sub(began) > 3*time.Second {
		t.Errorf("then %v, after %v, %s", next.Phase, next.Time.Sub(began), summary(&next))
	}
}

// every7 lets one attempt in seven be answered.
func every7(i int) outcome {
	if i%7 == 3 {
		return answered
	}
	return silent
}

// TestVerdictWavers shows that an alert does not speak up each time the outcomes
// of its attempts go to and fro about what matters.
func TestVerdictWavers(t *testing.T) {
	for _, share := range []float64{.5, .9} {
		b := newBed(t, Config{})
		b.whole()
		came := 0
		b.sweep(worm, "10.9.0.1", 4000, 445, 100*time.Millisecond, func(i int) outcome {
			aim := share*float64(i) - 3
			if i < 20 { // fan-out speaks, not the sequential test
				aim = 20
			} else if i/30%2 == 0 {
				aim += 6
			}
			if float64(came) < aim {
				came++
				return answered
			}
			return refused
		})
		if end, _ := b.last(); end.Seq > 9 {
			t.Errorf("%v answer: %d words", share, end.Seq+1)
		}
	}
}

// TestHurry: what a scanner does after a mark is said at once.
func TestHurry(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	src := ad("10.1.0.14")
	for i := range 40 {
		b.try(src, nth("10.2.0.1", i), 445, refused)
		b.wait(100 * time.Millisecond)
	}
	b.one()
	words := len(b.rec.alerts)
	b.try(src, ad("10.2.1.1"), 445, refused)
	if n := len(b.rec.alerts); n != words {
		t.Fatalf("%d words before, %d now: the test needs a quiet time", words, n)
	}
	b.d.Hurry(map[netip.Addr]bool{ad("10.1.0.15"): true})
	b.try(src, ad("10.2.1.2"), 445, refused)
	b.d.Hurry(map[netip.Addr]bool{src: true})
	b.try(src, ad("10.2.1.3"), 445, refused)
	b.try(src, ad("10.2.1.4"), 445, refused)
	if n := len(b.rec.alerts); n != words+1 {
		t.Errorf("%d words, want one more than %d", n, words)
	}
}
