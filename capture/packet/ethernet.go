package packet

// EtherTypes (IEEE Std 802 numbers, as IANA lists them).
const (
	typeIPv4        = 0x0800
	typeTRILL       = 0x22f3 // RFC 6325
	typeERSPAN3     = 0x22eb
	typeBridging    = 0x6558 // a whole Ethernet frame
	typeVLAN        = 0x8100 // 802.1Q
	typeIPv6        = 0x86dd
	typePPP         = 0x880b
	typeWCCP        = 0x883e
	typeMPLS        = 0x8847
	typeMPLSUp      = 0x8848 // upstream-assigned labels
	typePPPoE       = 0x8864 // session
	typeJumboLLC    = 0x8870
	typeServiceVLAN = 0x88a8 // 802.1ad
	typeERSPAN      = 0x88be
	typeMACsec      = 0x88e5
	typePBB         = 0x88e7 // 802.1ah
	typeFabricPath  = 0x8903
	typeCMD         = 0x8909 // Cisco metadata: security group tags
	typeVNTag       = 0x8926
	typeHSR         = 0x892f
	typeETag        = 0x893f // 802.1BR
	typeNSH         = 0x894f // RFC 8300
	typeOldQinQ     = 0x9100
)

// firstType is the lowest EtherType: what is below is a length (802.3 clause 3.2.6).
const firstType = 0x0600

// isTag reports whether a VLAN tag follows.
func isTag(t uint16) bool { return t == typeVLAN || t == typeServiceVLAN || t == typeOldQinQ }

// ethernet decodes an Ethernet frame.
func (d *Decoder) ethernet(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 14 {
		return short(wire, 14, BadLink)
	}
	if d.deeper() {
		return TooDeep
	}
	return d.etherType(p, u16(b[12:]), b[14:], wire-14)
}

// etherType decodes what an EtherType announces, and walks over VLAN tags.
func (d *Decoder) etherType(p *Packet, t uint16, b []byte, wire int) Outcome {
	for {
		switch {
		case t == typeIPv4:
			return d.ipv4(p, b, wire)
		case t == typeIPv6:
			return d.ipv6(p, b, wire)
		case !isTag(t):
			return d.rareType(p, t, b, wire)
		}
		if len(b) < 4 {
			return short(wire, 4, BadLink)
		}
		if !d.frame.tagged {
			d.frame.tagged = true
			p.VLAN = u16(b) & 0x0fff
		}
		d.stats.Encaps[VLAN]++
		t, b, wire = u16(b[2:]), b[4:], wire-4
	}
}

// rareType decodes what rarely is between Ethernet and IP.
func (d *Decoder) rareType(p *Packet, t uint16, b []byte, wire int) Outcome {
	switch t {
	case typeMPLS, typeMPLSUp:
		return d.mpls(p, b, wire)
	case typePPPoE:
		return d.pppoe(p, b, wire)
	case typePPP:
		return d.ppp(p, b, wire)
	case typeJumboLLC:
		return d.llc(p, b, wire)
	case typeVNTag, typeHSR:
		return d.shim(p, b, wire, 4)
	case typeCMD, typeETag:
		return d.shim(p, b, wire, 6)
	case typeMACsec:
		return d.macsec(p, b, wire)
	case typeNSH:
		return d.nsh(p, b, wire)
	case typeBridging:
		return d.ethernet(p, b, wire)
	case typePBB:
		return d.macInMAC(p, b, wire, 4)
	case typeFabricPath:
		return d.macInMAC(p, b, wire, 2)
	case typeTRILL:
		return d.trill(p, b, wire)
	}
	if t < firstType {
		b, wire = clip(b, wire, int(t))
		return d.llc(p, b, wire)
	}
	return NotIP
}

// llc decodes an 802.2 header and SNAP (RFC 1042): IP under its EtherType, or
// under the SAP that RFC 1042 reserves for it.
func (d *Decoder) llc(p *Packet, b []byte, wire int) Outcome {
	const sapIP, sapSNAP, unnumbered = 0x06, 0xaa, 0x03
	if len(b) < 3 {
		return NotIP // with so little in it, it never was IP
	}
	switch {
	case b[0] == sapIP && b[1] == sapIP && b[2] == unnumbered:
		d.stats.Encaps[LLC]++
		return d.ipv4(p, b[3:], wire-3)
	case b[0] != sapSNAP || b[1] != sapSNAP || b[2] != unnumbered:
		return NotIP
	case len(b) < 8:
		return short(wire, 8, BadLink)
	}
	oui, t := u32(b[2:])&0xffffff, u16(b[6:])
	if oui != 0 && oui != 0x0000f8 || t < firstType {
		return NotIP
	}
	if d.deeper() {
		return TooDeep
	}
	d.stats.Encaps[LLC]++
	return d.etherType(p, t, b[8:], wire-8)
}

// shim walks over a tag of size bytes that an EtherType follows.
func (d *Decoder) shim(p *Packet, b []byte, wire, size int) Outcome {
	if d.deeper() {
		return TooDeep
	}
	if len(b) < size+2 {
		return short(wire, size+2, BadLink)
	}
	d.stats.Encaps[Shim]++
	return d.etherType(p, u16(b[size:]), b[size+2:], wire-size-2)
}

