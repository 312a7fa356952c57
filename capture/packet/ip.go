package packet

import (
	"encoding/binary"

	"wormscope/internal/ip"
)

// ipv4 decodes an IPv4 packet (RFC 791).
func (d *Decoder) ipv4(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 20 {
		return short(wire, 20, BadIPv4)
	}
	header, total := int(b[0]&0x0f)*4, int(u16(b[2:]))
	if total == 0 {
		total = wire // a large segment, captured before the card cut it up
	}
	if b[0]>>4 != 4 || header < 20 || total < header || total > wire && d.mustFit() && !goodChecksum(b) {
		return BadIPv4
	}
	if len(b) < header {
		return Truncated
	}
	if d.deeper() {
		return TooDeep
	}
	if total < len(b) {
		b = b[:total]
	}
	proto, payload, size := p.readIPv4((*[20]byte)(b)), b[header:], total-header
	p.Src.Port, p.Dst.Port = 0, 0
	if part := u16(b[6:]) & 0x3fff; part != 0 {
		return d.fragment(p, fragmentOf4(b, p.VLAN), part&0x1fff, part&0x2000 != 0, payload, size)
	}
	if proto.hasPorts() && len(payload) >= 4 {
		p.Src.Port, p.Dst.Port = u16(payload), u16(payload[2:])
	}
	if proto == ProtoTCP {
		return tcp(p, payload, size)
	}
	return d.transport(p, proto, payload, size)
}

// ipv6 decodes an IPv6 packet (RFC 8200).
func (d *Decoder) ipv6(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 40 {
		return short(wire, 40, BadIPv6)
	}
	next, size := Proto(b[6]), int(u16(b[4:]))
	if size == 0 && next != protoNoNext {
		size = jumboLength(next, b[40:], wire-40)
	}
	if b[0]>>4 != 6 || size > wire-40 && d.mustFit() && !common(next) {
		return BadIPv6
	}
	if d.deeper() {
		return TooDeep
	}
	payload := b[40:]
	if size < len(payload) {
		payload = payload[:size]
	}
	p.readIPv6((*[40]byte)(b))
	p.Src.Port, p.Dst.Port = 0, 0
	if next.hasPorts() && len(payload) >= 4 {
		p.Src.Port, p.Dst.Port = u16(payload), u16(payload[2:])
	}
	switch next {
	case ProtoTCP:
		return tcp(p, payload, size)
	case ProtoUDP, ProtoICMPv6:
		return d.transport(p, next, payload, size)
	default:
		return d.afterIPv6(p, fragmentOf6(b, p.VLAN), next, payload, size)
	}
}

// readIPv4 reads what is kept of an IPv4 header, and returns what IP carries.
func (p *Packet) readIPv4(h *[20]byte) Proto {
	be := binary.BigEndian
	p.IPID, p.TTL = be.Uint32(h[4:])>>16, h[8]
	p.Src.Addr, p.Dst.Addr = ip.From4(be.Uint32(h[12:])), ip.From4(be.Uint32(h[16:]))
	return Proto(h[9])
}

// readIPv6 reads what is kept of an IPv6 header, and returns what follows it.
func (p *Packet) readIPv6(h *[40]byte) Proto {
	be := binary.BigEndian
	p.IPID, p.TTL = be.Uint32(h[:])&0xfffff, h[7]
	p.Src.Addr, p.Dst.Addr = ip.From16(h[8:]), ip.From16(h[24:])
	return Proto(h[6])
}

// common reports whether next is what most IPv6 headers announce. Where the
// lengths do not fit, this tells an IPv6 packet that was cut before it went into
// a tunnel from bytes that are no packet.
func common(next Proto) bool {
	return next == ProtoTCP || next == ProtoUDP || next == ProtoICMPv6
}

// mustFit reports whether a length that exceeds its surroundings proves that this
// is not a packet. It does so only where it was guessed that one may be here, from a
// port or an MPLS label: segmentation offload, fragments and cut packets have such
// lengths, too. An IPv4 header can still show by its checksum that it is one.
func (d *Decoder) mustFit() bool { return d.frame.strict && !d.frame.partial }

// jumboLength is the length of the payload of an IPv6 packet that says zero:
// what a jumbogram's hop-by-hop option says (RFC 2675), else all there is, as
// in the large segments that Linux makes without that option.
func jumboLength(next Proto, b []byte, wire int) int {
	const pad1, jumbo = 0x00, 0xc2
	if next != protoHopByHop || len(b) < 8 {
		return wire
	}
	for o := b[2:min(8+int(b[1])*8, len(b))]; len(o) >= 2; {
		if o[0] == pad1 {
			o = o[1:]
			continue
		}
		if o[0] == jumbo && o[1] == 4 && len(o) >= 6 {
			if length := u32(o[2:]); length > 0xffff && length < 1<<31 {
				return int(length)
			}
			return wire
		}
		o = o[min(2+int(o[1]), len(o)):]
	}
	return wire
}

// afterIPv6 walks over extension headers to the transport header.
func (d *Decoder) afterIPv6(p *Packet, key fragmentKey, next Proto, b []byte, wire int) Outcome {
	h, o := walk(next, b, wire)
	if o != OK {
		return o
	}
	if h.next != protoFragment {
		return d.payload(p, h.next, h.b, h.wire)
	}
	part := u16(h.b[2:])
	key.id, key.next = u32(h.b[4:]), Proto(h.b[0])
	return d.fragment(p, key, part>>3, part&1 != 0, h.b[8:], h.wire-8)
}

// payload decodes what follows the IP headers once p has the addresses.
func (d *Decoder) payload(p *Packet, proto Proto, b []byte, wire int) Outcome {
	p.Src.Port, p.Dst.Port = 0, 0
	if proto.hasPorts() && len(b) >= 4 {
		p.Src.Port, p.Dst.Port = u16(b), u16(b[2:])
	}
	return d.transport(p, proto, b, wire)
}

// headers is a place in a chain of IPv6 headers.
type headers struct {
	next Proto  // what b begins with
	b    []byte // the captured bytes
	wire int    // their length on the wire
}

// walk walks over extension headers (RFC 8200 chapter 4) until there is
// something else, or the header of a fragment that is not all of its datagram
// (RFC 6946): then eight bytes of that are there. Each step is eight bytes or
// more, so the work is bounded by the packet.
func walk(next Proto, b []byte, wire int) (headers, Outcome) {
	for {
		switch next {
		case protoHopByHop, protoRouting, protoDestination, protoFragment, protoAH,
			protoMobility, protoHIP, protoShim6:
		default:
			return headers{next, b, wire}, OK
		}
		if len(b) < 8 {
			return headers{}, short(wire, 8, BadIPv6)
		}
		size := extensionSize(next, b)
		switch {
		case next == protoFragment && u16(b[2:])&0xfff9 != 0:
			return headers{next, b, wire}, OK
		case size > wire:
			return headers{}, BadIPv6
		case next >= protoMobility && Proto(b[0]) == protoNoNext:
			return headers{next, b, wire}, OK // a protocol of its own, which extends nothing
		case size > len(b):
			return headers{}, Truncated
		}
		next, b, wire = Proto(b[0]), b[size:], wire-size
	}
}

// extensionSize is the length of the extension header that b begins with.
func extensionSize(next Proto, b []byte) int {
	switch next {
	case protoFragment:
		return 8
	case protoAH:
		return (int(b[1]) + 2) * 4 // RFC 4302 chapter 2.2
	default:
		return (int(b[1]) + 1) * 8
	}
}
