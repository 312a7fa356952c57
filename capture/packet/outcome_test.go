package packet_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
)

// decode decodes one Ethernet frame with a new Decoder.
func decode(data []byte, length int) (packet.Packet, packet.Outcome, packet.Stats) {
	d := packet.NewDecoder()
	f := capture.Frame{Data: data, Len: length, Link: capture.LinkEthernet}
	var p packet.Packet
	o := d.Decode(&f, &p)
	return p, o, d.Stats()
}

// with returns a copy of data with the bytes at an offset replaced.
func with(data []byte, offset int, bytes string) []byte {
	data = slices.Clone(data)
	copy(data[offset:], unhex(bytes))
	return data
}

// TestOutcomes checks what becomes of frames that are not IP, broken or cut short, and
// that it is counted.
func TestOutcomes(t *testing.T) {
	tcp4, tcp6 := typed(0x0800, segment(false, "x")), typed(0x86dd, segment(true, "x"))
	udp4 := frame4()
	icmp := typed(0x0800, unreachable(segment(false, "")))
	sctp := over4(132, make([]byte, 12))
	for _, c := range []struct {
		name string
		data []byte
		cut  int // bytes captured, when not all
		want packet.Outcome
	}{
		{"ARP", typed(0x0806, make([]byte, 46)), 0, packet.NotIP},
		{"LLDP", typed(0x88cc, make([]byte, 46)), 0, packet.NotIP},
		{"EAPOL", typed(0x888e, make([]byte, 46)), 0, packet.NotIP},
		{"spanning tree", typed(38, unhex("424203"), make([]byte, 43)), 0, packet.NotIP},
		{"Novell", typed(38, unhex("ffff00"), make([]byte, 43)), 0, packet.NotIP},
		{"Cisco discovery", typed(40, unhex("aaaa03 00000c 2000"), make([]byte, 38)), 0, packet.NotIP},
		{"ARP in a VLAN", typed(0x8100, unhex("0001 0806"), make([]byte, 46)), 0, packet.NotIP},
		{"ARP in a pseudowire", typed(0x8847, unhex("00010140 00000000"), typed(0x0806, make([]byte, 46))), 0, packet.NotIP},
		{"ARP in a pseudowire without control word, address that looks like IPv4", typed(0x8847, unhex("00010140 4c0203040506 020000000002 0806 0001 0800 0604 0001"), make([]byte, 38)), 0, packet.NotIP},
		{"ARP in a pseudowire without control word, address that looks like IPv6", typed(0x8847, unhex("00010140 600203040506 020000000002 0806 0001 0800 0604 0001"), make([]byte, 38)), 0, packet.NotIP},
		{"PPPoE discovery", typed(0x8863, unhex("1109 0000 0000")), 0, packet.NotIP},
		{"PPPoE link control", typed(0x8864, unhex("1100 0001 0006 c021 0101 0004")), 0, packet.NotIP},
		{"MACsec, encrypted", typed(0x88e5, unhex("2c00 00000001 0200000000010001"), make([]byte, 60)), 0, packet.Encrypted},
		{"empty", nil, 0, packet.BadLink},
		{"Ethernet too short", make([]byte, 13), 0, packet.BadLink},
		{"Ethernet cut", udp4, 13, packet.Truncated},
		{"VLAN cut", typed(0x8100, unhex("0001 0800"), question4()), 16, packet.Truncated},
		{"VLAN too short", typed(0x8100, unhex("0001")), 0, packet.BadLink},
		{"MPLS too short", typed(0x8847, unhex("00010040")), 0, packet.BadLink},
		{"MPLS cut", typed(0x8847, unhex("00010140"), question4()), 20, packet.Truncated},
		{"pseudowire cut", typed(0x8847, unhex("00010140 00000000"), frame4()), 60, packet.Truncated},
		{"pseudowire cut, without control word", typed(0x8847, unhex("00010140"), frame4()), 50, packet.Truncated},
		{"pseudowire cut, address that looks like IPv4", typed(0x8847, unhex("00010140 450203040506 020000000002 0800"), question4()), 50, packet.Truncated},
		{"pseudowire cut, address that looks like IPv6", typed(0x8847, unhex("00010140 600203040506 020000000002 86dd"), question6()), 70, packet.Truncated},
		{"MPLS cut in IPv6", typed(0x8847, unhex("00010140"), question6()), 22, packet.Truncated},
		{"PPPoE, wrong version", typed(0x8864, unhex("2100 0001 0002 0021")), 0, packet.BadLink},
		{"IPv4 cut", udp4, 33, packet.Truncated},
		{"IPv4 too short", typed(0x0800, make([]byte, 19)), 0, packet.BadIPv4},
		{"IPv4, wrong version", with(udp4, 14, "65"), 0, packet.BadIPv4},
		{"IPv4, header of 16 bytes", with(udp4, 14, "44"), 0, packet.BadIPv4},
		{"IPv4, total less than header", with(udp4, 16, "0013"), 0, packet.BadIPv4},
		{"IPv4, options cut", with(udp4, 14, "4f"), 60, packet.Truncated},
		{"IPv6 cut", tcp6, 53, packet.Truncated},
		{"IPv6 too short", typed(0x86dd, make([]byte, 39)), 0, packet.BadIPv6},
		{"IPv6, wrong version", with(tcp6, 14, "45"), 0, packet.BadIPv6},
		{"IPv6, extension cut", with(tcp6, 20, "00"), 60, packet.Truncated},
		{"IPv6, extension too long", with(with(tcp6, 20, "00"), 54, "06ff"), 0, packet.BadIPv6},
		{"TCP cut", tcp4, 47, packet.Truncated},
		{"TCP cut after the flags", tcp4, 48, packet.OK},
		{"TCP, offset of 16 bytes", with(tcp4, 46, "40"), 0, packet.BadTCP},
		{"TCP, offset beyond the segment", with(tcp4, 46, "60"), 0, packet.BadTCP},
		{"TCP too short", with(tcp4, 16, "0021"), 0, packet.BadTCP},
		{"UDP cut", udp4, 41, packet.Truncated},
		{"UDP, length of 7", with(udp4, 38, "0007"), 0, packet.BadUDP},
		{"UDP too short", with(udp4, 16, "001b"), 0, packet.BadUDP},
		{"ICMP cut", icmp, 36, packet.Truncated},
		{"ICMP too short", with(icmp, 16, "0017"), 0, packet.BadICMP},
		{"SCTP", sctp, 0, packet.OK},
		{"SCTP cut", sctp, 40, packet.Truncated},
		{"SCTP too short", with(sctp, 16, "001f"), 0, packet.BadSCTP},
		{"deep", typed(0x88e7, slices.Repeat(join(unhex("00000001"), typed(0x88e7)), 40)), 0, packet.TooDeep},
		{"deep in SNAP", typed(0x8870, slices.Repeat(unhex("aaaa030000008870"), 40)), 0, packet.TooDeep},
		{"another protocol", over4(89, make([]byte, 44)), 0, packet.OK},
		{"encrypted", over4(50, make([]byte, 44)), 0, packet.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := c.data
			if c.cut > 0 {
				data = data[:c.cut]
			}
			_, o, stats := decode(data, len(c.data))
			if o != c.want {
				t.Errorf("%v, not %v", o, c.want)
			}
			if stats.Outcomes[o] != 1 {
				t.Errorf("counted %v", stats.Outcomes)
			}
			undecoded := maps.Collect(stats.Undecoded())
			if failure := o.Failure(); failure != (undecoded[o.String()] == 1) {
				t.Errorf("failure %v, undecoded %v", failure, undecoded)
			}
		})
	}
}

