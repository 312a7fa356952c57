package ip

import (
	"math/bits"
	"math/rand/v2"
)

// A Secret is what addresses are hashed under so that nobody who sends packets
// can make them collide. Make it with NewSecret.
type Secret struct{ a, b uint64 }

// NewSecret returns a Secret that nobody knows.
func NewSecret() Secret {
	return Secret{rand.Uint64() | 1, rand.Uint64() | 1} //nolint:gosec // ChaCha8, seeded by the system
}

// Addr returns a hash of an address, all of whose bits are good.
func (s Secret) Addr(a Addr) uint64 {
	x, y := bits.Mul64(a.Hi^s.a, a.Lo^s.b)
	x, y = bits.Mul64(x^s.a, y^s.b)
	return x ^ y
}

// AddrPort returns a hash of an address and port, all of whose bits are good.
func (s Secret) AddrPort(a AddrPort) uint64 {
	x, y := bits.Mul64(a.Addr.Hi^s.a, a.Addr.Lo^s.b)
	return s.Addr(Addr{x ^ uint64(a.Port), y})
}
