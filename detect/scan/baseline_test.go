package scan

import (
	"net/netip"
	"testing"
	"time"

	"wormscope/detect/alert"
)

// TestUsualTogether lets hosts, and hardly any others, go slowly through a net at
// the same time, in which nine in ten answer: that all of them do the same makes
// it no habit.
func TestUsualTogether(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	const hosts, targets = 10, 50
	for i := range targets {
		for host := range hosts {
			n := (i*7 + host*31) % 250
			o := answered
			if n%10 == 0 {
				o = refused
			}
			b.try(nth("10.1.1.1", host), nth("10.9.0.1", n), 445, o)
			b.wait(15 * time.Second)
		}
	}
	found := map[netip.Addr]bool{}
	for _, a := range b.rec.starts() {
		found[a.Host] = true
	}
	if len(found) != hosts {
		t.Errorf("%d hosts were found, want %d: %v", len(found), hosts, summaries(b.rec.starts()))
	}
}

// TestWaves lets a host go through a net in waves, each too small for the rules,
// and most of which is answered: what it did in the wave before is no reason to let
// it do the same again all day. It is told once, until it did twice as much.
func TestWaves(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for wave := range 6 {
		b.sweep(worm, nth("10.9.0.1", 40*wave).String(), 39, 445, 1200*time.Millisecond, every(8, refused))
		b.wait(15 * time.Minute)
	}
	b.engine.Close()
	a := b.one()
	if s := a.Evidence.Scan; a.Name != alert.NameSlow || s.Targets != 40 || s.Answered != 35 || s.Refused != 4 {
		t.Errorf("%s, want slow, 40 targets: the second wave, and the first of the third, which is open", summary(&a))
	}
}

// TestRunCounts shows that of an alert that begins with a go of its own only that is
// counted, however much more was tried before, and failed or not.
func TestRunCounts(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	b.sweep(worm, "10.8.0.1", 16, 445, time.Second, every(8, silent))
	b.wait(time.Hour)
	b.sweep(worm, "10.9.0.1", 41, 445, time.Second, every(20, refused))
	b.engine.Close()
	if s := b.rec.starts()[0].Evidence.Scan; s.Targets != 40 || s.Answered != 38 || s.Refused != 1 || s.Silent != 0 {
		t.Errorf("%+v, want 40 targets, 38 answered, one refused and the last one open", s)
	}
}