func TestUnsupportedLinks(t *testing.T) {
	d := packet.NewDecoder()
	var p packet.Packet
	for _, link := range []capture.LinkType{127, 201, 127, capture.LinkEthernet} {
		f := capture.Frame{Data: make([]byte, 60), Len: 60, Link: link}
		o := d.Decode(&f, &p)
		if supported := packet.Supports(link); supported == (o == packet.UnsupportedLink) {
			t.Errorf("%v: supported %v, but %v", link, supported, o)
		}
	}
	var reasons []string
	total := d.Stats()
	total.Add(d.Stats())
	for reason, n := range total.Undecoded() {
		reasons = append(reasons, strings.Repeat("+", int(n))+reason)
	}
	want := []string{
		"++++unsupported link type " + capture.LinkType(127).String(),
		"++unsupported link type " + capture.LinkType(201).String(),
	}
	if !slices.Equal(reasons, want) {
		t.Errorf("%q, not %q", reasons, want)
	}
}

// TestLengths checks how long a payload is and how much of it was captured, whatever
// pads or cuts the frame.
func TestLengths(t *testing.T) {
	tcp4, tcp6, udp4 := typed(0x0800, segment(false, "payload")), typed(0x86dd, segment(true, "payload")), frame4()
	jumbo := typed(0x86dd, with(segment(true, "payload"), 4, "0000 00")[:40], unhex("0600 c204 0001 0000"), segment(true, "payload")[40:])
	for _, c := range []struct {
		name      string
		data      []byte
		cut       int
		payload   string
		length    int
		truncated bool
	}{
		{"whole", tcp4, 0, "payload", 7, false},
		{"cut", tcp4, 57, "pay", 7, true},
		{"cut in the options", with(tcp4, 46, "60"), 55, "", 3, true},
		{"cut after the flags", tcp4, 48, "", 7, true},
		{"trailer", join(tcp4, make([]byte, 9)), 0, "payload", 7, false},
		{"trailer, IPv6", join(tcp6, make([]byte, 9)), 0, "payload", 7, false},
		{"large segment, total length 0", with(tcp4, 16, "0000"), 0, "payload", 7, false},
		{"total length beyond the frame", with(tcp4, 16, "0400"), 0, "payload", 1024 - 40, true},
		{"large segment, IPv6 length 0", with(tcp6, 18, "0000"), 0, "payload", 7, false},
		{"jumbogram, cut", jumbo, len(jumbo), "payload", 65536 - 8 - 20, true},
		{"large datagram, UDP length 0", with(udp4, 38, "0000"), 0, string(lookup), len(lookup), false},
		{"UDP length beyond the packet", with(udp4, 38, "0400"), 0, string(lookup), len(lookup), false},
		{"UDP length short of the packet", with(udp4, 38, "000c"), 0, string(lookup[:4]), 4, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := c.data
			if c.cut > 0 {
				data = data[:c.cut]
			}
			p, o, _ := decode(data, len(c.data))
			if o != packet.OK {
				t.Fatal(o)
			}
			if string(p.Payload) != c.payload || p.PayloadLen != c.length || p.Truncated != c.truncated {
				t.Errorf("payload %q of %d, truncated %v", p.Payload, p.PayloadLen, p.Truncated)
			}
		})
	}
}

