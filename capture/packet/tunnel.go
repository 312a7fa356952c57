package packet

// inside decodes the packet that a tunnel carries, as the EtherType t says. Where
// it can't be read, p is the outer packet again, and the outcome OK: one of the
// two is always given out.
func (d *Decoder) inside(p *Packet, e Encap, t uint16, b []byte, wire int) Outcome {
	outer, tagged := *p, d.frame.tagged
	o := d.etherType(p, t, b, wire)
	if o == OK || o == Held {
		d.stats.Encaps[e]++
		return o
	}
	if !d.frame.again {
		d.stats.Opaque[o]++
	}
	*p, d.frame.tagged = outer, tagged
	return OK
}

// tunnel looks into the protocols that carry packets directly over IP. For any
// other protocol, and for a tunnel that can't be read, p stays the outer packet.
func (d *Decoder) tunnel(p *Packet, proto Proto, b []byte, wire int) Outcome {
	switch proto {
	case protoIPv4:
		return d.inside(p, IPInIP, typeIPv4, b, wire)
	case protoIPv6:
		return d.inside(p, IPInIP, typeIPv6, b, wire)
	case protoGRE:
		return d.gre(p, GRE, b, wire)
	case protoMPLS:
		return d.inside(p, MPLS, typeMPLS, b, wire)
	case protoEthernet:
		return d.inside(p, EtherIP, typeBridging, b, wire)
	case protoEtherIP:
		if len(b) >= 2 && b[0]>>4 == 3 {
			return d.inside(p, EtherIP, typeBridging, b[2:], wire-2)
		}
	case protoAH:
		return d.authenticated(p, b, wire)
	case protoESP:
		if !d.frame.again {
			d.stats.Encrypted++
		}
	default:
	}
	return OK
}

// authenticated walks over the authentication header of an IPv4 packet
// (RFC 4302 chapter 2).
func (d *Decoder) authenticated(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 12 || d.deeper() {
		return OK
	}
	size := extensionSize(protoAH, b)
	if size < 12 || size > len(b) {
		return OK
	}
	return d.payload(p, Proto(b[0]), b[size:], wire-size)
}

// The flags of a GRE header that are read here (RFC 2784, RFC 2890, RFC 2637).
const (
	greChecksum = 0x8000
	greRouting  = 0x4000
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080 // version 1 only
	greVersion  = 0x0007
)

// gre looks into a GRE packet of version 0, or of version 1, which carries PPP.
func (d *Decoder) gre(p *Packet, e Encap, b []byte, wire int) Outcome {
	if len(b) < 4 {
		return OK
	}
	flags, t, size := u16(b), u16(b[2:]), 4
	for _, field := range [...]uint16{greChecksum, greKey, greSequence} {
		if flags&field != 0 {
			size += 4
		}
	}
	switch {
	case flags&greVersion == 1 && t == typePPP:
		if flags&greAck != 0 {
			size += 4
		}
	case flags&(greVersion|greRouting) != 0:
		return OK
	}
	if len(b) < size {
		return OK
	}
	b, wire = b[size:], wire-size
	switch t {
	case typeERSPAN:
		return d.erspan(p, flags&greSequence != 0, b, wire)
	case typeERSPAN3:
		return d.erspan3(p, b, wire)
	case typeWCCP:
		// The second version of WCCP has four bytes before the IP header.
		if len(b) > 4 && b[0]>>4 != 4 {
			b, wire = b[4:], wire-4
		}
		t = typeIPv4
	}
	return d.inside(p, e, t, b, wire)
}

// erspan looks into ERSPAN type I, which has no header and no GRE sequence
// number, and type II (draft-foschiano-erspan-03 chapter 4).
func (d *Decoder) erspan(p *Packet, sequence bool, b []byte, wire int) Outcome {
	if !sequence {
		return d.inside(p, ERSPAN, typeBridging, b, wire)
	}
	if len(b) < 8 || b[0]>>4 != 1 {
		return OK
	}
	return d.inside(p, ERSPAN, typeBridging, b[8:], wire-8)
}

// erspan3 looks into ERSPAN type III, which carries frames or IP packets, and
// may have a subheader (draft-foschiano-erspan-03 chapter 4).
func (d *Decoder) erspan3(p *Packet, b []byte, wire int) Outcome {
	const ethernet, ip, subheader = 0, 2, 1
	if len(b) < 12 || b[0]>>4 != 2 {
		return OK
	}
	size, kind := 12, b[10]>>2&0x1f
	if b[11]&subheader != 0 {
		size += 8
	}
	if len(b) <= size {
		return OK
	}
	b, wire = b[size:], wire-size
	switch kind {
	case ethernet:
		return d.inside(p, ERSPAN, typeBridging, b, wire)
	case ip:
		return d.inside(p, ERSPAN, typeOfIP(b), b, wire)
	}
	return OK
}

// typeOfIP returns the EtherType of what must be an IP packet.
func typeOfIP(b []byte) uint16 {
	if len(b) > 0 && b[0]>>4 == 6 {
		return typeIPv6
	}
	return typeIPv4
}
