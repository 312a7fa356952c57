package ioc

import (
	"iter"
	"net/netip"
	"slices"
)

// Find returns the match of the indicator with exactly the value and port of i, at a
// packet time in Unix nanoseconds; i may come from another Set. It does not look for
// names above it or networks around it.
func (s *Set) Find(i Indicator, at int64) (Match, bool) {
	if s == nil {
		return Match{}, false
	}
	switch i.Type {
	case Domain:
		name := []byte(i.Value)
		if r := s.names.table.find(s.names.hash(name), name, &s.names.arena); r != nil {
			return s.matchAt(inNames, int(*r), s.names.arena.entry(*r).note, at)
		}
	case Address:
		a, err := netip.ParseAddr(i.Value)
		if err == nil {
			return s.findAddress(a.Unmap(), i.Port, at)
		}
	case Network:
		p, err := netip.ParsePrefix(i.Value)
		if err != nil {
			break
		}
		for n, ok := s.networks.table.Get(p); ok; n++ {
			if int(n) >= len(s.networks.entries) || s.networks.entries[n].prefix != p {
				break
			}
			if s.networks.entries[n].port == i.Port {
				return s.matchAt(inNetworks, int(n), s.networks.entries[n].note, at)
			}
		}
	}
	return Match{}, false
}

// findAddress finds the entry of an address and a port.
func (s *Set) findAddress(a netip.Addr, port uint16, at int64) (Match, bool) {
	if a.Is4() {
		n := number4(a)
		if i := s.v4.find(s.secret.port(s.secret.addr4(n), port), n, port); i >= 0 {
			return s.matchAt(inV4, i, s.v4.entries[i].note, at)
		}
		return Match{}, false
	}
	n := number6(a)
	if i := s.v6.find(s.secret.port(s.secret.addr6(n), port), n, port); i >= 0 {
		return s.matchAt(inV6, i, s.v6.entries[i].note, at)
	}
	return Match{}, false
}

// OfFile yields the indicators that a file lists, even if others list them as well,
// each with the file's own entry. If that was not kept, since a better entry of
// another file expires no earlier, it is the entry that expires last.
func (s *Set) OfFile(path string) iter.Seq[Indicator] {
	return func(yield func(Indicator) bool) {
		if s == nil {
			return
		}
		for number := range s.notes.sources {
			if from := s.notes.sources[number]; s.notes.texts[from.file] == path && !s.ofSource(uint32(number), yield) {
				return
			}
		}
	}
}

// ofSource is OfFile for one source. It reports whether to go on.
func (s *Set) ofSource(number uint32, yield func(Indicator) bool) bool {
	for m := range s.matches() {
		best := s.best(m)
		if !s.notes.listedBy(best.note, number) {
			continue
		}
		entries := s.notes.entries(best)
		isOwn := func(e entry) bool { return s.notes.notes[e.note].source == number }
		known := slices.ContainsFunc(entries, isOwn)
		for place, e := range entries {
			if known && !isOwn(e) || !known && place < len(entries)-1 {
				continue
			}
			m.place = uint8(place)
			i := s.Indicator(m)
			i.Feed, i.AlsoIn = s.notes.texts[s.notes.sources[number].feed], nil
			if !yield(i) {
				return false
			}
		}
	}
	return true
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
