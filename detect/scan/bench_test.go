package scan

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"syscall"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect/zone"
	"wormscope/internal/ip"
)

func v4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// A segment is a packet in few bytes, so that a benchmark measures the
// detector and not the way of its packets from memory.
type segment struct {
	at           int64
	src, dst     uint32
	sport, dport uint16
	seq, ack     uint32
	flags        packet.Flags
}

func (s *segment) packet(p *packet.Packet, shift int64) {
	p.Time = s.at + shift
	p.Src, p.Dst = ip.FromPort(port(v4(s.src), s.sport)), ip.FromPort(port(v4(s.dst), s.dport))
	p.Proto, p.Flags, p.Seq, p.Ack = packet.ProtoTCP, s.flags, s.seq, s.ack
}

// traffic makes segments of connections: two thousand hosts inside, fifteen
// servers each, 2000 connections a second.
func traffic(n int) []segment {
	r := rand.New(rand.NewPCG(1, 2))
	var segments []segment
	now := begin.UnixNano()
	for len(segments) < n {
		host := r.Uint32N(2000)
		out := segment{
			src: 0x0a010000 + host, dst: 0x0a020000 + (host*31+r.Uint32N(15)*37)%1000, sport: uint16(30000 + r.IntN(20000)),
			dport: []uint16{445, 443, 80, 389, 8080}[r.IntN(5)], seq: r.Uint32(), ack: 1,
		}
		back := segment{src: out.dst, dst: out.src, sport: out.dport, dport: out.sport, ack: out.seq + 1}
		for i, f := range []packet.Flags{packet.SYN, packet.SYN | packet.ACK, packet.ACK, packet.FIN | packet.ACK} {
			now += 125_000
			s := out
			if i == 1 {
				s = back
			}
			s.at, s.flags = now, f
			segments = append(segments, s)
		}
	}
	return segments
}

func only(segments []segment, keep func(packet.Flags) bool) []segment {
	var kept []segment
	for _, s := range segments {
		if keep(s.flags) {
			kept = append(kept, s)
		}
	}
	return kept
}

func BenchmarkPacket(b *testing.B) {
	mixed := traffic(1 << 18)
	run := func(name string, segments []segment) {
		b.Run(name, func(b *testing.B) {
			d := New(&recorder{}, zonesOf(b, zone.DefaultInside()), Config{})
			var p packet.Packet
			for i := range mixed { // what is known of a net at work
				mixed[i].packet(&p, 0)
				d.Packet(&p)
			}
			span := segments[len(segments)-1].at - segments[0].at + 30e9
			shift := mixed[len(mixed)-1].at - segments[0].at + 30e9
			i, used := 0, processorTime(b)
			for b.Loop() {
				segments[i].packet(&p, shift)
				d.Packet(&p)
				if i++; i == len(segments) {
					i, shift = 0, shift+span
				}
			}
			b.ReportMetric(float64(processorTime(b)-used)/float64(b.N), "cpu-ns/op")
		})
	}
	run("mixed", mixed)
	run("syn", only(mixed, packet.Flags.IsSYN))
	run("handshake", only(mixed, func(f packet.Flags) bool { return f&packet.SYN != 0 }))
	run("data", only(mixed, func(f packet.Flags) bool { return f == packet.ACK }))
	run("fin", only(mixed, func(f packet.Flags) bool { return f&packet.FIN != 0 }))
	run("flood", spoofed(1<<18))
	run("worms", worms(1<<18))
}

// processorTime returns the processor time that the process used, in
// nanoseconds: on a shared machine the wall clock says little.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// spoofed makes the SYNs of a flood of one web server.
func spoofed(n int) []segment {
	r := rand.New(rand.NewPCG(3, 4))
	segments := make([]segment, n)
	for i := range segments {
		segments[i] = segment{at: begin.UnixNano() + int64(i)*20_000, src: r.Uint32() | 0x40000000, dst: 0x0a090909, dport: 80, flags: packet.SYN}
	}
	return segments
}

// worms makes the SYNs of a hundred worms that try random addresses.
func worms(n int) []segment {
	r := rand.New(rand.NewPCG(5, 6))
	segments := make([]segment, n)
	for i := range segments {
		segments[i] = segment{
			at: begin.UnixNano() + int64(i)*500_000, src: 0x0a030000 + r.Uint32N(100),
			dst: r.Uint32N(0xd0000000) + 0x0b000000, dport: 445, flags: packet.SYN, seq: r.Uint32(),
		}
	}
	return segments
}

// TestAllocations shows that a packet allocates nothing once the tables have
// grown to the size of the net.
func TestAllocations(t *testing.T) {
	segments := traffic(1 << 16)
	d := New(&recorder{}, zonesOf(t, zone.DefaultInside()), Config{})
	shift := int64(0)
	var p packet.Packet
	pass := func() {
		for i := range segments {
			segments[i].packet(&p, shift)
			d.Packet(&p)
		}
		shift += segments[len(segments)-1].at - segments[0].at + 30e9
	}
	pass()
	pass()
	if n := testing.AllocsPerRun(2, pass); n != 0 {
		t.Errorf("%v allocations in %d packets, want none", n, len(segments))
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestFlood sends a flood of two million spoofed sources, with a scanner among
// them that takes its time, and asks for one flood alert, the scanner, and
// memory within the bound that docs/detection.md gives.
func TestFlood(t *testing.T) {
	sources := map[string]func(r *rand.Rand) netip.Addr{
		"outside": func(r *rand.Rand) netip.Addr { return v4(r.Uint32N(0x90000000) + 0x0b000000) },
		"inside":  func(r *rand.Rand) netip.Addr { return v4(0x0a000000 | r.Uint32N(1<<24)) },
		"outside, v6": func(r *rand.Rand) netip.Addr {
			return ip.Addr{Hi: 0x2001_0db8<<32 | uint64(r.Uint32()), Lo: r.Uint64()}.Netip()
		},
		"one /64": func(r *rand.Rand) netip.Addr { return ip.Addr{Hi: 0x2001_0db8 << 32, Lo: r.Uint64()}.Netip() },
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			before := heap()
			b := newBed(t, Config{})
			r := rand.New(rand.NewPCG(3, 4))
			victim := ad("10.9.9.9")
			peak := int64(0)
			for i := range 2_000_000 {
				b.number++
				b.engine.Packet(&packet.Packet{
					Time: begin.Add(b.now).UnixNano(), Src: ip.FromPort(port(source(r), 1024)), Dst: ip.FromPort(port(victim, 80)),
					Proto: packet.ProtoTCP, Flags: packet.SYN, Seq: r.Uint32(),
				})
				b.now += 20_000 // 50,000 a second
				if i%50_000 == 25_000 {
					b.try(ad("10.77.0.1"), v4(0x0a4e0001+uint32(i/50_000)), 445, refused)
					b.try(ad("198.51.100.7"), v4(0x0a4e0001+uint32(i/50_000)), 22, silent)
				}
				if i%500_000 == 0 {
					peak = max(peak, heap()-before)
				}
			}
			b.engine.Close()
			peak = max(peak, heap()-before)
			t.Logf("%d MB, %+v", peak>>20, b.d.Stats())
			if peak > 64<<20 {
				t.Errorf("%d MB of heap, want at most 64", peak>>20)
			}
			for _, s := range summaries(b.rec.starts()) {
				t.Log(s)
			}
			if n := len(b.rec.starts()); n != 3 {
				t.Errorf("%d alerts, want the flood and two scanners", n)
			}
		})
	}
}
