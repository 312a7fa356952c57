package contact

import (
	"net/netip"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
	"wormscope/ioc"
)

func TestBounds(t *testing.T) {
	b := newBench(t, Config{MaxFindings: 10, MaxConns: 20}, ioc.Indicator{Type: ioc.Network, Value: "198.51.100.0/24", Feed: "t"})
	for i := range 1000 {
		b.udp(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), 1000), ap("198.51.100.7:9"), 3)
	}
	if s := b.Stats(); b.findings.Len() != 10 || b.conns.Len() != 20 || s.Evicted != 990 || s.Dropped != 980 {
		t.Errorf("%d findings, %d connections, %+v", b.findings.Len(), b.conns.Len(), s)
	}
}

func TestWantsNothingWithoutAddresses(t *testing.T) {
	d := New(&recorder{}, ioc.NewBuilder().Build(), nil, Config{})
	if w := d.Wants(); w.Kinds != 0 || w.Near != nil {
		t.Errorf("wants %b, near %v", w.Kinds, w.Near)
	}
	if w := newBench(t, Config{}).Wants(); w.Kinds != detect.ICMP || !w.Near.Has(ip.FromPort(bad).Addr) {
		t.Errorf("wants %b, near %v", w.Kinds, w.Near)
	}
}

func TestMissAllocatesNothing(t *testing.T) {
	b := newBench(t, Config{})
	p := b.packet(packet.ProtoTCP, us, ap("192.0.2.1:443"), 100)
	known := b.tcp(us, bad, ack, 1, 1)
	if n := testing.AllocsPerRun(100, func() {
		b.Packet(p)
		known.Time += second / 5
		known.Seq++
		b.Packet(known)
	}); n != 0 {
		t.Errorf("%v allocations for a packet, want none", n)
	}
}

// FuzzPackets takes any packets of an indicator address.
func FuzzPackets(f *testing.F) {
	f.Add([]byte("\x06\x02\x01\x10\x06\x12\x81\x20\x06\x10\x01\x30\x11\x00\x00\x40"))
	f.Fuzz(func(t *testing.T, script []byte) {
		b := newBench(t, Config{MaxFindings: 5, MaxConns: 7, SweepAfter: 2})
		open := map[string]bool{}
		for ; len(script) >= 4; script = script[4:] {
			src, dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, script[2] & 15}), uint16(script[3])*8), bad
			if script[2]&0x80 != 0 {
				src, dst = dst, src
			}
			p := b.packet(packet.Proto(script[0]), src, dst, int(script[3]&7))
			p.Flags, p.Seq = packet.Flags(script[1]), uint32(script[1])<<25
			p.Fragment, p.Reassembled = script[2]&0x40 != 0, script[2]&0x20 != 0
			p.ICMP.Type = script[1]
			if script[0]&1 == 0 {
				p.ICMP.HasInner, p.ICMP.InnerSrc, p.ICMP.InnerDst, p.ICMP.InnerProto = true, ip.FromPort(us), ip.FromPort(bad), packet.ProtoTCP
			}
			b.Packet(p)
			b.Tick(b.now)
		}
		b.Close(b.now)
		for _, a := range b.alerts {
			if (a.Phase == alert.PhaseStart) == open[a.ID] || a.Count == 0 || a.Last.Before(a.First) {
				t.Fatalf("%s: out of turn", line(a))
			}
			open[a.ID] = a.Phase != alert.PhaseEnd
		}
		for id, still := range open {
			if still {
				t.Fatalf("%s has no end", id)
			}
		}
	})
}

func BenchmarkMiss(b *testing.B) {
	x := newBench(b, Config{})
	p := x.packet(packet.ProtoTCP, us, ap("192.0.2.1:443"), 100)
	b.ReportAllocs()
	for b.Loop() {
		x.Packet(p)
	}
}
