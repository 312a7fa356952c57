package scan

import (
	"testing"
	"time"

	"wormscope/capture/packet"
)

// TestSYNFIN shows that probes with SYN and FIN in one are attempts: refusals
// of them count, whatever they acknowledge, and silence does not.
func TestSYNFIN(t *testing.T) {
	for _, s := range []scenario{
		{name: "refused", run: func(b *bed) {
			for i := range 6 {
				dst := nth("10.9.0.1", i)
				b.send(port(ad(worm), 40000), port(dst, 445), packet.SYN|packet.FIN, isn, 0)
				b.send(port(dst, 445), port(ad(worm), 40000), packet.RST|packet.ACK, 0, isn+2)
			}
		}, want: []string{"sequential 10.1.0.66 445"}},
		{name: "silent", run: func(b *bed) {
			for i := range 6 {
				b.send(port(ad(worm), 40000), port(nth("10.9.0.1", i), 445), packet.SYN|packet.FIN, isn, 0)
			}
			b.wait(time.Minute)
		}},
	} {
		s.test(t)
	}
}

// TestNULL: a segment with no flag at all, or with none that means anything
// without ACK, is an attempt like one with FIN.
func TestNULL(t *testing.T) {
	for _, flags := range []packet.Flags{0, packet.PSH, packet.URG} {
		for _, s := range []scenario{
			{name: "refused", run: func(b *bed) {
				for i := range 6 {
					dst := nth("10.9.0.1", i)
					b.send(port(ad(worm), 40000), port(dst, 445), flags, isn, 0)
					b.send(port(dst, 445), port(ad(worm), 40000), packet.RST|packet.ACK, 0, isn)
				}
			}, want: []string{"sequential 10.1.0.66 445"}},
			{name: "silent", run: func(b *bed) {
				for i := range 6 {
					b.send(port(ad(worm), 40000), port(nth("10.9.0.1", i), 445), flags, isn, 0)
				}
				b.wait(time.Minute)
			}},
			{name: "in a connection", run: func(b *bed) {
				for i := range 30 {
					dst := nth("10.9.0.1", i)
					b.try(ad(worm), dst, 445, answered)
					b.ack(ad(worm), dst, 445)
					b.send(port(ad(worm), 40000), port(dst, 445), flags, isn+1, 0)
					b.wait(20 * time.Minute)
				}
			}},
		} {
			s.test(t)
		}
	}
}
