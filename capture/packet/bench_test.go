package packet_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"wormscope/capture"
	"wormscope/capture/packet"
)

// segment is a TCP segment with addresses of either family.
func segment(v6 bool, payload string) []byte {
	t := &layers.TCP{SrcPort: 49152, DstPort: 445, Seq: 1, Ack: 2, ACK: true, PSH: true}
	var network gopacket.SerializableLayer
	if v6 {
		ip := ip6(inner6, remote, layers.IPProtocolTCP)
		network = ip
		_ = t.SetNetworkLayerForChecksum(ip)
	} else {
		ip := ip4(inner4, server, layers.IPProtocolTCP)
		network = ip
		_ = t.SetNetworkLayerForChecksum(ip)
	}
	return stack(network, t, gopacket.Payload(payload))
}

// ordinary is what most traffic is made of.
func ordinary() map[string]capture.Frame {
	const text = "forty bytes of payload, or very near it."
	frames := map[string][]byte{
		"TCP":          typed(0x0800, segment(false, text)),
		"TCP over v6":  typed(0x86dd, segment(true, text)),
		"UDP":          frame4(),
		"VLAN":         typed(0x8100, unhex("0064 0800"), segment(false, text)),
		"QinQ v6":      typed(0x88a8, unhex("0064 8100 00c8 86dd"), segment(true, text)),
		"ping":         typed(0x0800, stack(ip4(inner4, server, layers.IPProtocolICMPv4), gopacket.Payload(unhex("0800 0000 0001 0002")), gopacket.Payload(text))),
		"ping over v6": typed(0x86dd, stack(ip6(inner6, remote, layers.IPProtocolICMPv6), gopacket.Payload(unhex("8000 0000 0001 0002")), gopacket.Payload(text))),
		"ICMP error":   typed(0x0800, unreachable(segment(false, ""))),
		"VXLAN":        overUDP(4789, unhex("0800000000002a00"), frame4()),
		"GRE":          over4(47, unhex("0000 0800"), question4()),
		"no tunnel":    overUDP(4789, unhex("0800000000002a00"), []byte("no frame at all in here, only words and words")),
		"not IP":       typed(0x0806, make([]byte, 46)),
		"bad":          typed(0x0800, make([]byte, 46)),
		"no such link": make([]byte, 60),
	}
	all := make(map[string]capture.Frame, len(frames))
	for name, data := range frames {
		f := capture.Frame{Data: data, Len: len(data), Link: capture.LinkEthernet}
		if name == "no such link" {
			f.Link = 147
		}
		all[name] = f
	}
	return all
}

// unreachable is an ICMP error about a packet.
func unreachable(quoted []byte) []byte {
	return stack(ip4(server, inner4, layers.IPProtocolICMPv4),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload(quoted))
}

func TestDecodeAllocatesNothing(t *testing.T) {
	d := packet.NewDecoder()
	var p packet.Packet
	for name, f := range ordinary() {
		if n := testing.AllocsPerRun(100, func() { d.Decode(&f, &p) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, f := range ordinary() {
		b.Run(name, func(b *testing.B) {
			d := packet.NewDecoder()
			var p packet.Packet
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(&f, &p)
			}
		})
	}
}

// BenchmarkMix decodes the mix that the project's speed is measured with:
// mostly TCP, some IPv6, some tags, in packets that are not all in the cache.
func BenchmarkMix(b *testing.B) {
	all := ordinary()
	var frames []capture.Frame
	for i := range 4096 {
		name := "TCP"
		switch {
		case i%100 < 9:
			name = "TCP over v6"
		case i%100 < 21:
			name = "VLAN"
		case i%100 < 31:
			name = "UDP"
		}
		f := all[name]
		f.Data = append([]byte(nil), f.Data...)
		frames = append(frames, f)
	}
	d := packet.NewDecoder()
	var p packet.Packet
	for i := 0; b.Loop(); i++ {
		d.Decode(&frames[i&4095], &p)
	}
}
