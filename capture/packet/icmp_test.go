package packet_test

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket"

	"wormscope/capture/packet"
)

func gopacketPayload(b []byte) gopacket.Payload { return gopacket.Payload(b) }

// TestQuotedPackets checks what is read of the packet that an ICMP error quotes.
func TestQuotedPackets(t *testing.T) {
	tcp4, tcp6 := segment(false, ""), segment(true, "")
	icmp4 := func(header string, quoted []byte) []byte {
		return typed(0x0800, stack(ip4(server, inner4, 1), gopacketPayload(join(unhex(header), quoted))))
	}
	icmp6 := func(header string, quoted []byte) []byte {
		return typed(0x86dd, stack(ip6(remote, inner6, 58), gopacketPayload(join(unhex(header), quoted))))
	}
	options := join(with(tcp4[:20], 0, "46"), unhex("01010101"), tcp4[20:])
	extended := join(with(tcp6[:40], 6, "00"), unhex("2c00 0104 00000000"), unhex("3c00 0000 00000001"), unhex("0600 0104 00000000"), tcp6[40:])
	laterFragment := join(with(tcp6[:40], 6, "2c"), unhex("0600 0008 00000001"), tcp6[40:])
	const unreachable4, unreachable6 = "0303 0000 00000000", "0104 0000 00000000"
	for _, c := range []struct {
		name     string
		data     []byte
		kind     uint8
		inner    bool
		src, dst string
		seq      uint32
		silent   bool // not an Unreachable
	}{
		{"IPv4", icmp4(unreachable4, tcp4), 3, true, "10.1.0.7:49152", "10.9.0.1:445", 1, false},
		{"IPv4, eight bytes quoted", icmp4(unreachable4, tcp4[:28]), 3, true, "10.1.0.7:49152", "10.9.0.1:445", 1, false},
		{"IPv4, ports only", icmp4(unreachable4, tcp4[:24]), 3, true, "10.1.0.7:49152", "10.9.0.1:445", 0, false},
		{"IPv4, options", icmp4(unreachable4, options), 3, true, "10.1.0.7:49152", "10.9.0.1:445", 1, false},
		{"IPv4, UDP", icmp4(unreachable4, question4()), 3, true, "10.1.0.7:40000", "10.9.0.1:53", 0, false},
		{"IPv4, too little", icmp4(unreachable4, tcp4[:23]), 3, false, "", "", 0, false},
		{"IPv4, header cut", icmp4(unreachable4, tcp4[:19]), 3, false, "", "", 0, false},
		{"IPv4, nonsense", icmp4(unreachable4, make([]byte, 40)), 3, false, "", "", 0, false},
		{"IPv4, a later fragment", icmp4(unreachable4, with(tcp4, 6, "0001")), 3, false, "", "", 0, false},
		{"IPv4, time exceeded", icmp4("0b00 0000 00000000", tcp4), 11, true, "10.1.0.7:49152", "10.9.0.1:445", 1, true},
		{"IPv4, fragmentation needed", icmp4("0304 0000 00000500", tcp4), 3, true, "10.1.0.7:49152", "10.9.0.1:445", 1, true},
		{"IPv4, echo", icmp4("0800 0000 00010001", tcp4), 8, false, "", "", 0, true},
		{"IPv4, another protocol", icmp4(unreachable4, with(tcp4, 9, "59")), 3, true, "10.1.0.7:0", "10.9.0.1:0", 0, false},
		{"IPv6", icmp6(unreachable6, tcp6), 1, true, "[fd00:1::7]:49152", "[fd00:9::1]:445", 1, false},
		{"IPv6, extension headers", icmp6(unreachable6, extended), 1, true, "[fd00:1::7]:49152", "[fd00:9::1]:445", 1, false},
		{"IPv6, a first fragment", icmp6(unreachable6, with(laterFragment, 42, "0001")), 1, true, "[fd00:1::7]:49152", "[fd00:9::1]:445", 1, false},
		{"IPv6, a later fragment", icmp6(unreachable6, laterFragment), 1, false, "", "", 0, false},
		{"IPv6, header cut", icmp6(unreachable6, tcp6[:39]), 1, false, "", "", 0, false},
		{"IPv6, too big", icmp6("0200 0000 00000500", tcp6), 2, true, "[fd00:1::7]:49152", "[fd00:9::1]:445", 1, true},
		{"IPv6, neighbour", icmp6("8700 0000 00000000", make([]byte, 16)), 135, false, "", "", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, o, _ := decode(c.data, len(c.data))
			if o != packet.OK || p.ICMP.Type != c.kind || p.ICMP.HasInner != c.inner || p.Unreachable() == c.silent {
				t.Fatalf("%v %+v", o, p.ICMP)
			}
			if !c.inner {
				return
			}
			m := p.ICMP
			if m.InnerSrc.Netip() != netip.MustParseAddrPort(c.src) || m.InnerDst.Netip() != netip.MustParseAddrPort(c.dst) || m.InnerSeq != c.seq {
				t.Errorf("%+v", m)
			}
		})
	}
}
