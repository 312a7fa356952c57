package packet

import (
	"encoding/binary"

	"wormscope/capture"
)

// Sifted is the outcome of sifting frames of a run: which are wanted, or have to
// be decoded to know whether they are.
type Sifted struct {
	found  [capture.MaxRun + 1]found // the wanted frames; one more, since Sift writes before it knows
	wanted int                       // how many of found are valid
	passed Passed
}

// found is what sifting found out about a frame. From the lowest bit on:
//   - 8 bits: who wants it, a Takers,
//   - 14 bits, not all 0 if it is odd: only decoding it tells who wants it,
//   - 2 bits: how many VLAN tags it has,
//   - 8 bits: its place in the run, and
//   - 32 bits: where in the run's memory its header begins that says what IP it is, if
//     it is not odd: that of Ethernet, or as if tags were its beginning.
type found uint64

const (
	foundOdd   = 8 // the lowest bit of each field
	foundTags  = 22
	foundPlace = 24
	foundAt    = 32
	// foundAny is the mask of who and odd: 0 if nobody wants the frame.
	foundAny = 1<<foundTags - 1
	// foundOdds is the mask of odd alone.
	foundOdds = foundAny &^ (1<<foundOdd - 1)
	// foundTag is a count of one tag.
	foundTag = 1 << foundTags
)

// Passed counts frames that nobody wants.
type Passed struct {
	Frames int
	tags   int // of VLANs
}

// Sift finds the frames of a run that somebody wants, or that are odd and have to
// be decoded to know, among those with index from up to to, to excluded.
//
// Nearly all frames go through nothing else, so that it is written for speed: the
// usual path has no function call, and no branch that depends on whether a frame
// is wanted, which a processor could not predict. Looking up whether an address is
// marked may miss the cache; since nothing branches on the outcome, the work on
// the next frames goes on meanwhile.
func (r *Sifted) Sift(s *Sieve, run *capture.Run, from, to int) { //nolint:gocognit,funlen // see above
	const (
		odd          = 1 << foundOdd
		ends4, ends6 = 14 + 20, 14 + 40 // of the headers of IP
		heads4       = ends4 + 20       // of all headers
		heads6       = ends6 + 20
	)
	if run.Link != capture.LinkEthernet {
		r.TakeAll(from, to)
		return
	}
	be, block, near, n := binary.BigEndian, run.Block, &s.near, 0
	r.passed.tags = 0 // counts those of all frames; in the end those of the wanted are subtracted
	heads := run.Heads[:to]
frames:
	for i := from; i < len(heads); i++ {
		var (
			h        *[20]byte // the transport header
			proto    Proto
			wire     int // of what IP carries
			captured int // "
			marked   uint32
			what     = found(i) << foundPlace //nolint:gosec // G115: below MaxRun
		)
		at, size := int(heads[i].At), int(heads[i].Captured)
	network:
		for {
			if size < heads4 {
				r.found[n] = what | odd
				n++
				continue frames
			}
			v4 := (*[heads4]byte)(block[at : at+heads4 : at+heads4])
			switch t := be.Uint16(v4[12:]); {
			case t == typeIPv4:
				marked = near.Bit(be.Uint32(v4[14+12:])) | near.Bit(be.Uint32(v4[14+16:]))
				what |= found(uint32(v4[14]^0x45)|be.Uint32(v4[14+4:])&0x3fff) << foundOdd // options, and fragments
				h, proto, wire, captured = (*[20]byte)(v4[ends4:]), Proto(v4[14+9]), int(be.Uint16(v4[14+2:]))-20, size-ends4
				break network
			case t == typeIPv6 && size >= heads6:
				v6 := (*[heads6]byte)(block[at : at+heads6 : at+heads6])
				src, dst := be.Uint64(v6[14+8:]), be.Uint64(v6[14+24:])
				marked = near.Bit6(src) | near.Bit6(dst)
				what |= found(v6[14]>>4^6) << foundOdd
				if src == 0 || dst == 0 { // some of these are IPv4
					what |= odd
				}
				h, proto, wire, captured = (*[20]byte)(v6[ends6:]), Proto(v6[14+6]), int(be.Uint16(v6[14+4:])), size-ends6
				break network
			case !isTag(t) || what&(3*foundTag) == 3*foundTag:
				r.found[n] = what | odd
				n++
				continue frames
			}
			what += foundTag
			r.passed.tags++
			at, size = at+4, size-4 // which puts the tag's type where the frame's was
		}
		ports := be.Uint32(h[:])
		who := s.from[ports>>16%portSlots] | s.to[ports%portSlots]
		switch {
		case proto == ProtoTCP:
			who &= s.kinds[ProtoTCP][h[13]%flagSets]
			header := int(h[12]) >> 4 * 4
			what |= found(uint64((header-20)|(wire-header)|(captured-header))>>63) << foundOdd //nolint:gosec // G115: 1 where one is negative
		case isICMP(proto) && !isError(proto, h[0]) && wire >= 4:
			who = s.talk
		default:
			who &= s.kinds[proto][h[13]%flagSets]
			size := int(be.Uint16(h[4:]))
			what |= (found(proto^ProtoUDP) | found(uint64((size-8)|(wire-size))>>63)) << foundOdd //nolint:gosec // G115: the same
		}
		what |= found(who) | found(uint32(s.close)*marked) | found(at)<<foundAt //nolint:gosec // G115: in memory
		r.found[n] = what
		if what&foundAny != 0 {
			n++
		}
	}
	r.wanted, r.passed.Frames = n, to-from-n
	for _, f := range r.found[:n] {
		r.passed.tags -= int(f >> foundTags & 3)
	}
}

// TakeAll takes all frames with index from up to to, to excluded, as odd: they are
// all decoded.
func (r *Sifted) TakeAll(from, to int) {
	for i := from; i < to; i++ {
		r.found[i-from] = found(i)<<foundPlace | 1<<foundOdd //nolint:gosec // G115: below MaxRun
	}
	r.wanted, r.passed = to-from, Passed{}
}

// Wanted returns how many frames are wanted.
func (r *Sifted) Wanted() int { return r.wanted }

// Place returns the index in the run of the ith wanted frame.
func (r *Sifted) Place(i int) int {
	return int(r.found[i] >> foundPlace & (1<<(foundAt-foundPlace) - 1))
}

// Who returns who wants the ith wanted frame, which was decoded into p. It may name
// some who do not want it.
func (r *Sifted) Who(i int, s *Sieve, p *Packet) Takers {
	if what := r.found[i]; what&unsure == 0 {
		return Takers(what) //nolint:gosec // G115: the lowest bits
	}
	return s.Who(p)
}

// unsure is the mask of what makes a frame one of which only Sieve.Who can say who
// wants it: that it is odd, or that it may be a tunnel, whose inner packet others
// may want.
const unsure = foundAny &^ (found(tunnels) - 1)

// Passed returns the counts of the frames that nobody wants.
func (r *Sifted) Passed() Passed { return r.passed }

// Pass counts frames that nobody wants as decoded.
func (d *Decoder) Pass(p Passed) {
	d.stats.Outcomes[OK] += uint64(p.Frames) //nolint:gosec // G115: never negative
	d.stats.Encaps[VLAN] += uint64(p.tags)   //nolint:gosec // G115: "
}
