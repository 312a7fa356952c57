package packet

import (
	"encoding/binary"

	"wormscope/capture"
)

// MaxSifted is how many frames can be sifted at once.
const MaxSifted = 128

// Sifted is what a Sieve found of some frames that follow each other: which are
// wanted, or must be decoded to say.
type Sifted struct {
	places [MaxSifted + 1]int32  // of those that are wanted
	who    [MaxSifted + 1]Takers // who wants them, with ask where Sieve.Who must say
	wanted int                   // how many there are
	passed int                   // how many others
	since  int64
	sum    sum
}

// sum is what frames come to that nobody wants.
type sum struct {
	bytes, tags uint64
	newest, old uint64 // nanoseconds since Sifted.since; those of the oldest inverted, so that 0 is the least
}

// ask is among those who want a frame if there may be others.
const ask = tunnels

// Passed is what frames come to that nobody wants.
type Passed struct {
	Frames         int
	Bytes          int   // that they had on the wire
	Oldest, Newest int64 // packet times, Unix nanoseconds; valid where there are frames
	tags           uint64
}

// Sift tells which of frames somebody wants, or Decode has to see to for
// another reason, from the one at from on. Those whose times are before since,
// or not before until, are among them.
//
// It is the only thing that nearly all frames go through, so that what is usual
// takes no call, and the outcome is no jump that a processor could not foresee.
// Nor do the frames behind wait for what is marked of an address, while that is
// on its way.
func (r *Sifted) Sift(s *Sieve, frames []capture.Frame, from int, since, until int64) { //nolint:gocognit // see above
	const ends4, ends6 = 14 + 20, 14 + 40             // of the headers of IP
	be, span := binary.BigEndian, uint64(until-since) //nolint:gosec // G115: never negative
	n := 0                                            // that are wanted
	frames = frames[:min(len(frames), MaxSifted)]
	r.sum = sum{}
frames:
	for i := from; i < len(frames); i++ {
		f := &frames[i]
		var (
			h         *[20]byte // the transport header
			proto     Proto
			wire      int // of what IP carries
			captured  int // "
			near, odd uint64
			tags      uint64
		)
		b, in := f.Data, uint64(f.Time-since) //nolint:gosec // G115: what is before is far too great
		r.places[n], r.who[n] = int32(i), ask //nolint:gosec // G115: below MaxSifted
		if f.Link != capture.LinkEthernet || in >= span {
			n++
			continue
		}
	network:
		for {
			if len(b) < ends4+20 {
				n++
				continue frames
			}
			v4 := (*[40]byte)(b[14:])
			switch t := be.Uint16(b[12:]); {
			case t == typeIPv4:
				near = s.near.Bit(be.Uint32(v4[12:])) | s.near.Bit(be.Uint32(v4[16:]))
				odd = uint64(v4[0]^0x45) | uint64(be.Uint32(v4[4:])&0x3fff) // options, and fragments
				h, proto, wire, captured = (*[20]byte)(v4[20:]), Proto(v4[9]), int(be.Uint16(v4[2:]))-20, len(b)-ends4
				break network
			case t == typeIPv6 && len(b) >= ends6+20:
				v6 := (*[60]byte)(b[14:])
				src, dst := be.Uint64(v6[8:]), be.Uint64(v6[24:])
				near = s.near.Bit6(src) | s.near.Bit6(dst)
				odd = uint64(v6[0]>>4 ^ 6)
				if src == 0 || dst == 0 { // some of these are IPv4
					odd = 1
				}
				h, proto, wire, captured = (*[20]byte)(v6[40:]), Proto(v6[6]), int(be.Uint16(v6[4:])), len(b)-ends6
				break network
			case !isTag(t) || tags == 3:
				n++
				continue frames
			}
			tags++
			b = b[4:] // which puts the tag's type where the frame's was
		}
		who := s.kinds[proto][h[13]%flagSets] & (s.from[be.Uint16(h[:])%portSlots] | s.to[be.Uint16(h[2:])%portSlots])
		switch {
		case proto == ProtoTCP:
			header := int(h[12]) >> 4 * 4
			odd |= uint64((header-20)|(wire-header)|(captured-header)) >> 63 //nolint:gosec // G115: 1 where one is negative
		case isICMP(proto) && !isError(proto, h[0]) && wire >= 4:
			who = s.talk
		default:
			size := int(be.Uint16(h[4:]))
			odd |= uint64(proto^ProtoUDP) | uint64((size-8)|(wire-size))>>63 //nolint:gosec // G115: the same
		}
		who |= s.close & -Takers(near) //nolint:gosec // G115: 0 or 1
		who |= ask & -Takers((odd|-odd)>>63)
		r.who[n] = who
		wanted := (uint64(who) + 0xff) >> 8 // 1 if anybody does
		n += int(wanted)
		out := wanted - 1                  // all bits where nobody wants it, none where somebody does
		r.sum.bytes += uint64(f.Len) & out //nolint:gosec // G115: never negative
		r.sum.tags += tags & out
		r.sum.newest = max(r.sum.newest, in&out)
		r.sum.old = max(r.sum.old, ^in&out)
	}
	r.wanted, r.passed, r.since = n, len(frames)-from-n, since
}

// Wanted returns how many frames are wanted.
func (r *Sifted) Wanted() int { return r.wanted }

// Place returns the place of the ith frame that is wanted.
func (r *Sifted) Place(i int) int { return int(r.places[i]) }

// Who returns who wants the ith frame that is wanted, of which p was decoded. It
// may name some who do not.
func (r *Sifted) Who(i int, s *Sieve, p *Packet) Takers {
	if who := r.who[i]; who&ask == 0 {
		return who
	}
	return s.Who(p)
}

// Passed returns what the frames come to that nobody wants.
func (r *Sifted) Passed() Passed {
	s := &r.sum
	return Passed{
		Frames: r.passed, Bytes: int(s.bytes), tags: s.tags, //nolint:gosec // G115: never negative
		Oldest: r.since + int64(^s.old), Newest: r.since + int64(s.newest), //nolint:gosec // G115: within the span
	}
}

// Pass counts frames as decoded that nobody wants.
func (d *Decoder) Pass(p *Passed) {
	d.stats.Outcomes[OK] += uint64(p.Frames) //nolint:gosec // G115: never negative
	d.stats.Encaps[VLAN] += p.tags
}
