package packet

import "wormscope/internal/ip"

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
type Sieve struct {
	kinds [256][flagSets]Takers // by protocol and flags, of any port
	from  [portSlots]Takers     // by source port, of any kind
	to    [portSlots]Takers
	talk  Takers    // who wants ICMP messages that are no errors
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
		s.TakeTo(tunnels, port)
	}
	s.TakeFrom(tunnels, portTeredo)
	return s
}

// TakeKinds notes who wants packets of each protocol and with each set of flags,
// of those among FIN, SYN, RST, PSH and ACK.
func (s *Sieve) TakeKinds(who func(Proto, Flags) Takers) {
	for proto := range s.kinds {
		for flags := range s.kinds[proto] {
			s.kinds[proto][flags] |= who(Proto(proto), Flags(flags))
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

// TakeTalk notes who wants the messages of ICMP and ICMPv6 that are no errors:
// kinds are about errors.
func (s *Sieve) TakeTalk(who Takers) { s.talk |= who }

// TakeNear notes who wants all packets one end of which is in these blocks. It
// replaces who did before.
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
