package ip

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// A Chart knows a value for every address there is: the ranges of addresses
// that share one, in order. It is immutable, and safe for use by several
// goroutines. Make it with NewChart.
//
// A look-up of an IPv4 address reads one or two cache lines, of which all
// look-ups together touch a few. A cache in front of a slower table would miss
// whenever many addresses come that were not seen before.
type Chart[T comparable] struct {
	bytes4  [256]span // by the first byte of an address
	starts4 []uint32
	values4 []T
	starts6 []Addr
	values6 []T
}

// A span is where the ranges of an IPv4 chart begin and end that hold the
// addresses of one first byte. Most bytes are in one range as a whole.
type span struct{ low, high uint32 }

// NewChart makes a chart of the values that ask gives. It may change only at
// the edges of the prefixes.
func NewChart[T comparable](prefixes []netip.Prefix, ask func(netip.Addr) T) *Chart[T] {
	c := &Chart[T]{}
	add := func(start netip.Addr) {
		value := ask(start)
		if start.Is4() {
			if n := len(c.values4); n == 0 || c.values4[n-1] != value {
				c.starts4 = append(c.starts4, number4(start))
				c.values4 = append(c.values4, value)
			}
		} else if n := len(c.values6); n == 0 || c.values6[n-1] != value {
			c.starts6 = append(c.starts6, From(start))
			c.values6 = append(c.values6, value)
		}
	}
	for _, start := range edges(prefixes) {
		add(start)
	}
	all := span{high: uint32(len(c.starts4)) - 1} //nolint:gosec // G115: as many as a configuration has
	for b := range uint32(256) {
		c.bytes4[b] = span{c.find4(all, b<<24), c.find4(all, b<<24|0xffffff)}
	}
	return c
}

// edges returns the addresses that prefixes begin at, and those behind their
// ends, in order and the first of each version among them.
func edges(prefixes []netip.Prefix) []netip.Addr {
	all := []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	for _, p := range prefixes {
		if !p.IsValid() {
			continue
		}
		all = append(all, p.Masked().Addr())
		if behind := last(p).Next(); behind.IsValid() {
			all = append(all, behind)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// last returns the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func number4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// Of returns the value of an address.
func (c *Chart[T]) Of(a Addr) T {
	if !a.Is4() {
		return c.of6(a)
	}
	n := a.Number4()
	s := c.bytes4[n>>24]
	if s.low != s.high {
		s.low = c.find4(s, n)
	}
	return c.values4[s.low]
}

// find4 returns the range that an address is in, of those in a span.
func (c *Chart[T]) find4(s span, n uint32) uint32 {
	for s.low < s.high {
		if middle := (s.low + s.high + 1) / 2; c.starts4[middle] <= n {
			s.low = middle
		} else {
			s.high = middle - 1
		}
	}
	return s.low
}

func (c *Chart[T]) of6(a Addr) T {
	low, high := 0, len(c.starts6)-1
	for low < high {
		if middle := (low + high + 1) / 2; !a.Less(c.starts6[middle]) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return c.values6[low]
}
