package packet

import (
	"encoding/binary"
	"math/bits"

	"wormscope/capture"
	"wormscope/internal/ip"
)

// Takers is a set of those who look at packets, a bit for each. The highest is
// the decoder itself, for datagrams that may be tunnels.
type Takers uint8

const (
	// MaxTakers is how many there may be.
	MaxTakers = 7

	// tunnels is the decoder.
	tunnels Takers = 1 << MaxTakers
)

const (
	// portSlots is how many slots the ports share, a power of two. So few stay in
	// the first-level cache whatever ports the traffic has; a table of all ports
	// would not.
	portSlots = 1 << 10
	// flagSets is how many sets there are of the flags that kinds of segments
	// are told apart by: FIN, SYN, RST and ACK, and PSH among them.
	flagSets = 1 << 5
)

// A Sieve knows who wants which packets. From the headers of a frame it tells
// whether anybody does: most frames are TCP segments and datagrams between
// hosts and on ports that nobody asks about, and need not be decoded.
//
// The zero value is a Sieve that nobody wants anything of.
type Sieve struct {
	kinds [256][flagSets]Takers // by protocol and flags, of any port
	from  [portSlots]Takers     // by source port, of any kind
	to    [portSlots]Takers
	near  ip.Blocks // of addresses
	close Takers    // who wants whatever has an end near
}

// NewSieve returns a Sieve that nobody wants anything of, but for the decoder.
func NewSieve() *Sieve {
	s := &Sieve{}
	for flags := range s.kinds[ProtoUDP] { // which datagrams do not have
		s.kinds[ProtoUDP][flags] = tunnels
	}
	for _, port := range TunnelPorts() {
		s.to[port%portSlots] |= tunnels
	}
	s.from[portTeredo%portSlots] |= tunnels
	return s
}

// TakeKinds notes who wants packets of each protocol and with each set of flags,
// of those among FIN, SYN, RST, PSH and ACK.
func (s *Sieve) TakeKinds(who func(Proto, Flags) Takers) {
	for proto := range s.kinds {
		for flags := range s.kinds[proto] {
			s.kinds[proto][flags] |= who(Proto(proto), Flags(flags)) //nolint:gosec // G115: within the tables
		}
	}
}

// TakeFrom notes who wants packets from a port, of the kinds that they want.
func (s *Sieve) TakeFrom(who Takers, port uint16) { s.from[port%portSlots] |= who }

// TakeTo notes who wants packets to a port, of the kinds that they want.
func (s *Sieve) TakeTo(who Takers, port uint16) { s.to[port%portSlots] |= who }

// TakeAnyPort notes who wants packets of the kinds that they want, whatever the
// ports.
func (s *Sieve) TakeAnyPort(who Takers) {
	for slot := range s.from {
		s.from[slot] |= who
	}
}

// TakeNear notes who wants all packets one end of which is in these blocks. It
// replaces who did before.
func (s *Sieve) TakeNear(who Takers, blocks *ip.Blocks) {
	s.near, s.close = ip.Blocks{}, who
	if blocks != nil {
		s.near = *blocks
	}
}

// Who returns who wants a packet. It may name some who do not.
func (s *Sieve) Who(p *Packet) Takers {
	who := s.kinds[p.Proto][p.Flags%flagSets] & (s.from[p.Src.Port%portSlots] | s.to[p.Dst.Port%portSlots])
	if s.near.Has(p.Src.Addr) || s.near.Has(p.Dst.Addr) {
		who |= s.close
	}
	return who &^ tunnels
}

// Sifted is what a Sieve found of some frames that follow each other, each
// known by its place among them.
type Sifted struct {
	wanted uint64           // those to decode, a bit for each
	tagged [2]uint64        // the number of VLAN tags of the others, a bit of it for each
	newest [MaxSifted]int64 // time of the newest of the others, up to each of them
}

// MaxSifted is how many frames can be sifted at once.
const MaxSifted = 64