func TestTCPFields(t *testing.T) {
	p, o, _ := decode(typed(0x0800, segment(false, "x")), 55)
	if o != packet.OK || p.Flags != packet.ACK|packet.PSH || p.Seq != 1 || p.Ack != 2 || p.Proto != packet.ProtoTCP {
		t.Errorf("%v %+v", o, p)
	}
	if !p.Flags.Has(packet.ACK) || p.Flags.IsSYN() || p.Flags.IsSYNACK() || p.Unreachable() {
		t.Errorf("flags %08b", p.Flags)
	}
}

// TestMappedAddresses checks that IPv4 addresses in IPv6 clothes are IPv4.
func TestMappedAddresses(t *testing.T) {
	mapped := netip.AddrFrom16(netip.MustParseAddr("10.1.2.3").As16())
	ip := ip6(mapped, remote, 17)
	p, o, _ := decode(typed(0x86dd, stack(ip, udpLayer(1, 2, ip))), 62)
	if want := netip.MustParseAddrPort("10.1.2.3:1"); o != packet.OK || p.Src.Netip() != want {
		t.Errorf("%v %v", o, p.Src)
	}
}

// TestTunnelPortsHideNothing checks that traffic which only looks like that of
// a tunnel is what counts.
func TestTunnelPortsHideNothing(t *testing.T) {
	vxlan := unhex("0800000000002a00")
	fake := func(inner []byte) []byte { return overUDP(4789, vxlan, inner) }
	swapped := func(port uint16, payload ...[]byte) []byte {
		data := overUDP(port, payload...)
		data[34], data[35], data[36], data[37] = data[36], data[37], data[34], data[35]
		return data
	}
	for _, c := range []struct {
		name   string
		data   []byte
		proto  packet.Proto
		opaque packet.Outcome // OK for not even an attempt
	}{
		{"no VNI flag", overUDP(4789, make([]byte, 8), frame4()), 17, packet.OK},
		{"source port", swapped(4789, vxlan, frame4()), 17, packet.OK},
		{"source port of Geneve", swapped(6081, unhex("0000655800000000"), frame4()), 17, packet.OK},
		{"words", overUDP(4789, []byte("ham and eggs, eggs and ham")), 17, packet.NotIP},
		{"DNS on the port", overUDP(4789, unhex("1234 0100 0001 0000 0000 0000 076578616d706c6503636f6d00 0001 0001")), 17, packet.OK},
		{"inner ARP", fake(typed(0x0806, make([]byte, 46))), 17, packet.NotIP},
		{"inner total length beyond the datagram", fake(with(frame4(), 16, "0400")), 17, packet.BadIPv4},
		{"inner UDP length beyond its packet", fake(with(frame4(), 38, "0400")), 17, packet.BadUDP},
		{"inner IPv6 length beyond the datagram", fake(with(typed(0x86dd, question6()), 18, "0400 84")), 17, packet.BadIPv6},
		{"inner TCP offset", fake(with(typed(0x0800, segment(false, "")), 46, "f0")), 17, packet.BadTCP},
		{"Geneve of another version", overUDP(6081, unhex("4000 6558 00000000"), frame4()), 17, packet.OK},
		{"Geneve control", overUDP(6081, unhex("0080 6558 00000000"), frame4()), 17, packet.OK},
		{"GTP-U echo", overUDP(2152, unhex("32010004 00000000 00010000")), 17, packet.OK},
		{"GTP-U length beyond the datagram", overUDP(2152, unhex("30ff 0fff 00000001"), question4()), 17, packet.OK},
		{"GTP-U extension of length 0", overUDP(2152, unhex("34ff 0048 00000001 000000 85 00"), question4()), 17, packet.OK},
		{"L2TP control", overUDP(1701, unhex("c802 0014 0000 0000 0000 0000 8008 0000 0000 0001")), 17, packet.OK},
		{"Teredo between strangers", overUDP(3544, question6()), 17, packet.OK},
		{"TZSP of another version", overUDP(37008, unhex("0200 0001 01"), frame4()), 17, packet.OK},
		{"TZSP, 802.11", overUDP(37008, unhex("0100 0012 01"), frame4()), 17, packet.OK},
		{"TZSP, keepalive", overUDP(37008, unhex("0104 0000 01"), frame4()), 17, packet.OK},
		{"TZSP without an end", overUDP(37008, unhex("0100 0001 00 0a05c5")), 17, packet.OK},
		{"GRE, keepalive", over4(47, unhex("0000 0000")), 47, packet.NotIP},
		{"GRE, routed", over4(47, unhex("4000 0800 00000000 00000000"), question4()), 47, packet.OK},
		{"GRE, encrypted", over4(47, unhex("0000 0800"), make([]byte, 60)), 47, packet.BadIPv4},
		{"GRE, version 7", over4(47, unhex("0007 0800"), question4()), 47, packet.OK},
		{"GRE, ARP in Ethernet", over4(47, unhex("0000 6558"), typed(0x0806, make([]byte, 46))), 47, packet.NotIP},
		{"ERSPAN of another version", over4(47, unhex("1000 88be 00000001 3005 0001 00000001"), frame4()), 47, packet.OK},
		{"ERSPAN III, other frames", over4(47, unhex("1000 22eb 00000001 2005 0001 00000001 00009c00"), frame4()), 47, packet.OK},
		{"IP in IP, nonsense", over4(4, make([]byte, 60)), 4, packet.BadIPv4},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, o, stats := decode(c.data, len(c.data))
			if o != packet.OK || p.Proto != c.proto || p.Src.Addr.Netip() != outer || p.Dst.Addr.Netip() != outer2 {
				t.Errorf("%v %v-%v %v", o, p.Src, p.Dst, p.Proto)
			}
			var opaque [packet.NumOutcomes]uint64
			if c.opaque != packet.OK {
				opaque[c.opaque] = 1
			}
			if stats.Opaque != opaque {
				t.Errorf("opaque %v, not %v", stats.Opaque, opaque)
			}
		})
	}
}

