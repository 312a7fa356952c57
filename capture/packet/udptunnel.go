package packet

// Ports of tunnels over UDP (IANA service-names registry).
const (
	portL2TP       = 1701
	portGTPU       = 2152
	portTeredo     = 3544
	portGRE        = 4754
	portVXLAN      = 4789
	portVXLANGPE   = 4790
	portGeneve     = 6081
	portMPLS       = 6635
	portTZSP       = 37008
	portLinuxVXLAN = 8472 // Linux's before there was an assignment, still Flannel's and Cilium's
)

// TunnelPorts returns the destination ports of the UDP datagrams that the decoder
// looks into. Datagrams from Teredo's port are looked into as well.
func TunnelPorts() []uint16 {
	return []uint16{
		portL2TP, portGTPU, portTeredo, portGRE, portVXLAN, portVXLANGPE, portGeneve, portMPLS, portLinuxVXLAN, portTZSP,
	}
}

// tunnelAt returns the method that looks into datagrams with these ports, or nil.
// Only Teredo's port counts as a source port, too, since its servers answer.
func tunnelAt(from, to uint16) func(*Decoder, *Packet, []byte, int) Outcome {
	switch to {
	case portVXLAN, portLinuxVXLAN:
		return (*Decoder).vxlan
	case portVXLANGPE:
		return (*Decoder).vxlanGPE
	case portGeneve:
		return (*Decoder).geneve
	case portGTPU:
		return (*Decoder).gtpu
	case portTeredo:
		return (*Decoder).teredo
	case portL2TP:
		return (*Decoder).l2tp
	case portMPLS:
		return (*Decoder).mplsOverUDP
	case portGRE:
		return (*Decoder).greOverUDP
	case portTZSP:
		return (*Decoder).tzsp
	}
	if from == portTeredo {
		return (*Decoder).teredo
	}
	return nil
}

// udpTunnel looks into a datagram sent to a tunnel's port. A port proves nothing:
// where the lengths inside do not fit together, the datagram itself is given out.
func (d *Decoder) udpTunnel(p *Packet, b []byte, wire int) Outcome {
	into := tunnelAt(p.Src.Port, p.Dst.Port)
	if into == nil {
		return OK
	}
	strict := d.frame.strict
	d.frame.strict = true
	o := into(d, p, b, wire)
	d.frame.strict = strict
	return o
}

// vxlan looks into VXLAN (RFC 7348 chapter 5).
func (d *Decoder) vxlan(p *Packet, b []byte, wire int) Outcome {
	const identified = 0x08
	if len(b) < 8 || b[0]&identified == 0 {
		return OK
	}
	return d.inside(p, VXLAN, typeBridging, b[8:], wire-8)
}

// vxlanGPE looks into VXLAN with a next protocol (draft-ietf-nvo3-vxlan-gpe-13
// chapter 3).
func (d *Decoder) vxlanGPE(p *Packet, b []byte, wire int) Outcome {
	const version, identified, hasNext, management = 0x30, 0x08, 0x04, 0x01
	if len(b) < 8 || b[0]&identified == 0 || b[0]&(version|management) != 0 {
		return OK
	}
	t := uint16(typeBridging)
	if b[0]&hasNext != 0 {
		if t = nextProtocol(b[3]); t == 0 {
			return OK
		}
	}
	return d.inside(p, VXLAN, t, b[8:], wire-8)
}

// geneve looks into Geneve (RFC 8926 chapter 3.4).
func (d *Decoder) geneve(p *Packet, b []byte, wire int) Outcome {
	const version, control = 0xc0, 0x80
	if len(b) < 8 || b[0]&version != 0 || b[1]&control != 0 {
		return OK
	}
	size := 8 + int(b[0]&0x3f)*4
	if len(b) < size {
		return OK
	}
	return d.inside(p, Geneve, u16(b[2:]), b[size:], wire-size)
}

