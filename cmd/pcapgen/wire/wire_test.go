package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"
)

// ends are two IPv4 and two IPv6 ends.
func ends() map[string][2]netip.AddrPort {
	return map[string][2]netip.AddrPort{
		"IPv4": {netip.MustParseAddrPort("10.10.1.23:49732"), netip.MustParseAddrPort("192.0.2.30:9")},
		"IPv6": {netip.MustParseAddrPort("[fd00::23]:49732"), netip.MustParseAddrPort("[2001:db8::30]:9")},
	}
}

// payloads are of every length modulo eight, where checksums go wrong.
func payloads() [][]byte {
	var out [][]byte
	for n := range 18 {
		out = append(out, bytes.Repeat([]byte{0xff, 0x01, 0xfe}, n)[:n])
	}
	return out
}

// remake has gopacket take a packet to pieces and put it together again, with
// lengths and checksums of its own.
func remake(t *testing.T, packet []byte) []byte {
	t.Helper()
	first := layers.LayerTypeIPv4
	if packet[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	p := gopacket.NewPacket(packet, first, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		t.Fatal(e.Error())
	}
	var parts []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		s, ok := l.(gopacket.SerializableLayer)
		if !ok {
			s = gopacket.Payload(append(append([]byte(nil), l.LayerContents()...), l.LayerPayload()...))
		}
		switch l := s.(type) {
		case *layers.TCP:
			check(t, l.SetNetworkLayerForChecksum(p.NetworkLayer()))
		case *layers.UDP:
			check(t, l.SetNetworkLayerForChecksum(p.NetworkLayer()))
			parts = append(parts, l, gopacket.Payload(l.Payload))
			return serialize(t, parts)
		case *layers.ICMPv6:
			check(t, l.SetNetworkLayerForChecksum(p.NetworkLayer()))
			parts = append(parts, l, gopacket.Payload(l.Payload))
			return serialize(t, parts)
		}
		parts = append(parts, s)
	}
	return serialize(t, parts)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func serialize(t *testing.T, parts []gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	check(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, parts...))
	return buf.Bytes()
}

func TestPacketsAreAsGopacketMakesThem(t *testing.T) {
	e := Envelope{TTL: 64, ID: 7}
	for family, end := range ends() {
		src, dst := end[0], end[1]
		for _, payload := range payloads() {
			made := map[string][]byte{
				"TCP": AppendTCPPacket(nil, src, dst, e, TCP{Flags: PSH | ACK, Seq: 1, Ack: 1 << 31, Window: 500, Options: []byte{2, 4, 5, 0xb4}}, payload),
				"UDP": AppendUDPPacket(nil, src, dst, e, payload),
				"ICMP": AppendICMPPacket(nil, src.Addr(), dst.Addr(), e, Message{
					Type: map[string]uint8{"IPv4": EchoRequest, "IPv6": EchoRequest6}[family], Rest: 0x10002, Payload: payload,
				}),
			}
			for proto, packet := range made {
				if want := remake(t, packet); !bytes.Equal(packet, want) {
					t.Errorf("%s %s with %d bytes:\n got %x\nwant %x", family, proto, len(payload), packet, want)
				}
			}
		}
	}
}

func TestDNSIsAsMiekgReadsIt(t *testing.T) {
	address := netip.MustParseAddr("192.0.2.1")
	m := DNS{
		ID: 0x5ca1, Flags: QR | RD | RA, Name: "www.alias.example", Type: TypeA, EDNS: true,
		Answers: []Record{{Type: TypeCNAME, TTL: 60, Host: "x.example"}, {Name: "x.example", Type: TypeA, TTL: 60, Addr: address}},
		Auth:    []Record{{Name: "example", Type: TypeNS, TTL: 9, Host: "ns1.example"}},
	}
	var got dns.Msg
	if err := got.Unpack(m.Append(nil)); err != nil {
		t.Fatal(err)
	}
	a, isA := got.Answer[1].(*dns.A)
	switch {
	case got.Id != m.ID || !got.Response || !got.RecursionDesired || !got.RecursionAvailable || got.Authoritative:
		t.Errorf("header: %v", got.MsgHdr)
	case got.Question[0].Name != "www.alias.example.", got.IsEdns0() == nil:
		t.Errorf("question: %v", got.Question)
	case got.Answer[0].String() != "www.alias.example.\t60\tIN\tCNAME\tx.example.", !isA, a.A.String() != "192.0.2.1", a.Hdr.Name != "x.example.":
		t.Errorf("answers: %v", got.Answer)
	case got.Ns[0].String() != "example.\t9\tIN\tNS\tns1.example.":
		t.Errorf("authority: %v", got.Ns)
	}
}

func TestFragmentsHoldThePacket(t *testing.T) {
	for family, end := range ends() {
		packet := AppendUDPPacket(nil, end[0], end[1], Envelope{TTL: 64}, bytes.Repeat([]byte("fragment"), 20))
		head := map[string]int{"IPv4": 20, "IPv6": 40}[family]
		extra := map[string]int{"IPv4": 0, "IPv6": 8}[family]
		var body []byte
		parts := Fragments(packet, 40, 9)
		for _, f := range parts {
			body = append(body, f[head+extra:]...)
		}
		if len(parts) != 5 || !bytes.Equal(body, packet[head:]) {
			t.Errorf("%s: %d parts of %d bytes, want 5 of %d", family, len(parts), len(body), len(packet)-head)
		}
	}
}

func TestBuildingAllocatesNothing(t *testing.T) {
	end := ends()["IPv4"]
	buf := make([]byte, 0, 2048)
	m := DNS{Name: "www.site.example", Type: TypeA}
	payload := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() {
		buf = AppendTCPPacket(buf[:0], end[0], end[1], Envelope{}, TCP{}, buf[:100])
		payload = m.Append(payload[:0])
		buf = AppendUDPPacket(buf[:0], end[0], end[1], Envelope{}, payload)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