// TestCutBeforeTheTunnel: what was cut and then put into a tunnel is read as far as
// it goes, and counts as cut, as what was cut on its way to a plain mirror does.
func TestCutBeforeTheTunnel(t *testing.T) {
	vxlan := unhex("0800000000002a00")
	for name, c := range map[string]struct {
		data []byte
		cut  int // bytes of the payload
	}{
		"mirror":                   {frame4()[:60], len(frame4()) - 60},
		"mirror, IPv6":             {typed(0x86dd, question6())[:70], len(typed(0x86dd, question6())) - 70},
		"VXLAN":                    {overUDP(4789, vxlan, frame4()[:60]), len(frame4()) - 60},
		"VXLAN, IPv6":              {overUDP(4789, vxlan, typed(0x86dd, question6())[:70]), len(typed(0x86dd, question6())) - 70},
		"GRE":                      {over4(47, unhex("0000 6558"), frame4()[:60]), len(frame4()) - 60},
		"TZSP":                     {overUDP(37008, unhex("0100 0001 01"), frame4()[:60]), len(frame4()) - 60},
		"nothing cut, in a tunnel": {overUDP(4789, vxlan, frame4()), 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, o, stats := decode(c.data, len(c.data))
			if o != packet.OK || p.Dst.Port != 53 || p.Truncated != (c.cut > 0) || p.PayloadLen != len(lookup) || len(p.Payload) != len(lookup)-c.cut {
				t.Errorf("%v %+v", o, p)
			}
			if want := min(c.cut, 1); stats.Sliced != uint64(want) {
				t.Errorf("%d were cut, want %d", stats.Sliced, want)
			}
			if p, o, stats = decode(c.data[:len(c.data)-1], len(c.data)); o != packet.OK || !p.Truncated || stats.Sliced != 0 {
				t.Errorf("cut by the snapshot length: %v %+v, %d", o, p, stats.Sliced)
			}
		})
	}
}

