package packet_test

import (
	"encoding/hex"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/internal/ip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// unhex makes bytes of hexadecimal digits with spaces.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// join puts headers and payloads one after the other.
func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// stack serializes layers with right lengths and checksums.
func stack(list ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, options, list...); err != nil {
		panic(err)
	}
	return b.Bytes()
}

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 2}

	inner4 = netip.MustParseAddr("10.1.0.7")
	inner6 = netip.MustParseAddr("fd00:1::7")
	server = netip.MustParseAddr("10.9.0.1")
	remote = netip.MustParseAddr("fd00:9::1")
	outer  = netip.MustParseAddr("192.0.2.1")
	outer2 = netip.MustParseAddr("198.51.100.2")
	lookup = []byte("the same lookup in every encapsulation")
)

func ether(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: t}
}

func ip4(src, dst netip.Addr, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 61, Id: 0x1234, Protocol: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

func ip6(src, dst netip.Addr, next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 61, FlowLabel: 0x12345, NextHeader: next, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

func udpLayer(from, to uint16, network gopacket.NetworkLayer) *layers.UDP {
	u := &layers.UDP{SrcPort: layers.UDPPort(from), DstPort: layers.UDPPort(to)}
	if err := u.SetNetworkLayerForChecksum(network); err != nil {
		panic(err)
	}
	return u
}

// question4 and question6 are the packet that every encapsulation carries.
func question4() []byte {
	ip := ip4(inner4, server, layers.IPProtocolUDP)
	return stack(ip, udpLayer(40000, 53, ip), gopacket.Payload(lookup))
}

func question6() []byte {
	ip := ip6(inner6, remote, layers.IPProtocolUDP)
	return stack(ip, udpLayer(40000, 53, ip), gopacket.Payload(lookup))
}

// frame4 is question4 in an Ethernet frame.
func frame4() []byte { return typed(0x0800, question4()) }

// over4 is an Ethernet frame with an IPv4 packet of a protocol.
func over4(proto layers.IPProtocol, payload ...[]byte) []byte {
	return stack(ether(layers.EthernetTypeIPv4), ip4(outer, outer2, proto), gopacket.Payload(join(payload...)))
}

// overUDP is an Ethernet frame with a UDP datagram to a port.
func overUDP(port uint16, payload ...[]byte) []byte {
	ip := ip4(outer, outer2, layers.IPProtocolUDP)
	return stack(ether(layers.EthernetTypeIPv4), ip, udpLayer(50000, port, ip), gopacket.Payload(join(payload...)))
}

// typed is an Ethernet frame of a type.
func typed(t uint16, payload ...[]byte) []byte {
	return join(macB, macA, []byte{byte(t >> 8), byte(t)}, join(payload...))
}

type encapsulated struct {
	name string
	link capture.LinkType
	data []byte
	ways []packet.Encap // how the lookup is carried
	vlan uint16
	v6   bool
}

func encapsulations() []encapsulated {
	const eth = capture.LinkEthernet
	w := func(ways ...packet.Encap) []packet.Encap { return ways }
	bare := func(inner string) []byte { return unhex(inner) }
	return []encapsulated{
		{"Ethernet", eth, frame4(), nil, 0, false},
		{"Ethernet with trailer", eth, join(frame4(), make([]byte, 22)), nil, 0, false},
		{"Ethernet, IPv6", eth, typed(0x86dd, question6()), nil, 0, true},
		{"VLAN", eth, typed(0x8100, unhex("6064 0800"), question4()), w(packet.VLAN), 100, false},
		{"VLAN, priority tag", eth, typed(0x8100, unhex("e000 0800"), question4()), w(packet.VLAN), 0, false},
		{"QinQ 0x88a8", eth, typed(0x88a8, unhex("0064 8100 00c8 86dd"), question6()), w(packet.VLAN, packet.VLAN), 100, true},
		{"QinQ 0x9100", eth, typed(0x9100, unhex("0064 8100 00c8 0800"), question4()), w(packet.VLAN, packet.VLAN), 100, false},
		{"five tags", eth, typed(0x8100, unhex("0001 8100 0002 8100 0003 8100 0004 8100 0005 0800"), question4()), w(packet.VLAN, packet.VLAN, packet.VLAN, packet.VLAN, packet.VLAN), 1, false},
		{"LLC SNAP", eth, typed(uint16(8+len(question4())), unhex("aaaa03 000000 0800"), question4(), make([]byte, 9)), w(packet.LLC), 0, false},
		{"LLC SNAP in VLAN", eth, typed(0x8100, join(unhex("0007"), []byte{0, byte(8 + len(question4()))}, unhex("aaaa03 000000 0800")), question4()), w(packet.VLAN, packet.LLC), 7, false},
		{"LLC with the SAP of IP", eth, typed(uint16(3+len(question4())), unhex("060603"), question4()), w(packet.LLC), 0, false},
		{"MPLS", eth, typed(0x8847, unhex("0001 01 40"), question4()), w(packet.MPLS), 0, false},
		{"MPLS, three labels, IPv6", eth, typed(0x8847, unhex("00010040 00020040 00030140"), question6()), w(packet.MPLS), 0, true},
		{"MPLS pseudowire", eth, typed(0x8847, unhex("00010140 00000000"), frame4()), w(packet.MPLS), 0, false},
		{"MPLS pseudowire without control word", eth, typed(0x8847, unhex("00010140"), frame4()), w(packet.MPLS), 0, false},
		{"MPLS pseudowire, address that looks like IPv4", eth, typed(0x8847, unhex("00010140 450000000001 020000000002 0800"), question4()), w(packet.MPLS), 0, false},
		{"MPLS pseudowire, address that looks like IPv6", eth, typed(0x8847, unhex("00010140 600000000001 020000000002 8100 0011 0800"), question4()), w(packet.MPLS, packet.VLAN), 17, false},
		{"PPPoE", eth, typed(0x8864, unhex("1100 0001"), []byte{0, byte(2 + len(question4()))}, unhex("0021"), question4(), make([]byte, 6)), w(packet.PPPoE), 0, false},
		{"PPPoE, one byte protocol", eth, typed(0x8864, unhex("1100 0001"), []byte{0, byte(1 + len(question6()))}, unhex("57"), question6()), w(packet.PPPoE), 0, true},
		{"802.1ah", eth, typed(0x88a8, unhex("0065 88e7 0000abcd"), frame4()), w(packet.VLAN, packet.MACInMAC), 101, false},
		{"TRILL", eth, typed(0x22f3, unhex("0040 0001 0002 00000000"), frame4()), w(packet.MACInMAC), 0, false},
		{"FabricPath", eth, typed(0x8903, unhex("0060"), frame4()), w(packet.MACInMAC), 0, false},
		{"Cisco metadata", eth, typed(0x8909, unhex("0101 0001 0010 0800"), question4()), w(packet.Shim), 0, false},
		{"VN-TAG", eth, typed(0x8926, unhex("00010002 0800"), question4()), w(packet.Shim), 0, false},
		{"E-TAG", eth, typed(0x893f, unhex("0000 0001 0000 8100 0009 0800"), question4()), w(packet.Shim, packet.VLAN), 9, false},
		{"HSR", eth, typed(0x892f, unhex("0040 0001 0800"), question4()), w(packet.Shim), 0, false},
		{"MACsec, clear", eth, typed(0x88e5, unhex("0000 00000001 0800"), question4(), make([]byte, 16)), w(packet.Shim), 0, false},
		{"MACsec, clear, with channel", eth, typed(0x88e5, unhex("2000 00000001 0200000000010001 0800"), question4(), make([]byte, 16)), w(packet.Shim), 0, false},
		{"NSH", eth, typed(0x894f, unhex("0fc2 0202 00000003"), question6()), w(packet.Shim), 0, true},
		{"NSH with frame", eth, typed(0x894f, unhex("0fc6 0103 000001ff"), make([]byte, 16), frame4()), w(packet.Shim), 0, false},
		{"IP in IP", eth, over4(4, question4()), w(packet.IPInIP), 0, false},
		{"6in4", eth, over4(41, question6()), w(packet.IPInIP), 0, true},
		{"4in6", eth, stack(ether(0x86dd), ip6(remote, inner6, 4), gopacket.Payload(question4())), w(packet.IPInIP), 0, false},
		{"IPv6 in IPv6", eth, stack(ether(0x86dd), ip6(remote, inner6, 41), gopacket.Payload(question6())), w(packet.IPInIP), 0, true},
		{"GRE", eth, over4(47, unhex("0000 0800"), question4()), w(packet.GRE), 0, false},
		{"GRE, checksum, key, sequence", eth, over4(47, unhex("b000 86dd 00000000 00000007 00000001"), question6()), w(packet.GRE), 0, true},
		{"GRE, Ethernet", eth, over4(47, unhex("0000 6558"), frame4()), w(packet.GRE), 0, false},
		{"NVGRE", eth, over4(47, unhex("2000 6558 00123401"), frame4()), w(packet.GRE), 0, false},
		{"GRE, MPLS", eth, over4(47, unhex("0000 8847 00010140"), question4()), w(packet.GRE, packet.MPLS), 0, false},
		{"GRE, PPTP", eth, over4(47, unhex("3081 880b 0040 0001 00000001 00000000 ff03 0021"), question4()), w(packet.GRE), 0, false},
		{"GRE, WCCP", eth, over4(47, unhex("0000 883e"), question4()), w(packet.GRE), 0, false},
		{"GRE, WCCP version 2", eth, over4(47, unhex("0000 883e 00010000"), question4()), w(packet.GRE), 0, false},
		{"ERSPAN I", eth, over4(47, unhex("0000 88be"), frame4()), w(packet.ERSPAN), 0, false},
		{"ERSPAN II", eth, over4(47, unhex("1000 88be 00000001 1005 0001 00000001"), typed(0x8100, unhex("0005 0800"), question4())), w(packet.ERSPAN, packet.VLAN), 5, false},
		{"ERSPAN III", eth, over4(47, unhex("1000 22eb 00000001 2005 0001 00000001 00008000"), frame4()), w(packet.ERSPAN), 0, false},
		{"ERSPAN III, subheader", eth, over4(47, unhex("1000 22eb 00000001 2005 0001 00000001 00008001 0000000000000000"), frame4()), w(packet.ERSPAN), 0, false},
		{"ERSPAN III, IP", eth, over4(47, unhex("1000 22eb 00000001 2005 0001 00000001 00008800"), question6()), w(packet.ERSPAN), 0, true},
		{"EtherIP", eth, over4(97, unhex("3000"), frame4()), w(packet.EtherIP), 0, false},
		{"Ethernet in IPv6", eth, stack(ether(0x86dd), ip6(remote, inner6, 143), gopacket.Payload(frame4())), w(packet.EtherIP), 0, false},
		{"MPLS in IP", eth, over4(137, unhex("00010140"), question4()), w(packet.MPLS, packet.MPLS), 0, false},
		{"VXLAN", eth, overUDP(4789, unhex("0800000000002a00"), frame4()), w(packet.VXLAN), 0, false},
		{"VXLAN, Linux port", eth, overUDP(8472, unhex("0800000000002a00"), frame4()), w(packet.VXLAN), 0, false},
		{"VXLAN, group policy", eth, overUDP(4789, unhex("8808001000002a00"), frame4()), w(packet.VXLAN), 0, false},
		{"VXLAN with tag", eth, overUDP(4789, unhex("0800000000002a00"), typed(0x8100, unhex("0064 86dd"), question6())), w(packet.VXLAN, packet.VLAN), 100, true},
		{"VXLAN in VLAN with tag", eth, typed(0x8100, unhex("0003 0800"), overUDP(4789, unhex("0800000000002a00"), typed(0x8100, unhex("0064 0800"), question4()))[14:]), w(packet.VLAN, packet.VXLAN, packet.VLAN), 3, false},
		{"VXLAN-GPE", eth, overUDP(4790, unhex("0c00000100002a00"), question4()), w(packet.VXLAN), 0, false},
		{"VXLAN-GPE, Ethernet", eth, overUDP(4790, unhex("0c00000300002a00"), frame4()), w(packet.VXLAN), 0, false},
		{"VXLAN-GPE, NSH", eth, overUDP(4790, unhex("0c00000400002a00 0fc2 0202 00000003"), question6()), w(packet.VXLAN, packet.Shim), 0, true},
		{"Geneve", eth, overUDP(6081, unhex("0000 6558 00002a00"), frame4()), w(packet.Geneve), 0, false},
		{"Geneve with options", eth, overUDP(6081, unhex("0340 0800 00002a00 0102 8002 0000000000000000"), question4()), w(packet.Geneve), 0, false},
		{"GTP-U", eth, overUDP(2152, unhex("30ff"), []byte{0, byte(len(question4()))}, unhex("00000001"), question4()), w(packet.GTPU), 0, false},
		{"GTP-U with extensions", eth, overUDP(2152, unhex("36ff"), []byte{0, byte(16 + len(question6()))}, unhex("00000001 0001 00 c0 01000085 02000000000000 00"), question6()), w(packet.GTPU), 0, true},
		{"L2TP", eth, overUDP(1701, unhex("0002 0001 0001 ff03 0021"), question4()), w(packet.L2TP), 0, false},
		{"L2TP with all fields", eth, overUDP(1701, unhex("4a02 0060 0001 0001 0000 0000 0002 0000 0057"), question6()), w(packet.L2TP), 0, true},
		{"MPLS over UDP", eth, overUDP(6635, unhex("00010140"), question4()), w(packet.MPLSoverUDP, packet.MPLS), 0, false},
		{"GRE over UDP", eth, overUDP(4754, unhex("0000 0800"), question4()), w(packet.GREoverUDP), 0, false},
		{"TZSP", eth, overUDP(37008, unhex("0100 0001 01"), frame4()), w(packet.TZSP), 0, false},
		{"TZSP with fields", eth, overUDP(37008, unhex("0100 0001 00 0a01c5 28020102 00 01"), typed(0x8100, unhex("0064 0800"), question4())), w(packet.TZSP, packet.VLAN), 100, false},
		{"VXLAN in GRE in 4in6", eth, stack(ether(0x86dd), ip6(remote, inner6, 4), gopacket.Payload(over4(47, unhex("0000 0800"), overUDP(4789, unhex("0800000000002a00"), frame4())[14:])[14:])), w(packet.IPInIP, packet.GRE, packet.VXLAN), 0, false},
		{"AH", eth, over4(51, unhex("1104 0000 00000001 00000001 000000000000000000000000"), question4()[20:]), nil, 0, false},

		{"raw", capture.LinkRaw, question4(), nil, 0, false},
		{"raw, IPv6", capture.LinkRaw, question6(), nil, 0, true},
		{"raw, 12", capture.LinkRawBSD, question6(), nil, 0, true},
		{"raw, 14", capture.LinkRawOBSD, question4(), nil, 0, false},
		{"IPv4", capture.LinkIPv4, question4(), nil, 0, false},
		{"IPv6", capture.LinkIPv6, question6(), nil, 0, true},
		{"NULL, little-endian", capture.LinkNull, join(bare("02000000"), question4()), nil, 0, false},
		{"NULL, big-endian", capture.LinkNull, join(bare("00000002"), question4()), nil, 0, false},
		{"NULL, Darwin", capture.LinkNull, join(bare("1e000000"), question6()), nil, 0, true},
		{"NULL, FreeBSD", capture.LinkNull, join(bare("0000001c"), question6()), nil, 0, true},
		{"NULL, Linux", capture.LinkNull, join(bare("0a000000"), question6()), nil, 0, true},
		{"LOOP", capture.LinkLoop, join(bare("00000018"), question6()), nil, 0, true},
		{"SLL", capture.LinkSLL, join(unhex("0000 0001 0006 0200000000010000 0800"), question4()), nil, 0, false},
		{"SLL with tag", capture.LinkSLL, join(unhex("0000 0001 0006 0200000000010000 8100 0064 86dd"), question6()), w(packet.VLAN), 100, true},
		{"SLL2", capture.LinkSLL2, join(unhex("0800 0000 00000002 0001 00 06 0200000000010000"), question4()), nil, 0, false},
		{"PPP", 9, join(unhex("ff03 0021"), question4()), nil, 0, false},
		{"PPP, bare", 9, join(unhex("0057"), question6()), nil, 0, true},
		{"PPP, MPLS", 50, join(unhex("ff03 0281 00010140"), question4()), w(packet.MPLS), 0, false},
		{"Cisco HDLC", 104, join(unhex("0f00 0800"), question4()), nil, 0, false},
		{"PPPoE, bare", 51, join(unhex("1100 0001"), []byte{0, byte(2 + len(question4()))}, unhex("0021"), question4()), w(packet.PPPoE), 0, false},
	}
}

func TestEncapsulations(t *testing.T) {
	for _, c := range encapsulations() {
		t.Run(c.name, func(t *testing.T) {
			d := packet.NewDecoder()
			f := capture.Frame{Time: 5, Data: c.data, Len: len(c.data), Link: c.link, File: 2, Number: 3}
			p := packet.Packet{VLAN: 99, Fragment: true, Reassembled: true, Truncated: true, Flags: 9, Seq: 9, Ack: 9}
			if o := d.Decode(&f, &p); o != packet.OK {
				t.Fatal(o)
			}
			want := packet.Packet{
				Time: 5, File: 2, Number: 3, Proto: packet.ProtoUDP, VLAN: c.vlan, TTL: 61, IPID: 0x1234,
				Src: ip.FromPort(netip.AddrPortFrom(inner4, 40000)), Dst: ip.FromPort(netip.AddrPortFrom(server, 53)),
				Payload: lookup, PayloadLen: len(lookup),
			}
			if c.v6 {
				want.IPID, want.Src, want.Dst = 0x12345, ip.FromPort(netip.AddrPortFrom(inner6, 40000)), ip.FromPort(netip.AddrPortFrom(remote, 53))
			}
			if c.name == "AH" {
				want.Src, want.Dst = ip.FromPort(netip.AddrPortFrom(outer, 40000)), ip.FromPort(netip.AddrPortFrom(outer2, 53))
			}
			check(t, &p, &want)
			var ways [packet.NumEncaps]uint64
			for _, e := range c.ways {
				ways[e]++
			}
			if got := d.Stats().Encaps; got != ways {
				t.Errorf("encapsulations counted %v, not %v", got, ways)
			}
		})
	}
}

// check compares two packets, all but what was not ICMP.
func check(t *testing.T, got, want *packet.Packet) {
	t.Helper()
	if string(got.Payload) != string(want.Payload) {
		t.Errorf("payload %q, not %q", got.Payload, want.Payload)
	}
	g, w := *got, *want
	g.Payload, w.Payload = nil, nil
	if g.Proto != packet.ProtoICMP && g.Proto != packet.ProtoICMPv6 {
		g.ICMP, w.ICMP = packet.ICMP{}, packet.ICMP{}
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got  %+v\nwant %+v", g, w)
	}
}
