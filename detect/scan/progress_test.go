package scan

import (
	"testing"
	"time"

	"wormscope/capture/packet"
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
		if a := b.one(); a.Name != nameSequential {
			t.Errorf("%v: %s, want sequential", flags, a.Name)
		}
		if b.d.Stats().ClientOnly {
			t.Errorf("%v: the tap is called half-duplex", flags)
		}
	}
}
