package ioc

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// A secret keys the hashes of one Set, so that nobody who sends packets can
// choose addresses or names that collide. What a Set answers does not depend
// on it: every hash that agrees is followed by a comparison of the value.
type secret struct {
	a, b uint64 // odd
}

// newSecret draws a secret.
func newSecret() secret {
	return secret{a: rand.Uint64() | 1, b: rand.Uint64() | 1} //nolint:gosec // ChaCha8, seeded by the system
}

// addr4 hashes an IPv4 address by multiplication (Dietzfelbinger et al., "A
// Reliable Randomized Algorithm for the Closest-Pair Problem", 1997): one
// instruction, of which the upper half is good.
func (k *secret) addr4(addr uint32) uint64 { return uint64(addr) * k.a }

// addr6 hashes an IPv6 address.
func (k *secret) addr6(addr addr6) uint64 { return fold(addr.hi^k.a, addr.lo^k.b) }

// port turns the hash of an address into the hash of the address and a port.
func (k *secret) port(h uint64, port uint16) uint64 {
	return fold(h^k.b, uint64(port)^k.a)
}

// text hashes the last size bytes of b, in upper or lower case alike. They are
// read eight at a time: the last word may begin within the one before, or
// before short ones, so b must have eight bytes at least.
func (k *secret) text(b []byte, size int) uint64 {
	h := k.a
	for at := len(b) - size; at < len(b)-8; at += 8 {
		h = fold(h^(binary.LittleEndian.Uint64(b[at:])|caseBits), k.a)
	}
	last := binary.LittleEndian.Uint64(b[len(b)-8:])
	if size < 8 {
		last >>= 8 * (8 - size) & 63
	}
	return fold(h^(last|caseBits), k.b^uint64(size)<<1) //nolint:gosec // not negative
}

// caseBits are the bits that tell upper from lower case. They tell other bytes
// apart as well, but hardly two names.
const caseBits = 0x2020202020202020

// fold multiplies and joins the halves of the product, as wyhash does.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// scale maps a hash to 0 … n-1 by its upper bits (Lemire, "Fast Random
// Integer Generation in an Interval", 2019), so that a table may have any
// size and not only a power of two.
func scale(h uint64, n int) int {
	hi, _ := bits.Mul64(h, uint64(n)) //nolint:gosec // the length of a slice
	return int(hi)                    //nolint:gosec // less than n
}

// A filter says of most hashes that were never added that they were not, and
// never says so of one that was. It costs one memory access: the three bits of
// a hash are in one word. With 16 bits a hash it is wrong about one time in
// 100. The zero value is empty.
type filter struct {
	words []uint64
}

// newFilter makes a filter for n hashes, with bits bits for each.
func newFilter(n, bits int) filter {
	return filter{words: make([]uint64, n*bits/64+1)}
}

// add notes a hash.
func (f *filter) add(h uint64) {
	f.words[scale(h, len(f.words))] |= filterMask(h)
}

// has reports false only for hashes that were never added.
func (f *filter) has(h uint64) bool {
	at, mask := scale(h, len(f.words)), filterMask(h)
	return at < len(f.words) && f.words[at]&mask == mask // at is 0 in an empty filter
}

// hint is has without a branch that depends on the hash: 1 for true.
func (f *filter) hint(h uint64) uint64 {
	at, mask := scale(h, len(f.words)), filterMask(h)
	if at >= len(f.words) { // it is empty
		return 0
	}
	missing := mask &^ f.words[at]
	return (missing - 1) &^ missing >> 63
}

// filterMask returns the three bits of a hash. They are from the middle of it,
// since the lower bits of addr4 are poor and the upper ones choose the word.
func filterMask(h uint64) uint64 {
	return 1<<(h>>26&63) | 1<<(h>>32&63) | 1<<(h>>38&63)
}
