package scan

import (
	"math/bits"

	"wormscope/internal/ip"
)

// net64 returns the /64 of an IPv6 address, which is one site or one
// customer, and an IPv4 address unchanged.
func net64(a ip.Addr) ip.Addr {
	if a.Is4() {
		return a
	}
	return ip.Addr{Hi: a.Hi}
}

// subnet returns the network that distributed scans are counted by: /24 of
// IPv4, /64 of IPv6.
func subnet(a ip.Addr) ip.Addr {
	if a.Is4() {
		return ip.Addr{Lo: a.Lo &^ 0xff}
	}
	return ip.Addr{Hi: a.Hi}
}

// Constants of wyhash, whose multiply and fold is the hash here. It is seeded
// by nothing, so that the same capture gives the same evictions; tables bound
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
