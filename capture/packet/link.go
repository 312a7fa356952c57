package packet

import (
	"encoding/binary"

	"wormscope/capture"
)

// Link types that are cheap to read and that package capture has no names for.
const (
	linkPPP       capture.LinkType = 9   // PPP, with or without HDLC framing
	linkPPPSerial capture.LinkType = 50  // PPP in HDLC-like framing (RFC 1662), or Cisco's
	linkPPPoE     capture.LinkType = 51  // PPPoE session header, then PPP
	linkCHDLC     capture.LinkType = 104 // Cisco PPP with HDLC framing
)

// link decodes what is not Ethernet.
func (d *Decoder) link(p *Packet, f *capture.Frame, wire int) Outcome {
	b := f.Data
	switch f.Link {
	case capture.LinkRaw, capture.LinkRawBSD, capture.LinkRawOBSD, capture.LinkIPv4, capture.LinkIPv6:
		return d.rawIP(p, b, wire)
	case capture.LinkNull, capture.LinkLoop:
		return d.loopback(p, b, wire)
	case capture.LinkSLL:
		if len(b) < 16 {
			return short(wire, 16, BadLink)
		}
		return d.cooked(p, u16(b[2:]), u16(b[14:]), b[16:], wire-16)
	case capture.LinkSLL2:
		if len(b) < 20 {
			return short(wire, 20, BadLink)
		}
		return d.cooked(p, u16(b[8:]), u16(b), b[20:], wire-20)
	case linkPPP:
		return d.ppp(p, b, wire)
	case linkPPPoE:
		return d.pppoe(p, b, wire)
	case linkPPPSerial, linkCHDLC:
		return d.hdlc(p, b, wire)
	default:
		d.stats.Links[f.Link]++
		return UnsupportedLink
	}
}

// rawIP decodes an IP packet whose version is in its first bits.
func (d *Decoder) rawIP(p *Packet, b []byte, wire int) Outcome {
	if len(b) == 0 {
		return short(wire, 1, BadLink)
	}
	if b[0]>>4 == 6 {
		return d.ipv6(p, b, wire)
	}
	return d.ipv4(p, b, wire)
}

// loopback decodes an address family, in the byte order of the machine that
// captured, then IP. IPv6 has another number on each system.
func (d *Decoder) loopback(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 4 {
		return short(wire, 4, BadLink)
	}
	family := u32(b)
	if family > 0xffff {
		family = binary.LittleEndian.Uint32(b)
	}
	switch family {
	case 2:
		return d.ipv4(p, b[4:], wire-4)
	case 10, 23, 24, 28, 30: // Linux, Windows, OpenBSD and NetBSD, FreeBSD, Darwin
		return d.ipv6(p, b[4:], wire-4)
	}
	return NotIP
}

// cooked decodes what follows Linux's "any" header. The hardware type says how
// to read the protocol: it is an EtherType only where the device has one.
func (d *Decoder) cooked(p *Packet, hardware, protocol uint16, b []byte, wire int) Outcome {
	const (
		arphrdFrameRelay = 770
		arphrdRadiotap   = 803
		arphrdNetlink    = 824
		novell, llc      = 0x0001, 0x0004
	)
	switch hardware {
	case arphrdFrameRelay, arphrdRadiotap, arphrdNetlink:
		return NotIP
	}
	switch protocol {
	case novell:
		return NotIP
	case llc:
		return d.llc(p, b, wire)
	}
	return d.etherType(p, protocol, b, wire)
}

// hdlc decodes Cisco HDLC, or PPP in HDLC-like framing, told apart by the
// address byte (RFC 1547, RFC 1662).
func (d *Decoder) hdlc(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 4 {
		return short(wire, 4, BadLink)
	}
	if b[0] == 0x0f || b[0] == 0x8f {
		return d.etherType(p, u16(b[2:]), b[4:], wire-4)
	}
	return d.ppp(p, b, wire)
}

// ppp decodes a PPP frame, with or without address and control, and with a
// protocol of one or two bytes (RFC 1661 chapters 2 and 6.5).
func (d *Decoder) ppp(p *Packet, b []byte, wire int) Outcome {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b, wire = b[2:], wire-2
	}
	if len(b) < 2 {
		return short(wire, 2, BadLink)
	}
	protocol, size := uint16(b[0]), 1
	if b[0]&1 == 0 {
		protocol, size = u16(b), 2
	}
	b, wire = b[size:], wire-size
	switch protocol {
	case 0x0021:
		return d.ipv4(p, b, wire)
	case 0x0057:
		return d.ipv6(p, b, wire)
	case 0x0281, 0x0283:
		return d.mpls(p, b, wire)
	}
	return NotIP
}

// pppoe decodes a PPPoE session packet (RFC 2516 chapter 4).
func (d *Decoder) pppoe(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 6 {
		return short(wire, 6, BadLink)
	}
	if b[0] != 0x11 {
		return BadLink
	}
	if b[1] != 0 {
		return NotIP
	}
	length := int(u16(b[4:]))
	b, wire = clip(b[6:], wire-6, length)
	d.stats.Encaps[PPPoE]++
	return d.ppp(p, b, wire)
}

// clip cuts bytes to the length that a header gives them. A length beyond what
// is there is left to the next header to judge.
func clip(b []byte, wire, length int) ([]byte, int) {
	return b[:min(length, len(b))], min(length, wire)
}
