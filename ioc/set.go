package ioc

import (
	"iter"
	"net/netip"

	"wormscope/internal/ip"
)

// A Set answers whether a name or an address is an indicator. It never
// changes, so any number of goroutines may ask it; a Builder makes one. A nil
// Set and the zero Set match nothing.
//
// Measured on one core at 2.6 GHz: with a million addresses, one that is in no
// feed costs 5 ns (9 ns where each is another and the cache is no help); with
// a million names, a clean name of 20 bytes costs 51 ns. Only Indicator
// allocates. A million names of 22.9 bytes take 36.2 MB, their text, feed and
// line included; an IPv4 address takes 25 bytes.
type Set struct {
	secret   secret
	v4       addresses[uint32]
	v6       addresses[addr6]
	networks networks
	near     *ip.Blocks // blocks of addresses with an indicator in them; nil without any
	names    names
	notes    notebook
	allowed  allowList
	counts   Counts
}

// A Match says which indicator of a Set something is. It is comparable: the
// same indicator of the same Set gives the same Match, and none gives the zero
// Match.
type Match struct {
	kind  matchKind
	class Class
	place uint8 // of the entry among those of the observable, the best being 0
	index uint32
}

// matchKind is the part of a Set that a match is in.
type matchKind uint8

const (
	inNames matchKind = iota + 1
	inV4
	inV6
	inNetworks
)

// Type returns the type of the indicator.
func (m Match) Type() Type {
	switch m.kind {
	case inNames:
		return Domain
	case inNetworks:
		return Network
	default:
		return Address
	}
}

// Class returns what the match means.
func (m Match) Class() Class { return m.class }

// HasAddresses reports whether the Set has addresses or networks.
func (s *Set) HasAddresses() bool {
	return s != nil && (len(s.v4.entries) > 0 || len(s.v6.entries) > 0 || len(s.networks.entries) > 0)
}

// Address returns the match of an address and port at a packet time in Unix
// nanoseconds. An indicator for this port goes before one for any port, and that of
// the address itself before those of networks around it, of which the smallest comes
// first. Expired indicators do not match. IPv4 addresses that are mapped into IPv6
// count as IPv4.
//
// For the two ends of a packet, ask Neither first.
func (s *Set) Address(ap netip.AddrPort, at int64) (Match, bool) {
	if s == nil {
		return Match{}, false
	}
	a := ap.Addr()
	if !a.Is4() {
		return s.address6(ap, at)
	}
	n := number4(a)
	if !s.near.Has(ip.From4(n)) || s.hint4(n) == 0 {
		return Match{}, false
	}
	return s.address4(n, s.secret.addr4(n), ap, at)
}

// Near reports whether an address may be an indicator; false is certain.
func (s *Set) Near(a ip.Addr) bool { return s != nil && s.near.Has(a) }

// Blocks returns the blocks of addresses that have indicators in them, nil where
// there are none. They must not be changed.
func (s *Set) Blocks() *ip.Blocks {
	if s == nil {
		return nil
	}
	return s.near
}

// Neither reports true for nearly all pairs of addresses neither of which is an
// indicator, and false for all others. It is cheaper than Address for both.
func (s *Set) Neither(a, b ip.Addr) bool {
	switch {
	case !s.Near(a) && !s.Near(b):
		return true
	case a.Is4() && b.Is4():
		return s.hint4(a.Number4())|s.hint4(b.Number4()) == 0
	case !a.Is4() && !b.Is4():
		return s.hint6(addr6{a.Hi, a.Lo})|s.hint6(addr6{b.Hi, b.Lo}) == 0
	}
	return false
}

// hint4 returns 0 for most IPv4 addresses that are not indicators, and 1 for all
// others. It has no branch that depends on the address, since a processor that
// mispredicts it would lose more time than the rest takes.
func (s *Set) hint4(n uint32) uint64 {
	hint := s.v4.known.hint(s.secret.addr4(n))
	if t := s.networks.touched[0]; t != nil {
		hint |= t.bit(block4(n))
	}
	return hint
}

// hint6 is hint4 for IPv6.
func (s *Set) hint6(n addr6) uint64 {
	hint := s.v6.known.hint(s.secret.addr6(n))
	if t := s.networks.touched[1]; t != nil {
		hint |= t.bit(s.networks.block6(n.hi))
	}
	return hint
}

// address4 looks up an IPv4 address for which hint4 returned 1.
func (s *Set) address4(n uint32, h uint64, ap netip.AddrPort, at int64) (Match, bool) {
	if i := s.v4.lookup(&s.secret, h, n, ap.Port(), moment{&s.notes, at}); i >= 0 {
		return s.match(inV4, i, s.v4.entries[i].note, ap.Addr(), at)
	}
	return s.network(ap, at)
}