// gtpu looks into the user data of GTP version 1 (3GPP TS 29.281 chapter 5).
func (d *Decoder) gtpu(p *Packet, b []byte, wire int) Outcome {
	const versionAndType, options, extended, userData = 0x30, 0x07, 0x04, 255
	if len(b) < 8 || b[0]&0xf0 != versionAndType || b[1] != userData {
		return OK
	}
	if length := int(u16(b[2:])); length > wire-8 && d.mustFit() {
		return OK
	}
	size := 8
	if b[0]&options != 0 {
		size = 12
	}
	if len(b) < size {
		return OK
	}
	for next := b[0]&extended != 0 && b[11] != 0; next; next = b[size-1] != 0 {
		if len(b) <= size || b[size] == 0 || len(b) < size+int(b[size])*4 {
			return OK
		}
		size += int(b[size]) * 4
	}
	return d.inside(p, GTPU, typeOfIP(b[size:]), b[size:], wire-size)
}

// l2tp looks into a data message of L2TP version 2, which carries PPP
// (RFC 2661 chapter 3.1).
func (d *Decoder) l2tp(p *Packet, b []byte, wire int) Outcome {
	const control, hasLength, hasSequence, hasOffset, version = 0x8000, 0x4000, 0x0800, 0x0200, 0x000f
	if len(b) < 6 {
		return OK
	}
	flags, size := u16(b), 6
	if flags&control != 0 || flags&version != 2 {
		return OK
	}
	if flags&hasLength != 0 {
		size += 2
	}
	if flags&hasSequence != 0 {
		size += 4
	}
	if flags&hasOffset != 0 {
		if len(b) < size+2 {
			return OK
		}
		size += 2 + int(u16(b[size:]))
	}
	if len(b) < size {
		return OK
	}
	return d.inside(p, L2TP, typePPP, b[size:], wire-size)
}

// teredo looks into Teredo, with or without its authentication and origin
// indications (RFC 4380 chapter 5.1.1). One end has a Teredo address, or is
// soliciting a router to get one.
func (d *Decoder) teredo(p *Packet, b []byte, wire int) Outcome {
	const authentication, origin, prefix = 1, 0, 0x20010000
	if len(b) >= 4 && u16(b) == authentication {
		size := 13 + int(b[2]) + int(b[3])
		if len(b) < size {
			return OK
		}
		b, wire = b[size:], wire-size
	}
	if len(b) >= 8 && u16(b) == origin {
		b, wire = b[8:], wire-8
	}
	if len(b) < 40 || b[0]>>4 != 6 {
		return OK
	}
	if linkLocal := u16(b[8:])&0xffc0 == 0xfe80; !linkLocal && u32(b[8:]) != prefix && u32(b[24:]) != prefix {
		return OK
	}
	return d.inside(p, Teredo, typeIPv6, b, wire)
}

// mplsOverUDP looks into MPLS in UDP (RFC 7510 chapter 3).
func (d *Decoder) mplsOverUDP(p *Packet, b []byte, wire int) Outcome {
	return d.inside(p, MPLSoverUDP, typeMPLS, b, wire)
}

// greOverUDP looks into GRE in UDP (RFC 8086 chapter 3).
func (d *Decoder) greOverUDP(p *Packet, b []byte, wire int) Outcome {
	return d.gre(p, GREoverUDP, b, wire)
}

// tzsp looks into the TaZmen Sniffer Protocol, in which MikroTik routers and
// wireless sensors send what they mirror (as Wireshark's packet-tzsp.c has it): a
// header, tagged fields, and a frame.
func (d *Decoder) tzsp(p *Packet, b []byte, wire int) Outcome {
	const version, lastType, ethernet, padding, end = 1, 1, 1, 0, 1
	if len(b) < 5 || b[0] != version || b[1] > lastType || u16(b[2:]) != ethernet {
		return OK
	}
	for at := 4; at < len(b); {
		switch {
		case b[at] == end:
			return d.inside(p, TZSP, typeBridging, b[at+1:], wire-at-1)
		case b[at] == padding:
			at++
		case at+1 < len(b):
			at += 2 + int(b[at+1])
		default:
			return OK
		}
	}
	return OK
}
