package packet

import "wormscope/internal/ip"

// icmp decodes an ICMP or ICMPv6 message (RFC 792, RFC 4443), and the packet
// that an error quotes.
func icmp(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 4 {
		return short(wire, 4, BadICMP)
	}
	m := &p.ICMP
	m.Type, m.Code, m.HasInner = b[0], b[1], false
	if len(b) >= 8 && isError(p.Proto, b[0]) {
		m.HasInner = m.quote(b[8:])
	}
	setPayload(p, b, wire, min(8, wire))
	return OK
}

func isICMP(proto Proto) bool { return proto == ProtoICMP || proto == ProtoICMPv6 }

// isError reports whether messages of this type quote the packet that they
// are about.
func isError(proto Proto, kind uint8) bool {
	if proto == ProtoICMPv6 {
		return kind >= 1 && kind <= 4 // of the errors, below 128, those that RFC 4443 defines
	}
	switch kind {
	case 3, 4, 5, 11, 12: // unreachable, source quench, redirect, time exceeded, parameter problem
		return true
	}
	return false
}

// quote reads the addresses and ports of a quoted packet. It reports whether
// they are all there.
func (m *ICMP) quote(b []byte) bool {
	if len(b) < 20 {
		return false
	}
	var source, destination ip.Addr
	switch b[0] >> 4 {
	case 4:
		header := int(b[0]&0x0f) * 4
		if header < 20 || header > len(b) || u16(b[6:])&0x1fff != 0 {
			return false
		}
		m.InnerProto = Proto(b[9])
		source, destination = ip.From4(u32(b[12:])), ip.From4(u32(b[16:]))
		b = b[header:]
	case 6:
		if len(b) < 40 {
			return false
		}
		source, destination = ip.From16(b[8:24]), ip.From16(b[24:40])
		h, ok := walkQuoted(Proto(b[6]), b[40:])
		if !ok {
			return false
		}
		m.InnerProto, b = h.next, h.b
	default:
		return false
	}
	return m.quotePorts(source, destination, b)
}

// quotePorts reads what is quoted of the transport header.
func (m *ICMP) quotePorts(source, destination ip.Addr, b []byte) bool {
	var from, to uint16
	if m.InnerProto.hasPorts() {
		if len(b) < 4 {
			return false
		}
		from, to = u16(b), u16(b[2:])
	}
	m.InnerSeq = 0
	if m.InnerProto == ProtoTCP && len(b) >= 8 {
		m.InnerSeq = u32(b[4:])
	}
	m.InnerSrc, m.InnerDst = ip.AddrPort{Addr: source, Port: from}, ip.AddrPort{Addr: destination, Port: to}
	return true
}

// walkQuoted walks over the extension headers of a quoted IPv6 packet. Only a
// first fragment has the transport header.
func walkQuoted(next Proto, b []byte) (headers, bool) {
	h, o := walk(next, b, len(b))
	if o == OK && h.next == protoFragment {
		if u16(h.b[2:])>>3 != 0 {
			return headers{}, false
		}
		h, o = walk(Proto(h.b[0]), h.b[8:], h.wire-8)
	}
	return h, o == OK && h.next != protoFragment
}
