package scan

import (
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
)

// TestGivingUp shows that a scanner that follows each SYN with an RST of its
// own, as nobody answers, is found on a tap of which nothing is known yet. Some
// stacks (lwIP) acknowledge in it what they never got, zero.
func TestGivingUp(t *testing.T) {
	for _, flags := range []packet.Flags{packet.RST, packet.RST | packet.ACK} {
		b := newBed(t, Config{})
		for i := range 12 {
			b.syn(ad(worm), nth("10.9.0.1", i), 445)
			b.wait(time.Second)
			b.send(port(ad(worm), 40000), port(nth("10.9.0.1", i), 445), flags, isn+1, 0)
			b.wait(14 * time.Second)
		}
		b.engine.Close()
		if a := b.one(); a.Name != alert.NameSequential {
			t.Errorf("%v: %s, want sequential", flags, a.Name)
		}
		if b.d.Stats().ClientOnly {
			t.Errorf("%v: the tap is called half-duplex", flags)
		}
	}
}

// TestPushSeenOneSided shows that where a tap shows what clients send only, their
// segments tell on every lateral port that a server's clients answer it, and that
// nobody answers a worm.
func TestPushSeenOneSided(t *testing.T) {
	b := newBed(t, Config{})
	push := func(src string, answers bool) {
		for i := range 120 {
			dst := nth("10.9.0.1", i)
			b.syn(ad(src), dst, 5985)
			if answers {
				b.wait(5 * time.Millisecond)
				b.ack(ad(src), dst, 5985)
			}
			b.wait(500 * time.Millisecond)
		}
		b.wait(time.Hour)
	}
	push("10.0.0.5", true)
	push(worm, false)
	b.engine.Close()
	if !b.d.Stats().ClientOnly {
		t.Error("the tap is not called half-duplex")
	}
	last := map[string]uint64{}
	for _, a := range b.rec.alerts {
		last[a.Host.String()] = a.Evidence.Scan.Answered
	}
	if len(last) != 2 || last["10.0.0.5"] < 115 || last[worm] != 0 {
		t.Errorf("answered, by source: %v", last)
	}
}
