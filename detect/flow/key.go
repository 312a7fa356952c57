package flow

import (
	"math/bits"
	"math/rand/v2"

	"wormscope/capture/packet"
	"wormscope/detect/lru"
	"wormscope/internal/ip"
)

// side is one of the two ends of a connection, in the order of its key.
type side uint8

// key names a connection whichever end sends: the lower end stands first.
type key struct {
	low, high ip.Addr
	ports     uint64 // that of the lower end, then that of the higher
}

// of makes k the key of a packet's connection and returns who sent the packet.
func (k *key) of(p *packet.Packet) (from side) {
	low, high := &p.Src, &p.Dst
	if high.Less(*low) {
		low, high, from = high, low, 1
	}
	k.low, k.high, k.ports = low.Addr, high.Addr, uint64(low.Port)<<16|uint64(high.Port)
	return from
}

// end returns one of the ends.
func (k *key) end(s side) ip.AddrPort {
	if s == 0 {
		return ip.AddrPort{Addr: k.low, Port: uint16(k.ports >> 16)} //nolint:gosec // G115: it holds 32 bits
	}
	return ip.AddrPort{Addr: k.high, Port: uint16(k.ports)} //nolint:gosec // G115: the lower half
}

// same reports whether two keys are of the same connection. It is == in fewer
// steps.
func (k *key) same(o *key) bool {
	return k.low.Lo == o.low.Lo && k.high.Lo == o.high.Lo && k.ports == o.ports && k.low.Hi == o.low.Hi && k.high.Hi == o.high.Hi
}

// key4 is the key of an IPv4 connection in less room.
type key4 struct{ low, high, ports uint32 }

// is4 reports whether the key is that of an IPv4 connection.
func (k *key) is4() bool { return k.low.Is4() && k.high.Is4() }

// short returns the key of an IPv4 connection in less room.
func (k *key) short() key4 {
	return key4{k.low.Number4(), k.high.Number4(), uint32(k.ports)} //nolint:gosec // G115: it holds 32 bits
}

// Constants of wyhash.
const (
	seedA = 0xa0761d6478bd642f
	seedB = 0xe7037ed1a0b428db
)

// hash returns a hash of the key under two seeds.
func (k *key) hash(a, b uint64) uint64 {
	return fold(fold(fold(k.low.Lo^a, k.high.Lo^b)^k.low.Hi^a, k.high.Hi^b)^k.ports, b)
}

// fold multiplies and joins the halves of the product, as wyhash does.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// secretSeed returns a seed for a hash that nobody who sends packets can make
// collide.
func secretSeed() uint64 { return rand.Uint64() | 1 } //nolint:gosec // ChaCha8, seeded by the system

// find returns the entry of a key that has this secret hash, or nil.
func find[V any](t *lru.Table[key, V], k *key, hash uint64) *lru.Entry[key, V] {
	e := t.Probe(hash)
	if e == nil || e.Key.same(k) {
		return e
	}
	return t.Get(*k)
}
