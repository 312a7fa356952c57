package main

import (
	"encoding/binary"
	"net/netip"

	"wormscope/cmd/pcapgen/capfile"
	"wormscope/cmd/pcapgen/story"
	"wormscope/cmd/pcapgen/wire"
)

// A lookup is the same two packets for every encapsulation: a host asks for
// the kill switch, and the resolver says that there is no such name.
type lookup struct {
	client, resolver netip.AddrPort
}

func lookup4() lookup {
	return lookup{netip.MustParseAddrPort("10.10.1.23:49732"), netip.MustParseAddrPort("10.10.0.53:53")}
}

func lookup6() lookup {
	return lookup{netip.MustParseAddrPort("[fd00:10:10:1::23]:49732"), netip.MustParseAddrPort("[fd00:10:10::53]:53")}
}

// packets returns the query and the answer as IP packets.
func (l lookup) packets() [][]byte {
	m := wire.DNS{ID: 0x5ca1, Flags: wire.RD, Name: story.KillSwitch, Type: wire.TypeA}
	query := wire.AppendUDPPacket(nil, l.client, l.resolver, wire.Envelope{TTL: 128, ID: 700}, m.Append(nil))
	m.Flags |= wire.QR | wire.RA | wire.NXDomain
	answer := wire.AppendUDPPacket(nil, l.resolver, l.client, wire.Envelope{TTL: 64, ID: 9000}, m.Append(nil))
	return [][]byte{query, answer}
}

// An encapsulation puts an IP packet into frames of a link type; most into
// one, fragments into several.
type encapsulation struct {
	name  string
	link  uint32
	inner func() lookup
	wrap  func(packet []byte) [][]byte
}

// encapsulations lists them all.
func encapsulations() []encapsulation {
	eth := func(name string, wrap func([]byte) []byte) encapsulation {
		return encapsulation{name, capfile.LinkEthernet, lookup4, one(wrap)}
	}
	link := func(name string, number uint32, wrap func([]byte) []byte) encapsulation {
		return encapsulation{name, number, lookup4, one(wrap)}
	}
	return []encapsulation{
		eth("vlan", tagged(wire.TypeVLAN)),
		eth("qinq", tagged(wire.TypeSVLAN, wire.TypeVLAN)),
		eth("9100", tagged(wire.TypeQinQ, wire.TypeVLAN)),
		eth("gre-ip", gre(wire.TypeIPv4, []byte{0, 0}, identity)),
		eth("gre-eth", gre(wire.TypeTEB, []byte{0x20, 0, 0, 0, 0, 42}, ethernet)), // with a key
		eth("erspan1", gre(wire.TypeERSPAN, []byte{0, 0}, ethernet)),
		eth("erspan2", gre(wire.TypeERSPAN, sequence(), prefixed(erspan2(), ethernet))),
		eth("erspan3", gre(wire.TypeERSP3, sequence(), prefixed(erspan3(false), ethernet))),
		eth("erspan3-sub", gre(wire.TypeERSP3, sequence(), prefixed(erspan3(true), ethernet))),
		eth("vxlan", overUDP(4789, []byte{8, 0, 0, 0, 0, 0x10, 0xe1, 0}, ethernet)),
		eth("geneve", overUDP(6081, geneve(), ethernet)),
		eth("mpls", mpls(identity, 18, 1001)),
		eth("mpls-pw", mpls(prefixed([]byte{0, 0, 0, 0}, ethernet), 18, 2002)),
		eth("pppoe", pppoe),
		eth("ipip", tunnel(wire.ProtoIPv4, "10.255.0.1", "10.255.0.2")),
		{"6in4", capfile.LinkEthernet, lookup6, one(tunnel(wire.ProtoIPv6, "10.255.0.1", "10.255.0.2"))},
		eth("4in6", tunnel(wire.ProtoIPv4, "fd00:ff::1", "fd00:ff::2")),
		eth("nested", overUDP(4789, []byte{8, 0, 0, 0, 0, 0x10, 0xe1, 0}, tagged(wire.TypeVLAN))),
		link("raw", capfile.LinkRaw, identity),
		link("sll", capfile.LinkSLL, sll),
		link("sll2", capfile.LinkSLL2, sll2),
		link("null", capfile.LinkNull, prefixed([]byte{2, 0, 0, 0}, identity)),
		link("loop", capfile.LinkLoop, prefixed([]byte{0, 0, 0, 2}, identity)),
		eth("ipv4-options", options4),
		{"ipv6", capfile.LinkEthernet, lookup6, one(ethernet)},
		{"ipv6-ext", capfile.LinkEthernet, lookup6, one(extension6)},
		{"ipv4-fragments", capfile.LinkEthernet, lookup4, fragments},
		{"ipv6-fragments", capfile.LinkEthernet, lookup6, fragments},
	}
}