// Sift tells which of frames somebody wants, or Decode has to see to for
// another reason, from the one at from on. Those whose times are before since,
// or not before until, are among them.
//
// It is the only thing that nearly all frames go through. No branch of it
// depends on the addresses: a processor that waits for their marks goes on with
// the frames behind.
func (r *Sifted) Sift(s *Sieve, frames []capture.Frame, from int, since, until int64) {
	newest, span := since, uint64(until-since) //nolint:gosec // G115: never negative
	want, marked, once, twice := uint64(0), uint64(0), uint64(0), uint64(0)
	for i := from; i < len(frames) && i < MaxSifted; i++ {
		f := &frames[i]
		if f.Link != capture.LinkEthernet || uint64(f.Time-since) >= span { //nolint:gosec // G115: what is before is far too great
			want |= 1 << i
			continue
		}
		look := s.glance(f.Data)
		if look&lookWanted != 0 {
			want |= 1 << i
			continue
		}
		marked |= look >> lookMarked & 1 << i
		if look&(1<<lookMarked-1) != 0 {
			once |= look & 1 << i
			twice |= look >> 1 & 1 << i
		}
		newest = max(newest, f.Time)
		r.newest[i] = newest
	}
	r.wanted, r.tagged = want|marked, [2]uint64{once, twice}
}

// What glance finds: the number of tags, up to three, in the lowest bits;
// whether the block of an address is marked; whether anybody wants the frame
// for another reason.
const (
	lookMarked        = 2 // shift
	lookWanted uint64 = 1 << 3
)

// glance looks at an Ethernet frame.
func (s *Sieve) glance(b []byte) (look uint64) {
	const after4, after6 = 14 + 20, 14 + 40 // where the IP header ends
	be := binary.BigEndian
	for len(b) >= after4+20 {
		switch t := be.Uint16(b[12:]); {
		case t == typeIPv4:
			h := (*[40]byte)(b[14:])
			if h[0] != 0x45 || be.Uint32(h[4:])&0x3fff != 0 ||
				s.takes(Proto(h[9]), (*[20]byte)(h[20:]), int(be.Uint16(h[2:]))-20, len(b)-after4) {
				return lookWanted
			}
			return look | s.near.Either(be.Uint32(h[12:]), be.Uint32(h[16:]))<<lookMarked
		case t == typeIPv6:
			if len(b) < after6+20 {
				return lookWanted
			}
			h := (*[60]byte)(b[14:])
			src, dst := be.Uint64(h[8:]), be.Uint64(h[24:])
			if h[0]>>4 != 6 || src == 0 || dst == 0 ||
				s.takes(Proto(h[6]), (*[20]byte)(h[40:]), int(be.Uint16(h[4:])), len(b)-after6) {
				return lookWanted
			}
			return look | s.near.Either6(src, dst)<<lookMarked
		case !isTag(t) || look == 3:
			return lookWanted
		}
		look++
		b = b[4:]
	}
	return lookWanted
}

// takes reports whether somebody wants what IP carries: wire bytes long, of
// which some are captured.
func (s *Sieve) takes(proto Proto, h *[20]byte, wire, captured int) bool {
	be := binary.BigEndian
	who := s.kinds[proto][h[13]%flagSets] & (s.from[be.Uint16(h[:])%portSlots] | s.to[be.Uint16(h[2:])%portSlots])
	if proto == ProtoTCP {
		header := int(h[12]) >> 4 * 4
		return who != 0 || header < 20 || header > min(wire, captured)
	}
	length := int(be.Uint16(h[4:]))
	return proto != ProtoUDP || who != 0 || length < 8 || length > wire
}

// WantAll has all frames be wanted.
func (r *Sifted) WantAll() { r.wanted = ^uint64(0) }

// WantOne has at least one frame be wanted, the one at a place.
func (r *Sifted) WantOne(at int) { r.wanted |= 1 << at }

// Next returns the place of the first frame that is wanted, from one place on
// and before another; that one, where none is.
func (r *Sifted) Next(from, end int) int {
	return min(from+bits.TrailingZeros64(r.wanted>>from), end)
}

// Pass counts the frames from one place to before another, none of which is
// wanted, as decoded. It returns the time of the newest that was sifted so far
// and is not wanted.
func (d *Decoder) Pass(r *Sifted, from, to int) (newest int64) {
	d.stats.Outcomes[OK] += uint64(to - from) //nolint:gosec // never negative
	if t := r.tagged; t[0]|t[1] != 0 {
		these := uint64(1)<<to - uint64(1)<<from
		d.stats.Encaps[VLAN] += uint64(bits.OnesCount64(t[0]&these) + 2*bits.OnesCount64(t[1]&these)) //nolint:gosec // never negative
	}
	return r.newest[to-1]
}