// TestESPCounts: what is encrypted is counted.
func TestESPCounts(t *testing.T) {
	if _, o, stats := decode(over4(50, make([]byte, 60)), 94); o != packet.OK || stats.Encrypted != 1 {
		t.Errorf("%v, %d encrypted", o, stats.Encrypted)
	}
}

// TestTeredo checks both directions: a server answers from its port.
func TestTeredo(t *testing.T) {
	client := netip.MustParseAddr("2001:0:4137:9e50:8000:f12a:b9c8:2815")
	ip := ip6(client, remote, 17)
	inner := stack(ip, udpLayer(40000, 53, ip), gopacketPayload(lookup))
	for name, payload := range map[string][]byte{
		"plain":                     inner,
		"origin":                    join(unhex("0000 f227 bec861af"), inner),
		"authentication":            join(unhex("0001 0000 0000000000000000 00"), inner),
		"authentication and origin": join(unhex("0001 0102 aa bbcc 0000000000000000 00 0000 f227 bec861af"), inner),
	} {
		data := overUDP(3544, payload)
		for range 2 {
			p, o, _ := decode(data, len(data))
			if o != packet.OK || p.Src.Netip() != netip.AddrPortFrom(client, 40000) || string(p.Payload) != string(lookup) {
				t.Errorf("%s: %v %v", name, o, p.Src)
			}
			data[34], data[35], data[36], data[37] = data[36], data[37], data[34], data[35]
		}
	}
}

// TestTooDeepInTunnels checks that of too many tunnels the last one read counts.
func TestTooDeepInTunnels(t *testing.T) {
	data := question4()
	for range 50 {
		data = stack(ip4(outer, outer2, 4), gopacketPayload(data))
	}
	data = typed(0x0800, data)
	p, o, stats := decode(data, len(data))
	if o != packet.OK || p.Proto != 4 || stats.Opaque[packet.TooDeep] != 1 {
		t.Errorf("%v %v %v", o, p.Proto, stats.Opaque)
	}
}

// TestAmbiguousStacks checks that frames made to be read in many ways cost
// little: the work of one frame is bounded.
func TestAmbiguousStacks(t *testing.T) {
	data := typed(0x8847, slices.Repeat(unhex("00000100 00000000 00000000 8847 0000"), 4000))
	_, o, stats := decode(data, len(data))
	if !o.Failure() && o != packet.NotIP {
		t.Error(o)
	}
	if n := stats.Encaps[packet.MPLS]; n > 64 {
		t.Errorf("%d label stacks read in one frame", n)
	}
}