func one(wrap func([]byte) []byte) func([]byte) [][]byte {
	return func(p []byte) [][]byte { return [][]byte{wrap(p)} }
}

func identity(p []byte) []byte { return p }

// prefixed puts bytes in front of what wrap makes.
func prefixed(prefix []byte, wrap func([]byte) []byte) func([]byte) []byte {
	return func(p []byte) []byte { return append(append([]byte(nil), prefix...), wrap(p)...) }
}

func routerMAC() wire.MAC { return wire.MAC{0x00, 0x00, 0x0c, 0x9f, 0xf0, 0x01} }
func hostMAC() wire.MAC   { return wire.MAC{0x02, 0x10, 0x0a, 0x0a, 0x01, 0x17} }

func ethernet(p []byte) []byte {
	return append(wire.AppendEthernet(nil, routerMAC(), hostMAC(), wire.TypeOf(p)), p...)
}

// tagged puts VLAN tags with these TPIDs around a packet: VLAN 101, 102, …
func tagged(tpids ...uint16) func([]byte) []byte {
	return func(p []byte) []byte {
		b := wire.AppendEthernet(nil, routerMAC(), hostMAC(), tpids[0])
		for k := range tpids {
			next := wire.TypeOf(p)
			if k+1 < len(tpids) {
				next = tpids[k+1]
			}
			b = wire.AppendTag(b, uint16(101+k), next)
		}
		return append(b, p...)
	}
}

// tunnel wraps bytes into an outer IP packet of a protocol, in Ethernet.
func tunnel(proto uint8, src, dst string) func([]byte) []byte {
	return func(p []byte) []byte {
		h := wire.IP{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), Proto: proto, TTL: 64, ID: 77}
		return ethernet(append(h.Append(nil, len(p)), p...))
	}
}

// gre wraps what inner makes into GRE (RFC 2784, RFC 2890). The optional part
// begins with the two flag bytes; what follows them stands after the protocol.
func gre(proto uint16, optional []byte, inner func([]byte) []byte) func([]byte) []byte {
	return func(p []byte) []byte {
		b := append([]byte(nil), optional[:2]...)
		b = binary.BigEndian.AppendUint16(b, proto)
		b = append(append(b, optional[2:]...), inner(p)...)
		return tunnel(wire.ProtoGRE, "10.255.0.1", "10.255.0.2")(b)
	}
}

// sequence is the optional part of a GRE header with a sequence number.
func sequence() []byte { return []byte{0x10, 0, 0, 0, 0, 9} }

// erspan2 is the header of ERSPAN type II (draft-foschiano-erspan): VLAN 101, session 7.
func erspan2() []byte { return []byte{0x10, 101, 0x00, 7, 0, 0, 0, 3} }

// erspan3 is the header of ERSPAN type III, with or without its platform subheader.
func erspan3(sub bool) []byte {
	b := []byte{0x20, 101, 0x00, 7, 0, 1, 2, 3, 0, 0, 0, 0}
	if sub {
		b[11] |= 1
		b = append(b, 0x0c, 0, 0, 0, 0, 0, 0, 0) // platform 3
	}
	return b
}

