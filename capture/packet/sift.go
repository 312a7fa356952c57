package packet

import (
	"encoding/binary"
	"math"
	"math/bits"

	"wormscope/capture"
)

// Sifted is what a Sieve found of some frames that follow each other, each
// known by its place among them.
type Sifted struct {
	found  [MaxSifted]sifted
	wanted uint64 // a bit for each that is wanted
}

// MaxSifted is how many frames can be sifted at once.
const MaxSifted = 64

// sifted is what was found of one frame: in the lowest bits how many VLAN tags
// it has, up to three; whether one of its addresses is near; whether it is
// wanted for another reason, or must be decoded to say.
type sifted = uint8

const (
	siftedTags   sifted = 3
	siftedNear          = 2 // the bit's place
	siftedWanted sifted = 1 << 3
)

// Sift tells which of frames somebody wants, or Decode has to see to for
// another reason, from the one at from on. Those whose times are before since,
// or not before until, are among them.
//
// It is the only thing that nearly all frames go through. The loop does not wait
// for what is marked of an address: while that is on its way to the processor,
// the frames behind have their turn.
func (r *Sifted) Sift(s *Sieve, frames []capture.Frame, from int, since, until int64) {
	s.since, s.span = since, uint64(until-since) //nolint:gosec // G115: never negative
	for i := from; i < len(frames) && i < len(r.found); i++ {
		r.found[i] = s.glance(&frames[i])
	}
	r.wanted = 0
	const ones, gather = 0x0101010101010101, 0x0102040810204080
	for i := 0; i < len(r.found); i += 8 { // eight at a time
		eight := binary.LittleEndian.Uint64(r.found[i:])
		eight = (eight>>siftedNear | eight>>(siftedNear+1)) & ones
		r.wanted |= eight * gather >> 56 << i // the product has the eight bits on top
	}
}

// glance looks at one frame.
func (s *Sieve) glance(f *capture.Frame) (found sifted) {
	const ends4 = 14 + 20 // the header of IPv4

	if f.Link != capture.LinkEthernet || uint64(f.Time-s.since) >= s.span { //nolint:gosec // G115: what is before is far too great
		return siftedWanted
	}
	be, b := binary.BigEndian, f.Data
	for len(b) >= ends4+20 {
		switch t := be.Uint16(b[12:]); {
		case t == typeIPv4:
			h := (*[20]byte)(b[14:])
			near := s.near.Bit(be.Uint32(h[12:])) | s.near.Bit(be.Uint32(h[16:]))
			odd := uint64(h[0]^0x45) | uint64(be.Uint32(h[4:])&0x3fff) // options, and fragments
			return found | s.carried(Proto(h[9]), (*[20]byte)(b[ends4:]), int(be.Uint16(h[2:]))-20, len(b)-ends4, near, odd)
		case t == typeIPv6:
			return found | s.glance6(b)
		case !isTag(t) || found == siftedTags:
			return siftedWanted
		}
		found++
		b = b[4:] // which puts the tag's type where the frame's was
	}
	return siftedWanted
}

// glance6 looks at a frame of IPv6, without its tags.
func (s *Sieve) glance6(b []byte) sifted {
	const ends6 = 14 + 40
	if len(b) < ends6+20 {
		return siftedWanted
	}
	be, h := binary.BigEndian, (*[40]byte)(b[14:])
	src, dst := be.Uint64(h[8:]), be.Uint64(h[24:])
	if h[0]>>4 != 6 || src == 0 || dst == 0 { // some of these are IPv4
		return siftedWanted
	}
	near := s.near.Bit6(src) | s.near.Bit6(dst)
	return s.carried(Proto(h[6]), (*[20]byte)(b[ends6:]), int(be.Uint16(h[4:])), len(b)-ends6, near, 0)
}

// carried looks at what IP carries: wire bytes long, of which some are
// captured. The frame is wanted if odd is not 0.
func (s *Sieve) carried(proto Proto, h *[20]byte, wire, captured int, near, odd uint64) sifted {
	be := binary.BigEndian
	who := s.kinds[proto][h[13]%flagSets] & (s.from[be.Uint16(h[:])%portSlots] | s.to[be.Uint16(h[2:])%portSlots])
	switch {
	case proto == ProtoTCP:
		header := int(h[12]) >> 4 * 4
		odd |= uint64(who) | uint64((header-20)|(min(wire, captured)-header))>>63 //nolint:gosec // G115: 1 where one is negative
	case isICMP(proto) && !isError(proto, h[0]) && wire >= 4:
		odd |= uint64(s.talk)
	default:
		length := int(be.Uint16(h[4:]))
		odd |= uint64(who) | uint64(proto^ProtoUDP) | uint64((length-8)|(wire-length))>>63 //nolint:gosec // G115: the same
	}
	return sifted(near<<siftedNear) | sifted((odd|-odd)>>63)*siftedWanted //nolint:gosec // G115: 0 or 1 each
}

// WantAll has all frames be wanted.
func (r *Sifted) WantAll() { r.wanted = ^uint64(0) }

// Want has the frame at a place be wanted.
func (r *Sifted) Want(at int) { r.wanted |= 1 << at }

// Next returns the place of the first frame that is wanted, from one place on
// and before another; that one, where none is.
func (r *Sifted) Next(from, end int) int {
	return min(from+bits.TrailingZeros64(r.wanted>>from), end)
}

// Pass counts as decoded the frames from one place to before another, none of
// which is wanted. It returns the time of the newest of them.
func (d *Decoder) Pass(r *Sifted, frames []capture.Frame, from, to int) (newest int64) {
	tags := uint64(0)
	newest = math.MinInt64
	for i := from; i < to; i++ {
		tags += uint64(r.found[i])
		newest = max(newest, frames[i].Time)
	}
	d.stats.Outcomes[OK] += uint64(to - from) //nolint:gosec // G115: never negative
	d.stats.Encaps[VLAN] += tags
	return newest
}
