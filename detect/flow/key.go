package flow

import (
	"math/bits"
	"math/rand/v2"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// side is one of the two ends of a connection, in the order of its key.
type side uint8

// key names a connection whichever end sends: the lower end stands first. It
// is smaller than two netip.AddrPort and free of pointers.
type key struct{ ends [2]ip.AddrPort }

// keyOf returns the key of a packet's connection and who sent the packet.
func keyOf(p *packet.Packet) (k key, from side) {
	if p.Dst.Less(p.Src) {
		return key{[2]ip.AddrPort{p.Dst, p.Src}}, 1
	}
	return key{[2]ip.AddrPort{p.Src, p.Dst}}, 0
}

// Constants of wyhash.
const (
	seedA = 0xa0761d6478bd642f
	seedB = 0xe7037ed1a0b428db
)

// hash returns a hash of the key under two seeds.
func (k *key) hash(a, b uint64) uint64 {
	x, y := &k.ends[0], &k.ends[1]
	h := fold(x.Addr.Lo^a, y.Addr.Lo^b)
	h = fold(h^x.Addr.Hi^a, y.Addr.Hi^b)
	return fold(h^(uint64(x.Port)<<16|uint64(y.Port)), b)
}

// fold multiplies and joins the halves of the product, as wyhash does.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// secretHash returns a hash of keys that nobody who sends packets can make
// collide.
func secretHash() func(key) uint64 {
	a, b := rand.Uint64()|1, rand.Uint64()|1 //nolint:gosec // ChaCha8, seeded by the system
	return func(k key) uint64 { return k.hash(a, b) }
}
