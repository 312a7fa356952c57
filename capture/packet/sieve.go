package packet

import "wormscope/internal/ip"

// Takers is a set of those who look at packets, detectors for instance: a bit
// each. The highest bit is the decoder itself, for datagrams that may be tunnels.
type Takers uint8

const (
	// MaxTakers is how many there may be.
	MaxTakers = 7

	// tunnels is the decoder.
	tunnels Takers = 1 << MaxTakers
)

const (
	// portSlots is how many slots all ports share, a power of two. A table of that
	// size stays in the first-level cache whatever ports the traffic has; one with
	// a slot for each port would not.
	portSlots = 1 << 10
	// flagSets is how many sets of TCP flags are told apart: those of the five
	// lowest bits, FIN, SYN, RST, PSH and ACK.
	flagSets = 1 << 5
)

// A Sieve knows who wants which packets, and tells from the headers of a frame
// whether anybody wants it: most frames are TCP segments and datagrams between
// hosts and on ports that nobody asks about, and need not be decoded.
//
// A packet is wanted by those who want both its kind (protocol and TCP flags) and
// one of its ports. ICMP messages that are not errors, and packets with an address
// in a given set of blocks, are wanted whatever their kind and ports.
type Sieve struct {
	kinds [256][flagSets]Takers // by protocol and flags
	from  [portSlots]Takers     // by source port
	to    [portSlots]Takers     // by destination port
	talk  Takers                // who wants ICMP messages that are not errors
	near  ip.Blocks             // blocks of addresses,
	close Takers                // and who wants what is from or to one of them
}

// NewSieve returns a Sieve of which only the decoder wants anything.
func NewSieve() *Sieve {
	s := &Sieve{}
	for flags := range s.kinds[ProtoUDP] { // which datagrams do not have
		s.kinds[ProtoUDP][flags] = tunnels
	}
	for _, port := range TunnelPorts() {
		s.TakeTo(tunnels, port)
	}
	s.TakeFrom(tunnels, portTeredo)
	return s
}

// TakeKinds notes who wants packets of each protocol with each set of TCP flags.
// Of the flags, who is asked about FIN, SYN, RST, PSH and ACK only.
func (s *Sieve) TakeKinds(who func(Proto, Flags) Takers) {
	for proto := range s.kinds {
		for flags := range s.kinds[proto] {
			s.kinds[proto][flags] |= who(Proto(proto), Flags(flags))
		}
	}
}

// TakeFrom notes who wants packets from a port, if they want their kind.
func (s *Sieve) TakeFrom(who Takers, port uint16) { s.from[port%portSlots] |= who }

// TakeTo notes who wants packets to a port, if they want their kind.
func (s *Sieve) TakeTo(who Takers, port uint16) { s.to[port%portSlots] |= who }

// TakeAnyPort notes who wants packets from and to any port, if they want their
// kind.
func (s *Sieve) TakeAnyPort(who Takers) {
	for slot := range s.from {
		s.from[slot] |= who
	}
}

// TakeTalk notes who wants the messages of ICMP and ICMPv6 that are not errors.
// For these protocols TakeKinds is about errors only.
func (s *Sieve) TakeTalk(who Takers) { s.talk |= who }

// TakeNear notes who wants all packets from or to an address in these blocks. It
// replaces what an earlier call said. The blocks are copied.
func (s *Sieve) TakeNear(who Takers, blocks *ip.Blocks) { s.near, s.close = *blocks, who }

// Who returns who wants a packet. It may name some who do not.
func (s *Sieve) Who(p *Packet) (who Takers) {
	if isICMP(p.Proto) && !isError(p.Proto, p.ICMP.Type) {
		who = s.talk
	} else {
		who = s.kinds[p.Proto][p.Flags%flagSets] & (s.from[p.Src.Port%portSlots] | s.to[p.Dst.Port%portSlots]) &^ tunnels
	}
	if s.near.Has(p.Src.Addr) || s.near.Has(p.Dst.Addr) {
		who |= s.close
	}
	return who
}