// macsec walks over the tag of a MACsec frame that is signed and not encrypted
// (802.1AE clause 9).
func (d *Decoder) macsec(p *Packet, b []byte, wire int) Outcome {
	const channel, encrypted, changed = 0x20, 0x08, 0x04
	if len(b) < 1 {
		return short(wire, 1, BadLink)
	}
	if b[0]&(encrypted|changed) != 0 {
		return Encrypted
	}
	if b[0]&channel != 0 {
		return d.shim(p, b, wire, 14)
	}
	return d.shim(p, b, wire, 6)
}

// nsh walks over a network service header (RFC 8300 chapter 2.2).
func (d *Decoder) nsh(p *Packet, b []byte, wire int) Outcome {
	if d.deeper() {
		return TooDeep
	}
	if len(b) < 8 {
		return short(wire, 8, BadLink)
	}
	size := int(u16(b)&0x3f) * 4
	if size < 8 {
		return BadLink
	}
	if len(b) < size {
		return short(wire, size, BadLink)
	}
	t := nextProtocol(b[3])
	if t == 0 {
		return NotIP
	}
	d.stats.Encaps[Shim]++
	return d.etherType(p, t, b[size:], wire-size)
}

// nextProtocol turns the next protocol of NSH and VXLAN-GPE into an EtherType,
// or 0.
func nextProtocol(n byte) uint16 {
	switch n {
	case 1:
		return typeIPv4
	case 2:
		return typeIPv6
	case 3:
		return typeBridging
	case 4:
		return typeNSH
	case 5:
		return typeMPLS
	}
	return 0
}

// macInMAC decodes the frame that follows a header of size bytes.
func (d *Decoder) macInMAC(p *Packet, b []byte, wire, size int) Outcome {
	if len(b) < size {
		return short(wire, size, BadLink)
	}
	d.stats.Encaps[MACInMAC]++
	return d.ethernet(p, b[size:], wire-size)
}

// trill walks over a TRILL header and its options (RFC 6325 chapter 3).
func (d *Decoder) trill(p *Packet, b []byte, wire int) Outcome {
	if len(b) < 6 {
		return short(wire, 6, BadLink)
	}
	options := int(u16(b)>>6&0x1f) * 4
	return d.macInMAC(p, b, wire, 6+options)
}

// mpls walks over a label stack (RFC 3032). Nothing says what follows: the
// first nibble tells IP from a pseudowire's control word (RFC 4385, RFC 4928),
// but an Ethernet pseudowire may have none, and then the nibble is one of a MAC
// address.
func (d *Decoder) mpls(p *Packet, b []byte, wire int) Outcome {
	for bottom := false; !bottom; b, wire = b[4:], wire-4 {
		if len(b) < 4 {
			return short(wire, 4, BadLink)
		}
		bottom = b[2]&1 != 0
	}
	d.stats.Encaps[MPLS]++
	if len(b) < 4 {
		return short(wire, 4, BadLink)
	}
	nibble := b[0] >> 4
	if nibble == 4 && goodChecksum(b) {
		return d.ipv4(p, b, wire)
	}
	cut := false
	if nibble == 0 {
		o, ok := d.attempt(p, b[4:], wire-4)
		if ok {
			return o
		}
		cut = o == Truncated
	}
	o, ok := d.attempt(p, b, wire)
	switch {
	case ok:
		return o
	case nibble == 4 && fits4(b, wire):
		return d.ipv4(p, b, wire)
	case nibble == 6 && fits6(b, wire):
		return d.ipv6(p, b, wire)
	case cut || o == Truncated:
		return Truncated
	}
	return NotIP
}

// fits4 reports whether the lengths in what may be an IPv4 header agree with the
// bytes that follow. If a MAC address was taken for the header, they do not.
func fits4(b []byte, wire int) bool {
	header, total := int(b[0]&0x0f)*4, int(u16(b[2:]))
	return header >= 20 && (total == 0 || header <= total && total <= wire)
}

// fits6 reports the same of IPv6. A packet that was cut before it got its labels
// does not fit; then a usual next header has to do as a proof.
func fits6(b []byte, wire int) bool {
	return len(b) < 7 || int(u16(b[4:]))+40 <= wire || common(Proto(b[6]))
}

// attempt reads what may be an Ethernet frame, and reports whether there is an
// IP packet in it that fits.
func (d *Decoder) attempt(p *Packet, b []byte, wire int) (Outcome, bool) {
	before, vlan := d.frame, p.VLAN
	d.frame.strict = true
	o := d.ethernet(p, b, wire)
	d.frame.strict = before.strict
	if o == OK || o == Held {
		return o, true
	}
	d.frame.tagged, p.VLAN = before.tagged, vlan
	return o, false
}

// goodChecksum reports whether an IPv4 header is captured whole and has the
// right checksum (RFC 1071).
func goodChecksum(b []byte) bool {
	size := int(b[0]&0x0f) * 4
	if size < 20 || len(b) < size {
		return false
	}
	var sum uint32
	for ; size > 0; b, size = b[2:], size-2 {
		sum += uint32(u16(b))
	}
	return sum%0xffff == 0
}