// overUDP wraps what inner makes, after a header, into UDP.
func overUDP(port uint16, header []byte, inner func([]byte) []byte) func([]byte) []byte {
	return func(p []byte) []byte {
		src := netip.AddrPortFrom(netip.MustParseAddr("10.255.0.1"), 51515)
		dst := netip.AddrPortFrom(netip.MustParseAddr("10.255.0.2"), port)
		body := append(append([]byte(nil), header...), inner(p)...)
		return ethernet(wire.AppendUDPPacket(nil, src, dst, wire.Envelope{TTL: 64, ID: 78}, body))
	}
}

// geneve is a Geneve header (RFC 8926) with one option of eight bytes.
func geneve() []byte {
	return []byte{2, 0, 0x65, 0x58, 0, 0x10, 0xe1, 0, 0x01, 0x02, 0x80, 1, 0xde, 0xad, 0xbe, 0xef}
}

// mpls puts a label stack in front of what inner makes (RFC 3032).
func mpls(inner func([]byte) []byte, labels ...uint32) func([]byte) []byte {
	return func(p []byte) []byte {
		b := wire.AppendEthernet(nil, routerMAC(), hostMAC(), wire.TypeMPLS)
		for k, label := range labels {
			entry := label<<12 | 64
			if k == len(labels)-1 {
				entry |= 1 << 8
			}
			b = binary.BigEndian.AppendUint32(b, entry)
		}
		return append(b, inner(p)...)
	}
}

// pppoe wraps a packet into a PPPoE session (RFC 2516).
func pppoe(p []byte) []byte {
	b := wire.AppendEthernet(nil, routerMAC(), hostMAC(), wire.TypePPPoE)
	b = append(b, 0x11, 0, 0, 5)
	b = binary.BigEndian.AppendUint16(b, uint16(2+len(p)))
	return append(append(b, 0, 0x21), p...)
}

// sll is the header of Linux's cooked captures: from another host, ARPHRD Ethernet.
func sll(p []byte) []byte {
	mac := hostMAC()
	b := append([]byte{0, 0, 0, 1, 0, 6}, mac[:]...)
	b = append(b, 0, 0)
	return append(binary.BigEndian.AppendUint16(b, wire.TypeOf(p)), p...)
}

// sll2 is the second version of that header: interface 3.
func sll2(p []byte) []byte {
	mac := hostMAC()
	b := binary.BigEndian.AppendUint16(nil, wire.TypeOf(p))
	b = append(b, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6)
	b = append(b, mac[:]...)
	return append(append(b, 0, 0), p...)
}

// options4 puts a router alert and padding between the IPv4 header and what follows.
func options4(p []byte) []byte {
	q := append([]byte(nil), p[:20]...)
	q = append(q, 0x94, 4, 0, 0, 1, 1, 1, 0)
	q = append(q, p[20:]...)
	q[0] = 0x47
	binary.BigEndian.PutUint16(q[2:], uint16(len(q)))
	wire.FixIPv4(q)
	return ethernet(q)
}

// extension6 puts hop-by-hop options, destination options and an atomic
// fragment header before the datagram (RFC 8200, RFC 6946).
func extension6(p []byte) []byte {
	ext := []byte{
		60, 0, 5, 2, 0, 0, 1, 0, // router alert, PadN; next: destination options
		44, 0, 1, 4, 0, 0, 0, 0, // PadN; next: fragment
		p[6], 0, 0, 0, 0, 0, 0, 9,
	}
	q := append([]byte(nil), p[:40]...)
	q = append(append(q, ext...), p[40:]...)
	q[6] = 0
	binary.BigEndian.PutUint16(q[4:], uint16(len(q)-40))
	return ethernet(q)
}

// fragments cuts a packet into pieces of 40 bytes and sends the middle ones
// last.
func fragments(p []byte) [][]byte {
	parts := wire.Fragments(p, 40, 0xbeef)
	last := len(parts) - 1
	parts = append(parts[:1], append(parts[last:], parts[1:last]...)...)
	for k, f := range parts {
		parts[k] = ethernet(f)
	}
	return parts
}