// address6 looks an IPv6 address up.
func (s *Set) address6(ap netip.AddrPort, at int64) (Match, bool) {
	a := ap.Addr()
	if a.Is4In6() {
		return s.Address(netip.AddrPortFrom(a.Unmap(), ap.Port()), at)
	}
	if !a.IsValid() {
		return Match{}, false
	}
	n := number6(a)
	if !s.near.Has(ip.Addr{Hi: n.hi, Lo: n.lo}) {
		return Match{}, false
	}
	if h := s.secret.addr6(n); s.v6.known.has(h) {
		if i := s.v6.lookup(&s.secret, h, n, ap.Port(), moment{&s.notes, at}); i >= 0 {
			return s.match(inV6, i, s.v6.entries[i].note, a, at)
		}
	}
	if t := s.networks.touched[1]; t == nil || !t.has(s.networks.block6(n.hi)) {
		return Match{}, false
	}
	return s.network(netip.AddrPortFrom(a.WithZone(""), ap.Port()), at)
}

// network looks an address up among the networks.
func (s *Set) network(ap netip.AddrPort, at int64) (Match, bool) {
	i := s.networks.lookup(ap.Addr(), ap.Port(), moment{&s.notes, at})
	if i < 0 {
		return Match{}, false
	}
	return s.match(inNetworks, int(i), s.networks.entries[i].note, ap.Addr(), at)
}

// match makes the match of an address, unless that is on the allow list.
func (s *Set) match(kind matchKind, i int, note uint32, a netip.Addr, at int64) (Match, bool) {
	if s.allowed.hasAddr(a) {
		return Match{}, false
	}
	return s.matchAt(kind, i, note, at)
}

// matchAt makes the match of an indicator whose best note is given, if that
// holds at a packet time.
func (s *Set) matchAt(kind matchKind, i int, note uint32, at int64) (Match, bool) {
	said, place := moment{&s.notes, at}.holding(note)
	if said == nil {
		return Match{}, false
	}
	return Match{kind, said.class, place, uint32(i)}, true //nolint:gosec // bounded by Builder.room
}

// Name returns the match of a name that is an indicator, or below one, at a packet
// time in Unix nanoseconds: that of the most specific indicator. Expired indicators do
// not match. Kill-switch names go before all others, and match also where a resolver
// has appended a search suffix to them.
//
// The name is lower-case text without a trailing dot, in which odd bytes and
// dots inside labels are escaped (RFC 1035, 5.1). It is not kept.
func (s *Set) Name(name []byte, at int64) (Match, bool) {
	if s == nil || s.names.table.count == 0 {
		return Match{}, false
	}
	now := moment{&s.notes, at}
	r, ok := s.names.kill.lookup(&s.names, name, now)
	if !ok {
		r, ok = s.names.lookup(name, now)
	}
	if !ok || s.allowed.hasName(name) {
		return Match{}, false
	}
	return s.matchAt(inNames, int(r), s.names.arena.entry(r).note, at)
}

// Clean reports true for most names that are not indicators, and false for all others.
// It is what to ask first of a name in a DNS message, since it costs less than making
// text of the name and calling Name. A nil Set reports true.
//
// The name is as on the wire, in upper or lower case: labels says where in msg
// each of its labels begins, with its length before it, and lengths has bit n
// set when one is n bytes long.
func (s *Set) Clean(msg []byte, labels []int, lengths uint64) bool {
	return s == nil || s.names.table.count == 0 || s.names.clean(msg, labels, lengths)
}

// Prefixes yields every indicator address, as a network of one, and every
// indicator network, in no order and once for each port that it is for.
func (s *Set) Prefixes() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		if s == nil {
			return
		}
		for i := range s.v4.entries {
			if !yield(netip.PrefixFrom(addrOf4(s.v4.entries[i].addr), 32)) {
				return
			}
		}
		for i := range s.v6.entries {
			if !yield(netip.PrefixFrom(addrOf6(s.v6.entries[i].addr), 128)) {
				return
			}
		}
		for i := range s.networks.entries {
			if !yield(s.networks.entries[i].prefix) {
				return
			}
		}
	}
}

// best returns the best entry of the observable that a match is about.
func (s *Set) best(m Match) entry {
	switch m.kind {
	case inV4:
		return s.v4.entries[m.index].entry
	case inV6:
		return s.v6.entries[m.index].entry
	case inNetworks:
		return s.networks.entries[m.index].entry
	default:
		return s.names.arena.entry(ref(m.index))
	}
}

// Indicator returns the indicator of a match that this Set gave. It allocates.
func (s *Set) Indicator(m Match) Indicator {
	best := s.best(m)
	e := s.notes.entries(best)[m.place]
	i := s.notes.indicator(e.note, best.note)
	i.Type, i.Line = m.Type(), int(e.line)
	switch m.kind {
	case inV4:
		e := &s.v4.entries[m.index]
		i.Value, i.Port = addrOf4(e.addr).String(), e.port
	case inV6:
		e := &s.v6.entries[m.index]
		i.Value, i.Port = addrOf6(e.addr).String(), e.port
	case inNetworks:
		e := &s.networks.entries[m.index]
		i.Value, i.Port = e.prefix.String(), e.port
	default:
		i.Value = string(s.names.arena.name(ref(m.index)))
	}
	return i
}

// Counts returns how many indicators there are.
func (s *Set) Counts() Counts {
	if s == nil {
		return Counts{}
	}
	return s.counts.clone()
}
