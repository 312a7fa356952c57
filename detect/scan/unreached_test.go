package scan

import (
	"net/netip"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// TestUnreached shows that hosts of which a router says that they can't be
// reached are counted as refusals, and are neither alive nor targeted; and
// that hosts that say so of a port of theirs are.
func TestUnreached(t *testing.T) {
	for _, c := range []struct {
		name   string
		from   func(dst netip.Addr) netip.Addr
		alive  bool
		silent time.Duration // before the message
	}{
		{name: "router", from: func(netip.Addr) netip.Addr { return ad("10.0.0.1") }},
		{name: "router, late", from: func(netip.Addr) netip.Addr { return ad("10.0.0.1") }, silent: 10 * time.Second},
		{name: "host", from: func(dst netip.Addr) netip.Addr { return dst }, alive: true},
		{name: "host, late", from: func(dst netip.Addr) netip.Addr { return dst }, alive: true, silent: 10 * time.Second},
	} {
		b := newBed(t, Config{})
		b.whole()
		for i := range 30 { // the first before the alarm, the last in the fast way
			dst := nth("10.9.0.1", i)
			b.syn(ad(worm), dst, 445)
			b.wait(c.silent)
			b.unreachable(c.from(dst), ad(worm), dst, 445, 1)
			b.wait(time.Second)
		}
		b.engine.Close()
		b.one()
		end := b.rec.alerts[len(b.rec.alerts)-1]
		if s := end.Evidence.Scan; s.Refused != 30 || s.Silent != 0 {
			t.Errorf("%s: %s, want 30 refused", c.name, summary(&end))
		}
		targeted := 0
		if c.alive {
			targeted = 30
		}
		if n := len(b.rec.facts); n != targeted {
			t.Errorf("%s: %d hosts are targeted, want %d", c.name, n, targeted)
		}
		for i := range 30 {
			if dst := nth("10.9.0.1", i); b.d.alive.has(ip.From(dst).Hash()) != c.alive {
				t.Fatalf("%s: %v is alive: %v, want %v", c.name, dst, !c.alive, c.alive)
			}
		}
	}
}

// TestUnreachedBefore shows that one who sweeps addresses of which a router
// said that nobody is there hides no slow worm behind it.
func TestUnreachedBefore(t *testing.T) {
	attempts := func(inventory int) uint64 {
		b := newBed(t, Config{})
		b.whole()
		for i := range inventory {
			b.syn(ad("10.1.0.250"), nth("10.9.0.1", i), 443)
			b.unreachable(ad("10.0.0.1"), ad("10.1.0.250"), nth("10.9.0.1", i), 443, 1)
			b.wait(time.Second)
		}
		b.wait(time.Hour)
		b.sweep(worm, "10.9.0.1", 36, 445, 40*time.Minute, always(silent))
		b.engine.Close()
		found := b.rec.starts()
		if n := len(found); n == 0 || found[n-1].Host != ad(worm) {
			t.Fatalf("after a sweep of %d: %q", inventory, summaries(found))
		}
		return found[len(found)-1].Evidence.Scan.Attempts
	}
	if without, with := attempts(0), attempts(250); with != without {
		t.Errorf("found after %d attempts, without the first sweep after %d", with, without)
	}
}

// TestUnreachedVertical shows that ports that a router refuses are failed
// ones, and refused.
func TestUnreachedVertical(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for p := range uint16(25) {
		b.syn(ad(worm), ad("10.9.0.1"), 2000+p)
		b.unreachable(ad("10.0.0.1"), ad(worm), ad("10.9.0.1"), 2000+p, 13)
	}
	b.engine.Close()
	b.one()
	end := b.rec.alerts[len(b.rec.alerts)-1]
	if s := end.Evidence.Scan; end.Name != alert.NameVertical || s.Refused != 25 || len(b.rec.facts) != 0 {
		t.Errorf("%s, facts %v; want vertical, 25 refused, no facts", summary(&end), b.rec.facts)
	}
}

// TestResetOfAnother: a server that was started anew refuses what a client goes on
// with from before, while the client connects to it again. That is answered.
func TestResetOfAnother(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for i := range 20 {
		src, dst := ad("10.1.0.9"), nth("10.9.0.1", i)
		b.syn(src, dst, 445)
		b.send(port(dst, 445), port(src, 39999), packet.RST, 5_000_000, 0)
		b.synack(src, dst, 445)
		b.ack(src, dst, 445)
		b.wait(2 * time.Minute)
	}
	b.engine.Close()
	b.none()
}

// TestResetWithoutACK: some firewalls refuse like that.
func TestResetWithoutACK(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for i := range 10 {
		dst := nth("10.9.0.1", i)
		b.syn(ad(worm), dst, 445)
		b.send(port(dst, 445), port(ad(worm), 40000), packet.RST, 0, 0)
		b.wait(time.Second)
	}
	if a := b.one(); a.Evidence.Scan.Refused == 0 {
		t.Errorf("nothing was refused: %s", summary(&a))
	}
}
