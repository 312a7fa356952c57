package packet

import "encoding/binary"

// transport decodes what IP carries. The addresses and ports of p are set.
func (d *Decoder) transport(p *Packet, proto Proto, b []byte, wire int) Outcome {
	if proto == ProtoTCP {
		return tcp(p, b, wire)
	}
	p.Proto = proto
	if proto == ProtoUDP {
		return d.udp(p, b, wire)
	}
	p.Flags, p.Seq, p.Ack = 0, 0, 0
	switch proto {
	case ProtoICMP, ProtoICMPv6:
		return icmp(p, b, wire)
	case ProtoSCTP:
		if len(b) < 12 {
			return short(wire, 12, BadSCTP)
		}
		setPayload(p, b, wire, 12)
		return OK
	default:
		setPayload(p, b, wire, 0)
		return d.tunnel(p, proto, b, wire)
	}
}

// setPayload sets the payload of p to what follows a header of the given size.
func setPayload(p *Packet, b []byte, wire, header int) {
	if header > len(b) {
		header, wire = len(b), wire-header+len(b)
	}
	p.Payload, p.PayloadLen = b[header:len(b):len(b)], wire-header
	p.Truncated = wire > len(b)
}

// tcp decodes a TCP segment (RFC 9293 chapter 3.1). Fourteen bytes of the
// header are enough, where the capture has no more.
func tcp(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 14 {
		return short(wire, 20, BadTCP)
	}
	header := p.readTCP((*[14]byte)(b))
	if header < 20 || header > wire {
		return BadTCP
	}
	p.Proto = ProtoTCP
	setPayload(p, b, wire, header)
	return OK
}

// readTCP reads what is kept of a TCP header, and returns its length.
func (p *Packet) readTCP(h *[14]byte) (length int) {
	be := binary.BigEndian
	p.Flags, p.Seq, p.Ack = Flags(h[13]), be.Uint32(h[4:]), be.Uint32(h[8:])
	return int(h[12]) >> 4 * 4
}

// udp decodes a UDP datagram (RFC 768), and looks into it where its port is
// one of a tunnel.
func (d *Decoder) udp(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 8 {
		return short(wire, 8, BadUDP)
	}
	length := int(u16(b[4:]))
	switch {
	case length == 0: // a large segment or a jumbogram (RFC 2675 chapter 4)
	case length < 8:
		return BadUDP
	case length <= wire:
		b, wire = b[:min(length, len(b))], length
	case d.mustFit():
		return BadUDP
	}
	p.Flags, p.Seq, p.Ack = 0, 0, 0
	setPayload(p, b, wire, 8)
	return d.udpTunnel(p, b[8:], wire-8)
}
