package scan

import (
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
)

// TestHalfDuplex shows what is found, and nobody accused, on taps of one direction.
func TestHalfDuplex(t *testing.T) {
	clientSide := func(b *bed, n int) {
		for i := range n {
			src := nth("10.1.0.1", i%50)
			b.syn(src, nth("10.9.0.1", i), 445)
			b.ack(src, nth("10.9.0.1", i), 445)
			b.send(port(src, 40000), port(nth("10.9.0.1", i), 445), packet.FIN|packet.ACK, isn+5, 9)
			b.wait(time.Second)
		}
	}
	t.Run("clients' half: connections", func(t *testing.T) {
		b := newBed(t, Config{})
		clientSide(b, 300)
		for i := range 15 { // one client to many, none answered as far as the tap shows
			b.syn(ad("10.1.0.1"), nth("10.8.0.1", i), 445)
			b.ack(ad("10.1.0.1"), nth("10.8.0.1", i), 445)
			b.wait(10 * time.Second)
		}
		b.engine.Close()
		b.none()
		if s := b.d.Stats(); !s.ClientOnly || s.ServerOnly || len(s.Warnings()) != 1 {
			t.Errorf("stats %+v, want ClientOnly and a warning", s)
		}
	})
	t.Run("clients' half: silence is nothing", func(t *testing.T) {
		b := newBed(t, Config{})
		clientSide(b, 20)
		b.sweep("10.1.0.60", "10.7.0.1", 19, 445, 6*time.Second, always(silent))
		b.engine.Close()
		b.none()
	})
	for _, src := range []string{worm, "198.51.100.7"} {
		t.Run("clients' half: a sweep by "+src, func(t *testing.T) {
			b := newBed(t, Config{})
			clientSide(b, 20)
			b.sweep(src, "10.7.0.1", 30, 445, 100*time.Millisecond, always(silent))
			b.engine.Close()
			if a := b.one(); a.Name != alert.NameFanOut || a.Host != ad(src) {
				t.Errorf("%s, want fan-out", summary(&a))
			}
		})
	}
	t.Run("a sweep is no evidence", func(t *testing.T) {
		b := newBed(t, Config{})
		b.sweep(worm, "10.7.0.1", 100, 445, time.Second, always(silent))
		b.engine.Close()
		if b.one(); b.d.Stats().ClientOnly {
			t.Error("the tap is called half-duplex")
		}
	})
	t.Run("servers' half: a worm", func(t *testing.T) {
		b := newBed(t, Config{})
		for i := range 40 {
			b.synack(ad(worm), nth("10.7.0.1", i), 445)
			b.synack(ad(worm), nth("10.7.0.1", i), 445) // a copy
			b.wait(100 * time.Millisecond)
		}
		b.engine.Close()
		a := b.one()
		if a.Name != alert.NameHalfDuplex || a.Host != ad(worm) || a.Evidence.Scan.Targets != 20 {
			t.Errorf("%s, want half-duplex, the worm, 20 targets", summary(&a))
		}
		if !b.d.Stats().ServerOnly {
			t.Error("the tap is not called half-duplex")
		}
	})
	for _, host := range []string{"127.0.0.1", "::1", worm} {
		t.Run("connections within a host: "+host, func(t *testing.T) {
			b := newBed(t, Config{})
			for range 100 {
				b.syn(ad(host), ad(host), 445)
				b.synack(ad(host), ad(host), 445)
				b.ack(ad(host), ad(host), 445)
				b.wait(time.Second)
			}
			b.engine.Close()
			b.none()
			if s := b.d.Stats(); s.ServerOnly || s.ClientOnly || s.Backscatter != 0 {
				t.Errorf("stats %+v: both halves of all connections are seen", s)
			}
		})
	}
	t.Run("backscatter", func(t *testing.T) {
		b := newBed(t, Config{})
		b.whole()
		for i := range 500 {
			b.synack(nth("10.1.0.1", i), ad("203.0.113.5"), 445)
			b.rst(nth("10.1.0.1", i), ad("203.0.113.6"), 445)
		}
		b.engine.Close()
		b.none()
	})
	t.Run("reflection, both halves seen", func(t *testing.T) {
		b := newBed(t, Config{})
		b.whole()
		for i := range 500 {
			b.synack(ad(worm), nth("203.0.113.1", i), 445)
			b.wait(time.Millisecond)
		}
		b.engine.Close()
		b.none()
	})
}
