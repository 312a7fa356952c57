package kernelfilter_test

import (
	"net/netip"
	"slices"
	"sync"
	"testing"

	"wormscope/capture/kernelfilter"
	"wormscope/internal/needs"
)

func load(t testing.TB, indicators ...string) *kernelfilter.Filter {
	t.Helper()
	needs.Root(t, "to load a program into the kernel")
	f, err := kernelfilter.Load(slices.Values(prefixes(indicators...)), kernelfilter.Config{Ports: []uint16{53, 139, 445}, Room: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// Hosts of the tests: two plain ones of each family.
const (
	a4, b4 = "10.0.0.1", "192.0.2.1"
	a6, b6 = "fd00::1", "2001:db8:9::1"
)

// TestVerdicts goes through what is kept and what is dropped.
func TestVerdicts(t *testing.T) {
	r := &runner{t, load(t, "198.51.100.7", "203.0.113.64/27", "100.64.0.0/10", "2001:db8::1", "2001:db9::/48")}
	plain4 := ip(a4, b4, 17, udp(4000, 4001))
	to := func(a string) []byte { return packetOf(ip(a4, a, 17, udp(4000, 4001))) }
	to6 := func(a string) []byte { return packetOf(ip(a6, a, 17, udp(4000, 4001))) }
	tests := []struct {
		name  string
		frame []byte
		keep  bool
	}{
		{"udp", packetOf(plain4), false},
		{"udp over ipv6", packetOf(ip(a6, b6, 17, udp(4000, 4001))), false},
		{"dns query", packetOf(ip(a4, b4, 17, udp(4000, 53))), true},
		{"dns answer", packetOf(ip(a4, b4, 17, udp(53, 4000))), true},
		{"dns over ipv6", packetOf(ip(a6, b6, 17, udp(4000, 53))), true},
		{"tcp syn", packetOf(ip(a4, b4, 6, tcp(4000, 80, syn))), true},
		{"tcp syn over ipv6", packetOf(ip(a6, b6, 6, tcp(4000, 80, syn))), true},
		{"tcp fin", packetOf(ip(a4, b4, 6, tcp(4000, 80, fin|ack))), true},
		{"tcp rst", packetOf(ip(a4, b4, 6, tcp(4000, 80, rst))), true},
		{"tcp data of no handshake", packetOf(ip(a4, b4, 6, tcp(80, 4000, psh|ack))), false},
		{"tcp data to smb", packetOf(ip(a4, b4, 6, tcp(4000, 445, psh|ack))), true},
		{"tcp data from netbios", packetOf(ip(a6, b6, 6, tcp(139, 4000, psh|ack))), true},
		{"tcp data to rdp", packetOf(ip(a4, b4, 6, tcp(4009, 3389, psh|ack))), false},
		{"tcp syn behind ip options", packetOf(withOptions(ip(a4, b4, 6, tcp(4000, 80, syn)))), true},
		{"tcp data behind ip options", packetOf(withOptions(ip(a4, b4, 6, tcp(4001, 80, ack)))), false},
		{"sctp", packetOf(ip(a4, b4, 132, udp(53, 445), make([]byte, 20))), false},
		{"esp", packetOf(ip(a4, b4, 50, make([]byte, 40))), false},
		{"echo", packetOf(ip(a4, b4, 1, icmp(8))), false},
		{"echo reply", packetOf(ip(a4, b4, 1, icmp(0))), false},
		{"unreachable", packetOf(ip(a4, b4, 1, icmp(3))), true},
		{"icmpv6 echo", packetOf(ip(a6, b6, 58, icmp(128))), false},
		{"icmpv6 unreachable", packetOf(ip(a6, b6, 58, icmp(1))), true},
		{"first fragment", packetOf(fragment(plain4, 0x2000)), true},
		{"later fragment", packetOf(fragment(plain4, 5)), true},
		{"ipv6 fragment", packetOf(ip(a6, b6, 44, make([]byte, 40))), true},
		{"ipv6 extension header", packetOf(ip(a6, b6, 0, make([]byte, 40))), true},
		{"indicator", to("198.51.100.7"), true},
		{"indicator as source", packetOf(ip("198.51.100.7", a4, 132, make([]byte, 40))), true},
		{"next to an indicator", to("198.51.100.8"), false},
		{"in a small network", to("203.0.113.65"), true},
		{"in a large network", to("100.127.255.255"), true},
		{"outside of the large network", to("100.128.0.0"), false},
		{"ipv6 indicator", to6("2001:db8::1"), true},
		{"next to an ipv6 indicator", to6("2001:db8::2"), false},
		{"in an ipv6 network", to6("2001:db9:0:7::1"), true},
		{"ipv4 mapped into ipv6", to6("::ffff:198.51.100.9"), true},
		{"gre", packetOf(ip(a4, b4, 47, make([]byte, 40))), true},
		{"ip in ip", packetOf(ip(a4, b4, 4, plain4)), true},
		{"ipv6 in ipv4", packetOf(ip(a4, b4, 41, make([]byte, 60))), true},
		{"ipv4 in ipv6", packetOf(ip(a6, b6, 4, plain4)), true},
		{"vxlan", packetOf(ip(a4, b4, 17, udp(4000, 4789))), true},
		{"from vxlan's port", packetOf(ip(a4, b4, 17, udp(4789, 4000))), false},
		{"geneve", packetOf(ip(a6, b6, 17, udp(4000, 6081))), true},
		{"from teredo's port", packetOf(ip(a4, b4, 17, udp(3544, 4000))), true},
		{"mpls", ethernet(0x8847, make([]byte, 40)), true},
		{"pppoe session", ethernet(0x8864, make([]byte, 40)), true},
		{"unknown ethertype", ethernet(0x88b5, make([]byte, 40)), true},
		{"arp", ethernet(0x0806, make([]byte, 28)), false},
		{"spanning tree", ethernet(38, []byte{0x42, 0x42, 3}, make([]byte, 40)), false},
		{"snap", ethernet(38, []byte{0xaa, 0xaa, 3}, make([]byte, 40)), true},
		{"cut in the ports", packetOf(plain4)[:14+20+2], true},
		{"cut in the flags", packetOf(ip(a4, b4, 6, tcp(80, 4000, ack)))[:14+20+13], true},
		{"cut in the addresses", packetOf(plain4)[:14+18], true},
		{"not ipv4 in spite of its type", ethernet(0x0800, make([]byte, 60)), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frame := tt.frame
			for i, tag := range []uint16{0, 0x8100, 0x88a8, 0x9100, 0x8100} {
				if i > 0 {
					frame = tagged(tag, frame)
				}
				if got := r.keeps(frame); got != tt.keep {
					t.Errorf("behind %d tags: kept is %v, want %v", i, got, tt.keep)
				}
			}
			if fifth := tagged(0x8100, frame); !r.keeps(fifth) {
				t.Error("behind 5 tags: dropped, though nobody looked")
			}
		})
	}
}

// TestHandshake wants the first segments of an originator that was answered,
// and none of the rest.
func TestHandshake(t *testing.T) {
	for _, tt := range []struct{ name, client, server string }{{"ipv4", a4, b4}, {"ipv6", a6, b6}} {
		t.Run(tt.name, func(t *testing.T) {
			from := func(port uint16, flags byte) []byte {
				return packetOf(ip(tt.client, tt.server, 6, tcp(port, 80, flags)))
			}
			back := func(port uint16, flags byte) []byte {
				return packetOf(ip(tt.server, tt.client, 6, tcp(80, port, flags)))
			}
			count := func(r *runner, frame []byte) (n int) {
				for range 100 {
					if r.keeps(frame) {
						n++
					}
				}
				return n
			}
			r := &runner{t, load(t)}
			if n := count(r, from(1000, ack)); n != 0 {
				t.Errorf("%d segments of no handshake are kept", n)
			}
			r.keeps(from(1000, syn))
			if n := count(r, back(1000, ack)); n != 0 {
				t.Errorf("%d segments of the responder are kept", n)
			}
			if n := count(r, from(1000, psh)); n != 0 {
				t.Errorf("%d segments without ACK are kept", n)
			}
			if n := count(r, from(1001, ack)); n != 0 {
				t.Errorf("%d segments from another port are kept", n)
			}
			if n := count(r, from(1000, ack)); n < 4 || n > 16 {
				t.Errorf("after a SYN %d segments are kept", n)
			}
			r.keeps(back(1000, syn|ack))
			if n := count(r, from(1000, psh|ack)); n < 4 || n > 16 {
				t.Errorf("after a SYN-ACK %d segments are kept", n)
			}
		})
	}
}

// TestUpdate changes the indicators while frames are judged: what both sets
// hold is kept at every moment.
func TestUpdate(t *testing.T) {
	f := load(t, "198.51.100.7", "198.51.100.8")
	stays := packetOf(ip(a4, "198.51.100.7", 17, udp(4000, 4001)))
	goes := packetOf(ip(a4, "198.51.100.8", 17, udp(4000, 4001)))
	comes := packetOf(ip(a4, "198.51.100.9", 17, udp(4000, 4001)))
	var watching sync.WaitGroup
	done := make(chan struct{})
	watching.Go(func() {
		r := &runner{t, f}
		for {
			select {
			case <-done:
				return
			default:
			}
			if !r.keeps(stays) {
				t.Error("dropped during an update")
				return
			}
		}
	})
	for i := range 50 {
		set := prefixes("198.51.100.7", "198.51.100.9")
		for n := range uint32(i * 100) {
			set = append(set, netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(n >> 16), byte(n >> 8), byte(n)}), 32))
		}
		if err := f.Update(slices.Values(set)); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	watching.Wait()
	r := &runner{t, f}
	if r.keeps(goes) || !r.keeps(comes) {
		t.Errorf("after the update: old indicator kept %v, new one kept %v", r.keeps(goes), r.keeps(comes))
	}
}

// TestMoreThanRoom gives an Update many more addresses than there is room for:
// all of them are kept.
func TestMoreThanRoom(t *testing.T) {
	f := load(t)
	var many []netip.Prefix
	for n := range uint32(400_000) {
		n *= 2654435761
		many = append(many, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n>>24) | 1, byte(n >> 16), byte(n >> 8), byte(n)}), 32))
	}
	if err := f.Update(slices.Values(many)); err != nil {
		t.Fatal(err)
	}
	r := &runner{t, f}
	for _, p := range many[:20_000] {
		if !r.keeps(packetOf(ip(a4, p.Addr().String(), 17, udp(4000, 4001)))) {
			t.Fatalf("%v is dropped", p)
		}
	}
}
