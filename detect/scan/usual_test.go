package scan

import (
	"net/netip"
	"testing"
	"time"
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
// it do the same again all day.
func TestWaves(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for wave := range 4 {
		b.sweep(worm, nth("10.9.0.1", 40*wave).String(), 39, 445, 1200*time.Millisecond, every(8, refused))
		b.wait(15 * time.Minute)
	}
	b.engine.Close()
	if a := b.one(); a.Name != nameSlow {
		t.Errorf("%s, want slow", summary(&a))
	}
}
