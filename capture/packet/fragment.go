package packet

import "wormscope/internal/ip"

// maxNested is how many reassembled datagrams may be inside each other.
const maxNested = 3

// fragmentKey says which datagram a fragment is part of (RFC 791 chapter 2.3,
// RFC 8200 chapter 4.5), and on which VLAN: one datagram seen on two is there
// twice, as an unfragmented one would be.
type fragmentKey struct {
	source, destination [16]byte
	id                  uint32
	vlan                uint16
	next                Proto // what the datagram carries; for IPv6 only the first fragment knows
	v6                  bool
}

// fragmentOf4 is the key of an IPv4 fragment, from its header.
func fragmentOf4(b []byte, vlan uint16) fragmentKey {
	k := fragmentKey{id: uint32(u16(b[4:])), vlan: vlan, next: Proto(b[9])}
	copy(k.source[:], b[12:16])
	copy(k.destination[:], b[16:20])
	return k
}

// fragmentOf6 is the key of an IPv6 fragment, from its header. What the
// fragment header says is still missing.
func fragmentOf6(b []byte, vlan uint16) fragmentKey {
	return fragmentKey{source: [16]byte(b[8:24]), destination: [16]byte(b[24:40]), vlan: vlan, v6: true}
}

// flow is what tells whether two packets are of the same conversation.
type flow struct {
	from, to ip.AddrPort
	proto    Proto
}

func flowOf(p *Packet) flow { return flow{p.Src, p.Dst, p.Proto} }

// fragment decodes one fragment: part is its place in the datagram, in units
// of eight bytes. The addresses of p are set.
func (d *Decoder) fragment(p *Packet, key fragmentKey, part uint16, more bool, b []byte, wire int) Outcome {
	if d.deeper() {
		return TooDeep
	}
	next := key.next
	if key.v6 {
		key.next = 0
	}
	d.fragments.stats.Seen++
	var g *datagram
	if len(b) < wire {
		d.fragments.stats.Truncated++
	} else {
		var state fragmentState
		g, state = d.fragments.add(p.Time, key, piece{offset: int(part) * 8, more: more, next: next, data: b})
		switch state {
		case impossible:
			return BadFragment
		case complete:
			return d.reassembled(p, g)
		case waiting:
		}
	}
	switch {
	case part == 0:
		return d.first(p, g, next, key.v6, b, wire)
	case g == nil:
		return CutFragment
	}
	return Held
}

// first decodes the first fragment of a datagram by itself. Where that does
// not work, the datagram may still become whole.
func (d *Decoder) first(p *Packet, g *datagram, next Proto, v6 bool, b []byte, wire int) Outcome {
	partial, again := d.frame.partial, d.frame.again
	d.frame.partial, d.frame.again = true, again || g != nil
	o := d.afterIP(p, next, v6, b, wire)
	d.frame.partial, d.frame.again = partial, again
	if o != OK {
		if g == nil {
			return o
		}
		return Held
	}
	p.Fragment = true
	if len(b) == wire { // an inner packet's length is that of the whole datagram: here is only a part
		p.PayloadLen, p.Truncated = len(p.Payload), false
	}
	if g != nil {
		g.given = flowOf(p)
	}
	return OK
}

// reassembled decodes a datagram that is whole, and forgets it.
func (d *Decoder) reassembled(p *Packet, g *datagram) Outcome {
	given, next, v6 := g.given, g.next, g.key.v6
	level := d.frame.nested
	if int(level) < maxNested {
		d.whole[level] = g.appendTo(d.whole[level][:0])
	}
	d.fragments.release(g)
	if int(level) == maxNested {
		return TooDeep
	}
	d.frame.nested++
	partial, again := d.frame.partial, d.frame.again
	d.frame.partial, d.frame.again = false, false
	o := d.afterIP(p, next, v6, d.whole[level], len(d.whole[level]))
	d.frame.partial, d.frame.again = partial, again
	p.Reassembled = o == OK && given == flowOf(p)
	return o
}

// afterIP decodes what a fragment header announces.
func (d *Decoder) afterIP(p *Packet, next Proto, v6 bool, b []byte, wire int) Outcome {
	if !v6 {
		return d.payload(p, next, b, wire)
	}
	h, o := walk(next, b, wire)
	if o != OK {
		return o
	}
	if h.next == protoFragment {
		return BadFragment // a fragment of a fragment of the same packet (RFC 8200 chapter 4.5)
	}
	return d.payload(p, h.next, h.b, h.wire)
}
