package flow

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
)

// side is one of the two ends of a connection, in the order of its key.
type side uint8

// key names a connection whichever end sends: the lower end stands first. It
// is smaller than two netip.AddrPort and free of pointers.
type key struct{ ends [2]end }

// end is an address, IPv4 in its IPv6-mapped form, and a port.
type end struct {
	hi, lo uint64
	port   uint64
}

// mapped is what the lower half of an IPv4-mapped address begins with (RFC
// 4291, chapter 2.5.5.2).
const mapped = 0xffff << 32

func endOf(a netip.AddrPort) end {
	if addr := a.Addr(); addr.Is4() { // As16 costs several times as much
		b := addr.As4()
		return end{0, mapped | uint64(binary.BigEndian.Uint32(b[:])), uint64(a.Port())}
	}
	b := a.Addr().As16()
	return end{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), uint64(a.Port())}
}

// less reports whether an end stands before another.
func (e *end) less(other *end) bool {
	switch {
	case e.hi != other.hi:
		return e.hi < other.hi
	case e.lo != other.lo:
		return e.lo < other.lo
	}
	return e.port <= other.port
}

// keyOf returns the key of a packet's connection and who sent the packet.
func keyOf(src, dst netip.AddrPort) (k key, from side) {
	a, b := endOf(src), endOf(dst)
	if a.less(&b) {
		return key{[2]end{a, b}}, 0
	}
	return key{[2]end{b, a}}, 1
}

// end returns one end as the packet had it.
func (k *key) end(s side) netip.AddrPort {
	e := &k.ends[s]
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), e.hi)
	b = binary.BigEndian.AppendUint64(b, e.lo)
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), uint16(e.port)) //nolint:gosec // it was made of one
}

// is reports whether two keys name the same connection.
func (k *key) is(other *key) bool {
	a, b := &k.ends[0], &other.ends[0]
	c, d := &k.ends[1], &other.ends[1]
	return a.lo == b.lo && c.lo == d.lo && a.port == b.port && c.port == d.port && a.hi == b.hi && c.hi == d.hi
}

// Constants of wyhash.
const (
	seedA = 0xa0761d6478bd642f
	seedB = 0xe7037ed1a0b428db
)

// hash returns a hash of the key under two seeds.
func (k *key) hash(a, b uint64) uint64 {
	x, y := &k.ends[0], &k.ends[1]
	h := fold(x.lo^a, y.lo^b)
	h = fold(h^x.hi^a, y.hi^b)
	return fold(h^(x.port<<16|y.port), b)
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
