package ioc

import (
	"iter"
	"net/netip"
	"slices"
)

// Find returns the match that an indicator of this very value and port has in
// this Set, as one of another Set may be looked for here. What is above it, or
// around it, does not count.
func (s *Set) Find(i Indicator) (Match, bool) {
	if s == nil {
		return Match{}, false
	}
	switch i.Type {
	case Domain:
		name := []byte(i.Value)
		if at := s.names.table.find(s.names.hash(name), name, &s.names.arena); at != nil {
			return s.matchAt(inNames, int(*at)), true
		}
	case Address:
		a, err := netip.ParseAddr(i.Value)
		if err == nil {
			return s.findAddress(a.Unmap(), i.Port)
		}
	case Network:
		p, err := netip.ParsePrefix(i.Value)
		if err != nil {
			break
		}
		for at, ok := s.networks.table.Get(p); ok; at++ {
			if int(at) >= len(s.networks.entries) || s.networks.entries[at].prefix != p {
				break
			}
			if s.networks.entries[at].port == i.Port {
				return s.matchAt(inNetworks, int(at)), true
			}
		}
	}
	return Match{}, false
}

// findAddress finds the entry of an address and a port.
func (s *Set) findAddress(a netip.Addr, port uint16) (Match, bool) {
	var kind matchKind
	var i int
	if a.Is4() {
		n := number4(a)
		kind, i = inV4, s.v4.find(s.secret.port(s.secret.addr4(n), port), n, port)
	} else {
		n := number6(a)
		kind, i = inV6, s.v6.find(s.secret.port(s.secret.addr6(n), port), n, port)
	}
	if i < 0 {
		return Match{}, false
	}
	return s.matchAt(kind, i), true
}

// matchAt makes the match of an entry.
func (s *Set) matchAt(kind matchKind, i int) Match {
	m := Match{kind: kind, index: uint32(i)} //nolint:gosec // bounded by Builder.room
	note, _ := s.note(m)
	m.class = s.notes.notes[note].class
	return m
}

// OfFeed yields the indicators that a feed of this name lists, alone or with
// others. An indicator is as the Set has it, but for its feed: where another
// one leads it is that one's words under this feed's name.
func (s *Set) OfFeed(feed string) iter.Seq[Indicator] {
	return func(yield func(Indicator) bool) {
		if s == nil {
			return
		}
		lists := s.notes.listing(feed)
		one := func(m Match) bool {
			if note, _ := s.note(m); !lists[note] {
				return true
			}
			i := s.Indicator(m)
			i.Feed, i.AlsoIn = feed, nil
			return yield(i)
		}
		for m := range s.matches() {
			if !one(m) {
				return
			}
		}
	}
}

// matches yields the match of every indicator.
func (s *Set) matches() iter.Seq[Match] {
	return func(yield func(Match) bool) {
		for _, part := range []struct {
			kind matchKind
			n    int
		}{{inV4, len(s.v4.entries)}, {inV6, len(s.v6.entries)}, {inNetworks, len(s.networks.entries)}} {
			for i := range part.n {
				if !yield(Match{kind: part.kind, index: uint32(i)}) {
					return
				}
			}
		}
		going := true
		s.names.arena.each(func(r ref, _ []byte) {
			if going {
				going = yield(Match{kind: inNames, index: uint32(r)})
			}
		})
	}
}

// listing reports of each note whether a feed of this name lists what has it.
func (nb *notebook) listing(feed string) []bool {
	number := slices.Index(nb.texts, feed)
	lists := make([]bool, len(nb.notes))
	if number < 0 {
		return lists
	}
	for i := range nb.notes {
		n := &nb.notes[i]
		lists[i] = int(n.feed) == number || slices.Contains(nb.also[n.also], uint32(number)) //nolint:gosec // bounded by Builder.room
	}
	return lists
}
