package scan

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// addr is an IP address as two words, IPv4 in its IPv4-mapped form. It holds
// no pointer, so that tables of it cost the garbage collector nothing.
type addr struct{ hi, lo uint64 }

const (
	mapped     = 0xffff << 32 // what lo of an IPv4 address begins with
	mappedMask = 0xffffffff << 32
)

func addrOf(a netip.Addr) addr {
	if a.Is4() { // As16 costs several times as much
		b := a.As4()
		return addr{0, mapped | uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// netip returns the address in the form that the rest of the house uses.
func (a addr) netip() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b).Unmap()
}

func (a addr) is4() bool { return a.hi == 0 && a.lo&mappedMask == mapped }

// net64 returns the /64 of an IPv6 address, which is one site or one
// customer, and an IPv4 address unchanged.
func (a addr) net64() addr {
	if a.is4() {
		return a
	}
	return addr{a.hi, 0}
}

// subnet returns the network that distributed scans are counted by: /24 of
// IPv4, /64 of IPv6.
func (a addr) subnet() addr {
	if a.is4() {
		return addr{a.hi, a.lo &^ 0xff}
	}
	return addr{a.hi, 0}
}

// single reports whether the address can be one host: not multicast,
// broadcast, unspecified or loopback.
func (a addr) single() bool {
	if a.is4() {
		ip := uint32(a.lo) //nolint:gosec // G115: the low half is the IPv4 address.
		return ip>>28 != 0xe && ip != 0xffffffff && ip>>24 != 127 && ip>>24 != 0
	}
	return a.hi>>56 != 0xff && (a.hi != 0 || a.lo > 1)
}

// The hash is wyhash's multiply and fold with constants. It is seeded by
// nothing, so that the same capture gives the same evictions; tables bound
// their probes, so that chosen collisions cost entries and not time.
const (
	seedA = 0xa0761d6478bd642f
	seedB = 0xe7037ed1a0b428db
	seedC = 0x8ebc6af09c88c6e3
	seedD = 0x589965cc75374cc3
)

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func (a addr) hash() uint64 { return mix(a.hi^seedA, a.lo^seedB) }

// pairHash is the hash of what one end sends another at a port.
func pairHash(src, dst uint64, port uint16) uint64 {
	return mix(src^seedC+uint64(port), dst^seedD)
}

// random is a small generator (xorshift64*) that decides which entry of a
// full table goes. It starts the same way each time.
type random uint64

func newRandom() random { return seedA }

func (r *random) next() uint64 {
	x := uint64(*r)
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	*r = random(x)
	return x * 0x2545f4914f6cdd1d
}
