package zone

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"wormscope/internal/ip"
)

// A table has the places of all addresses of one family: the family is cut
// wherever the place changes. A look-up walks no prefixes, which would cost
// more than most of what is done with the answer.
type table struct {
	cuts   []ip.Addr // where each place begins, ascending
	places []Place   // from a cut up to the next
	blocks [256]span // by the first byte of an address
}

// A span is the cuts that the addresses of a block lie behind, from the one of
// its first address to the one of its last. Most blocks are all in one place.
type span struct{ from, to uint32 }

// place returns the place of an address that begins with the byte block.
func (t *table) place(a ip.Addr, block uint32) Place {
	s := t.blocks[block&0xff]
	for s.from < s.to {
		if middle := (s.from + s.to + 1) / 2; a.Less(t.cuts[middle]) {
			s.to = middle - 1
		} else {
			s.from = middle
		}
	}
	if int(s.from) >= len(t.places) { // of a table that was never made
		return Place{Zone: Internet}
	}
	return t.places[s.from]
}

// rules are the prefixes that a table is made from.
type rules struct {
	inside   bart.Lite          // everything inside
	zones    bart.Table[string] // the named zones
	prefixes []netip.Prefix     // all of them
}

func (r *rules) addInside(p netip.Prefix) {
	r.inside.Insert(p)
	r.prefixes = append(r.prefixes, p)
}

func (r *rules) addZone(p netip.Prefix, name string) {
	r.zones.Insert(p, name)
	r.prefixes = append(r.prefixes, p)
	if name != Internet {
		r.inside.Insert(p)
	}
}

// place applies the rules to one address.
func (r *rules) place(a netip.Addr) Place {
	inside := r.inside.Contains(a) && !a.IsMulticast() && !a.IsUnspecified()
	name, named := r.zones.Lookup(a)
	switch {
	case named:
		return Place{name, inside && name != Internet}
	case inside:
		return Place{Internal, true}
	default:
		return Place{Internet, false}
	}
}

// table applies the rules to the family that an address is the lowest of.
// Between two ends of prefixes all addresses are in one place.
func (r *rules) table(lowest netip.Addr) table {
	var t table
	for _, a := range r.ends(lowest) {
		place := r.place(a)
		if n := len(t.places); n == 0 || t.places[n-1] != place {
			t.cuts, t.places = append(t.cuts, ip.From(a)), append(t.places, place)
		}
	}
	at := uint32(0)
	for block := range t.blocks {
		first, last := blockOf(lowest, byte(block))
		t.blocks[block].from = t.skip(at, first)
		t.blocks[block].to = t.skip(t.blocks[block].from, last)
		at = t.blocks[block].to
	}
	return t
}

// skip goes from a cut on to the last one that is not behind an address.
func (t *table) skip(at uint32, a ip.Addr) uint32 {
	for int(at)+1 < len(t.cuts) && !a.Less(t.cuts[at+1]) {
		at++
	}
	return at
}

// ends returns the addresses of a family at which a prefix begins, or the one
// before has ended, in order, and with them those at which the addresses that
// are never inside begin and end.
func (r *rules) ends(lowest netip.Addr) []netip.Addr {
	ends := []netip.Addr{lowest}
	for _, p := range append(slices.Clone(r.prefixes), never()...) {
		if p.IsValid() && p.Addr().BitLen() == lowest.BitLen() {
			ends = append(ends, p.Addr())
			if next := lastOf(p).Next(); next.IsValid() {
				ends = append(ends, next)
			}
		}
	}
	slices.SortFunc(ends, netip.Addr.Compare)
	return slices.Compact(ends)
}

// never returns the networks of multicast and unspecified addresses.
func never() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("224.0.0.0/4"),
		netip.MustParsePrefix("::/128"), netip.MustParsePrefix("ff00::/8"),
		netip.MustParsePrefix("::ffff:224.0.0.0/100"),
	}
}

// lastOf returns the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// blockOf returns the first and the last address of a family that begin with a
// byte.
func blockOf(lowest netip.Addr, b byte) (first, last ip.Addr) {
	bytes := lowest.AsSlice()
	bytes[0] = b
	a, _ := netip.AddrFromSlice(bytes)
	return ip.From(a), ip.From(lastOf(netip.PrefixFrom(a, 8)))
}
