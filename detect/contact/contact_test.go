package contact

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
	"wormscope/ioc"
)

// TestContacts plays traffic with indicator addresses and compares the alerts: who began,
// whether the contact was established, and the bytes.
func TestContacts(t *testing.T) {
	for _, c := range []struct {
		what string
		play func(b *bench)
		want string
	}{
		{"connection", func(b *bench) {
			b.tcp(us, bad, syn, 99, 0)
			b.tcp(bad, us, synAck, 499, 0)
			b.tcp(us, bad, ack, 100, 0)
			b.tcp(us, bad, ack, 100, 10)
			b.tcp(us, bad, ack, 100, 10) // retransmitted
			b.tcp(bad, us, ack, 520, 30) // 20 bytes lost by the capture
			b.tcp(bad, us, ack, 500, 20) // or late
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0
			update 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0
			end 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 10/50`},
		{"no answer", func(b *bench) {
			for range 3 {
				b.tcp(us, bad, syn, 99, 0)
			}
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0
			end 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0`},
		{"refused", func(b *bench) {
			b.tcp(us, bad, syn, 99, 0)
			b.tcp(bad, us, rst, 0, 0)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0
			end 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0 refused`},
		{"unreachable", func(b *bench) {
			b.udp(us, bad, 5)
			b.icmp("198.51.100.1:0", "10.0.0.9:0", 3, 0, us, bad)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 5/0
			end 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 5/0 refused`},
		{"too large", func(b *bench) {
			b.udp(us, bad, 1400)
			b.icmp("198.51.100.1:0", "10.0.0.9:0", 3, 4, us, bad)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 1400/0
			end 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 1400/0`},
		{"unreachable for the peer", func(b *bench) {
			from, to := ap("203.0.113.66:5555"), ap("10.0.0.9:161")
			b.udp(from, to, 5)
			b.icmp("10.0.0.9:0", "203.0.113.66:0", 3, 3, from, to)
		}, `
			start 10.0.0.9 attempted by peer n=1 sev=25 203.0.113.66:5555>10.0.0.9:161 5/0
			end 10.0.0.9 attempted by peer n=1 sev=25 203.0.113.66:5555>10.0.0.9:161 5/0 refused`},
		{"an error of an indicator is no contact", func(b *bench) {
			b.icmp("203.0.113.66:0", "10.0.0.9:0", 11, 0, us, ap("192.0.2.1:5"))
		}, ""},
		{"in the middle", func(b *bench) { b.tcp(us, bad, ack, 100, 10) }, `
			start 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 10/0 guessed
			end 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 10/0 guessed`},
		{"in the middle, ports say nothing", func(b *bench) { b.tcp(us, ap("203.0.113.66:4444"), ack, 100, 10) }, `
			start 10.0.0.9 established by unknown n=1 sev=75 10.0.0.9:40000>203.0.113.66:4444 10/0 guessed
			end 10.0.0.9 established by unknown n=1 sev=75 10.0.0.9:40000>203.0.113.66:4444 10/0 guessed`},
		{"an attempt does not say who began an earlier connection", func(b *bench) {
			b.tcp(us, ap("203.0.113.66:4444"), ack, 100, 10)
			b.tcp(ap("10.0.0.9:40001"), bad, syn, 99, 0)
		}, `
			start 10.0.0.9 established by unknown n=1 sev=75 10.0.0.9:40000>203.0.113.66:4444 10/0 guessed
			end 10.0.0.9 established by unknown n=2 sev=75 10.0.0.9:40000>203.0.113.66:4444 10/0 guessed`},
		{"data far ahead", func(b *bench) {
			b.tcp(us, bad, ack, 100, 10)
			b.tcp(us, bad, ack, 1_000_000_100, 10) // by somebody who forges segments
		}, `
			start 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 10/0 guessed
			end 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 20/0 guessed`},
		{"only the peer's direction", func(b *bench) {
			b.tcp(bad, us, synAck, 499, 0)
			for i := range 3 {
				b.tcp(bad, us, ack, uint32(500+10*i), 10)
			}
		}, `
			start 10.0.0.9 attempted by unknown n=1 sev=25 10.0.0.9:40000>203.0.113.66:443 0/0 guessed
			update 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/30
			end 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/30`},
		{"only the host's direction", func(b *bench) {
			b.tcp(us, bad, syn, 99, 0)
			b.tcp(us, bad, ack, 100, 0)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0
			update 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0
			end 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0`},
		{"backscatter", func(b *bench) {
			b.tcp(bad, us, synAck, 499, 0)
			b.tcp(us, bad, rst, 0, 0)
			b.tcp(bad, us, ack, 500, 10)
		}, `
			start 10.0.0.9 attempted by unknown n=1 sev=25 10.0.0.9:40000>203.0.113.66:443 0/0 guessed
			end 10.0.0.9 attempted by unknown n=1 sev=25 10.0.0.9:40000>203.0.113.66:443 0/10 guessed`},
		{"tried by the peer, and let in", func(b *bench) {
			from, to := ap("203.0.113.66:5555"), ap("10.0.0.9:445")
			b.tcp(from, to, syn, 99, 0)
			b.tcp(to, from, synAck, 499, 0)
			b.tcp(from, to, ack, 100, 7)
		}, `
			start 10.0.0.9 attempted by peer n=1 sev=25 203.0.113.66:5555>10.0.0.9:445 0/0
			update 10.0.0.9 established by peer n=1 sev=50 203.0.113.66:5555>10.0.0.9:445 7/0
			end 10.0.0.9 established by peer n=1 sev=50 203.0.113.66:5555>10.0.0.9:445 7/0`},
		{"tried by the peer, then the host calls", func(b *bench) {
			b.tcp(ap("203.0.113.66:5555"), ap("10.0.0.9:445"), syn, 99, 0)
			b.tcp(us, bad, syn, 99, 0)
		}, `
			start 10.0.0.9 attempted by peer n=1 sev=25 203.0.113.66:5555>10.0.0.9:445 0/0
			update 10.0.0.9 attempted by host n=2 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0
			end 10.0.0.9 attempted by host n=2 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0`},
		{"let in, then the host calls in vain", func(b *bench) {
			from, to := ap("203.0.113.66:5555"), ap("10.0.0.9:80")
			b.tcp(from, to, syn, 99, 0)
			b.tcp(to, from, synAck, 499, 0)
			b.tcp(from, to, ack, 100, 7)
			b.tcp(us, bad, syn, 99, 0)
			b.tcp(from, to, ack, 107, 7)
		}, `
			start 10.0.0.9 attempted by peer n=1 sev=25 203.0.113.66:5555>10.0.0.9:80 0/0
			update 10.0.0.9 established by peer n=1 sev=50 203.0.113.66:5555>10.0.0.9:80 7/0
			update 10.0.0.9 attempted by host n=2 sev=75 10.0.0.9:40000>203.0.113.66:443 0/7
			end 10.0.0.9 attempted by host n=2 sev=75 10.0.0.9:40000>203.0.113.66:443 0/14`},
		{"calls in vain, then lets in", func(b *bench) {
			from, to := ap("203.0.113.66:5555"), ap("10.0.0.9:80")
			b.tcp(us, bad, syn, 99, 0)
			b.tcp(from, to, syn, 99, 0)
			b.tcp(to, from, synAck, 499, 0)
			b.tcp(from, to, ack, 100, 7)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0
			end 10.0.0.9 attempted by host n=2 sev=75 10.0.0.9:40000>203.0.113.66:443 0/7`},
		{"UDP, answered", func(b *bench) {
			b.udp(us, bad, 5)
			b.udp(bad, us, 50)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 5/0
			update 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 5/50
			end 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 5/50`},
		{"UDP, reflected", func(b *bench) { b.udp(ap("203.0.113.66:123"), us, 400) }, `
			start 10.0.0.9 attempted by unknown n=1 sev=25 10.0.0.9:40000>203.0.113.66:123 0/400 guessed
			end 10.0.0.9 attempted by unknown n=1 sev=25 10.0.0.9:40000>203.0.113.66:123 0/400 guessed`},
		{"UDP, again after a pause", func(b *bench) {
			for range 2 {
				b.udp(us, bad, 5)
				b.udp(us, bad, 5)
				b.now += 70 * second
			}
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 5/0
			end 10.0.0.9 attempted by host n=2 sev=75 10.0.0.9:40000>203.0.113.66:443 20/0`},
		{"echo", func(b *bench) {
			b.echo(us.Addr(), bad.Addr(), 8)
			b.echo(bad.Addr(), us.Addr(), 0)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:0>203.0.113.66:0 56/0
			update 10.0.0.9 established by host n=1 sev=75 10.0.0.9:0>203.0.113.66:0 56/56
			end 10.0.0.9 established by host n=1 sev=75 10.0.0.9:0>203.0.113.66:0 56/56`},
		{"fragments", func(b *bench) {
			p := b.packet(packet.ProtoUDP, us, bad, 1000)
			p.Fragment = true
			b.Packet(p)
			p = b.packet(packet.ProtoUDP, us, bad, 3000)
			p.Reassembled = true
			b.Packet(p)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 1000/0
			end 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 3000/0`},
		{"fragments in a tunnel that is fragmented, too", func(b *bench) {
			for _, c := range []struct {
				bytes                 int
				fragment, reassembled bool
			}{{1000, true, false}, {1400, true, true}, {3000, false, true}} {
				p := b.packet(packet.ProtoUDP, us, bad, c.bytes)
				p.Fragment, p.Reassembled = c.fragment, c.reassembled
				b.Packet(p)
			}
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 1000/0
			end 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 3000/0`},
		{"ports, expiry and IPv6", func(b *bench) {
			b.udp(us, ap("203.0.113.67:80"), 5)
			b.udp(us, ap("203.0.113.68:80"), 5)
			b.udp(us, ap("203.0.113.67:4444"), 5)
			b.udp(ap("[fd00::1]:5000"), ap("[2001:db8::66]:6000"), 5)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=50 10.0.0.9:40000>203.0.113.67:4444 5/0
			start fd00::1 attempted by host n=1 sev=50 [fd00::1]:5000>[2001:db8::66]:6000 5/0
			end 10.0.0.9 attempted by host n=1 sev=50 10.0.0.9:40000>203.0.113.67:4444 5/0
			end fd00::1 attempted by host n=1 sev=50 [fd00::1]:5000>[2001:db8::66]:6000 5/0`},
		{"resolver", func(b *bench) { b.udp(ap("10.0.0.53:999"), ap("203.0.113.66:53"), 5) }, `
			start 10.0.0.53 attempted by host n=1 sev=10 10.0.0.53:999>203.0.113.66:53 5/0 behalf
			end 10.0.0.53 attempted by host n=1 sev=10 10.0.0.53:999>203.0.113.66:53 5/0 behalf`},
		{"resolver that does more", func(b *bench) {
			b.udp(ap("10.0.0.53:999"), ap("203.0.113.66:53"), 5)
			b.tcp(ap("10.0.0.53:999"), bad, syn, 1, 0)
		}, `
			start 10.0.0.53 attempted by host n=1 sev=10 10.0.0.53:999>203.0.113.66:53 5/0 behalf
			update 10.0.0.53 attempted by host n=2 sev=75 10.0.0.53:999>203.0.113.66:443 5/0
			end 10.0.0.53 attempted by host n=2 sev=75 10.0.0.53:999>203.0.113.66:443 5/0`},
		{"ports used again", func(b *bench) {
			b.tcp(us, bad, syn, 99, 0)
			b.tcp(us, bad, syn, 5000, 0)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0
			end 10.0.0.9 attempted by host n=2 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0`},
		{"both ends are indicators", func(b *bench) {
			b.tcp(ap("203.0.113.66:5000"), ap("203.0.113.67:4444"), syn, 1, 0)
		}, `
			start 203.0.113.67 attempted by peer n=1 sev=25 203.0.113.66:5000>203.0.113.67:4444 0/0
			start 203.0.113.66 attempted by host n=1 sev=50 203.0.113.66:5000>203.0.113.67:4444 0/0
			end 203.0.113.67 attempted by peer n=1 sev=25 203.0.113.66:5000>203.0.113.67:4444 0/0
			end 203.0.113.66 attempted by host n=1 sev=50 203.0.113.66:5000>203.0.113.67:4444 0/0`},
		{"what is left of an ICMP message in the packet", func(b *bench) {
			p := b.packet(packet.ProtoUDP, us, bad, 5)
			p.ICMP = packet.ICMP{Type: 3, HasInner: true, InnerProto: packet.ProtoUDP, InnerSrc: ip.FromPort(us), InnerDst: ip.FromPort(bad)}
			b.Packet(p)
		}, `
			start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 5/0
			end 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 5/0`},
		{"multicast", func(b *bench) { b.udp(bad, ap("224.0.0.1:5"), 5); b.udp(bad, ap("255.255.255.255:5"), 5) }, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			c.play(b)
			b.expect(c.want)
		})
	}
}

// TestCalled: it is known since when the host itself calls.
func TestCalled(t *testing.T) {
	b := newBench(t, Config{})
	b.tcp(ap("203.0.113.66:5555"), ap("10.0.0.9:445"), syn, 99, 0)
	called := b.tcp(us, bad, syn, 99, 0).Time
	b.tcp(bad, us, synAck, 499, 0)
	b.tcp(us, bad, ack, 100, 0)
	b.Close(b.now)
	if c := b.alerts[0].Evidence.Contact; !c.Called.IsZero() {
		t.Errorf("was called upon, and called at %v", c.Called)
	}
	if c := b.alerts[len(b.alerts)-1].Evidence.Contact; c.Called.UnixNano() != called {
		t.Errorf("called at %v, want %v", c.Called.UnixNano(), called)
	}
}

// TestCalledPort has an address that tries several ports of a host: where one of
// them answers, the alert is not about one that refused, or was silent.
func TestCalledPort(t *testing.T) {
	from, peer := ap("10.0.0.9:0"), ap("203.0.113.66:5555")
	port := func(n uint16) netip.AddrPort { return netip.AddrPortFrom(from.Addr(), n) }
	b := newBench(t, Config{})
	for i, p := range []struct {
		number uint16
		reply  packet.Flags
	}{{22, rst}, {80, 0}, {445, synAck}, {139, synAck}, {3389, rst}} {
		seq := uint32(100 * i)
		b.tcp(peer, port(p.number), syn, seq, 0)
		if p.reply != 0 {
			b.tcp(port(p.number), peer, p.reply, seq+50, 0)
		}
	}
	b.expect(`
		start 10.0.0.9 attempted by peer n=1 sev=25 203.0.113.66:5555>10.0.0.9:22 0/0
		end 10.0.0.9 attempted by peer n=5 sev=25 203.0.113.66:5555>10.0.0.9:445 0/0 refused`)
}

// TestCopiesCountOnce plays each contact with every packet twice, as a span
// port mirrors routed traffic: only the time to live differs.
func TestCopiesCountOnce(t *testing.T) {
	for _, size := range []int{0, 700} {
		once, twice := newBench(t, Config{}), newBench(t, Config{})
		play := func(b *bench, copies int) {
			send := func(p *packet.Packet) {
				for i := range copies {
					p.TTL = uint8(64 - i)
					p.VLAN = uint16(i)
					p.Time += int64(i) * ms
					b.Packet(p)
				}
			}
			tcp := func(src, dst netip.AddrPort, flags packet.Flags, seq uint32, n int) {
				p := b.packet(packet.ProtoTCP, src, dst, n)
				p.Flags, p.Seq = flags, seq
				send(p)
			}
			tcp(us, bad, syn, 99, 0)
			tcp(bad, us, synAck, 499, 0)
			tcp(us, bad, ack, 100, size)
			send(b.packet(packet.ProtoUDP, us, ap("203.0.113.66:9"), 9))
			send(b.packet(packet.ProtoICMP, ap("10.0.0.9:0"), ap("203.0.113.66:0"), 9))
			b.Close(b.now)
		}
		play(once, 1)
		play(twice, 2)
		if len(once.alerts) != len(twice.alerts) || once.Stats().Copies != 0 || twice.Stats().Copies != 5 {
			t.Fatalf("%d alerts, %d with copies; %+v", len(once.alerts), len(twice.alerts), twice.Stats())
		}
		for i := range once.alerts {
			a, b := once.alerts[i], twice.alerts[i]
			if line(a) != line(b) || a.Evidence.Contact.Packets != b.Evidence.Contact.Packets || a.ID != b.ID {
				t.Errorf("%s\nwith copies\n%s", line(a), line(b))
			}
		}
	}
}

func TestQuietAndPace(t *testing.T) {
	b := newBench(t, Config{})
	for i := range 100 {
		b.now -= second - ms
		b.tcp(netip.AddrPortFrom(us.Addr(), uint16(30000+i)), bad, syn, 99, 0)
	}
	b.Tick(b.now + 599*second)
	n := len(b.alerts)
	b.Tick(b.now + 601*second)
	var got []string
	for _, a := range b.alerts {
		got = append(got, fmt.Sprintf("%s %d", a.Phase, a.Count))
	}
	if s := strings.Join(got, ", "); s != "start 1, update 10, update 100, end 100" || n != 3 || b.conns.Len() != 0 {
		t.Errorf("%s; %d connections", s, b.conns.Len())
	}
}

// TestHurry: what a host does after a mark is said at once.
func TestHurry(t *testing.T) {
	b := newBench(t, Config{})
	call := func(port uint16) { b.tcp(netip.AddrPortFrom(us.Addr(), port), bad, syn, 99, 0) }
	call(30000)
	call(30001)
	b.Hurry(map[netip.Addr]bool{us.Addr(): true})
	call(30002)
	call(30003)
	if n := len(b.alerts); n != 2 || b.alerts[1].Count != 3 {
		t.Errorf("%d words, want 2, the last about the third connection: %+v", n, b.alerts)
	}
}

// TestExpiredHidesNothing has an address that is expired in a network that is not.
func TestExpiredHidesNothing(t *testing.T) {
	b := newBench(t, Config{}, ioc.Indicator{Type: ioc.Network, Value: "203.0.113.64/28"})
	b.udp(us, ap("203.0.113.68:80"), 5)
	if len(b.alerts) != 1 || b.alerts[0].Indicator.Value != "203.0.113.64/28" {
		t.Errorf("alerts %+v, want one by the network", b.alerts)
	}
}
