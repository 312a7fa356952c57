package ip

import (
	"math/bits"
	"net/netip"
)

// Blocks marks the blocks of addresses that hold one of some addresses, a
// network or a part of one. It is asked for both ends of every packet, so it is
// laid out for the answer no: one bit of a small array, by address and not by
// hash, so that what stays in the cache is little. The hosts inside are next to
// each other here, and so are those of a provider outside.
//
// An address of IPv6 has the block of the IPv4 address that its upper 32 bits
// hash to. The zero value, and nil, mark nothing.
type Blocks struct {
	words []uint64 // a bit for each block
	shift uint8    // by how many bits an address is more than its block
}

const (
	// blocksEach is how many blocks there are at least for each address.
	blocksEach = 16
	// How many bits of an address tell blocks apart: 8 KB at the least, and
	// 2 MB at the most.
	fewestBlockBits, mostBlockBits = 16, 24
)

// NewBlocks makes blocks for n addresses and networks.
func NewBlocks(n int) *Blocks {
	tell := min(max(bits.Len(uint(n)*blocksEach), fewestBlockBits), mostBlockBits)
	return &Blocks{words: make([]uint64, 1<<tell/64), shift: uint8(32 - tell)}
}

// blockNumber6 returns the number that the block of an address of IPv6 is the
// upper part of, by the upper half of the address.
func blockNumber6(hi uint64) uint32 {
	const k = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio, which spreads neighbours well
	return uint32(hi >> 32 * k >> 32)
}

// blockNumber returns the same of any address.
func blockNumber(a Addr) uint32 {
	if a.Hi == 0 { // nearly always IPv4
		return a.Number4()
	}
	return blockNumber6(a.Hi)
}

// Has reports whether an address's block is marked; false is certain.
func (b *Blocks) Has(a Addr) bool { return b != nil && b.Bit(blockNumber(a)) != 0 }

// Bit returns 1 if the block of an IPv4 address is marked, by its number, and
// 0 otherwise. Not to be asked of nil.
func (b *Blocks) Bit(number uint32) uint64 {
	block := number >> (b.shift & 31)
	at := int(block / 64)
	if at >= len(b.words) {
		return 0
	}
	return b.words[at] >> (block % 64) & 1
}

// Bit6 is Bit for IPv6, by the upper half of the address, which must not be 0.
func (b *Blocks) Bit6(hi uint64) uint64 { return b.Bit(blockNumber6(hi)) }

// Mark marks an address's block.
func (b *Blocks) Mark(a Addr) { b.mark(blockNumber(a)) }

// mark marks the block of a number.
func (b *Blocks) mark(number uint32) {
	block := number >> b.shift
	b.words[block/64] |= 1 << (block % 64)
}

// MarkNetwork marks the blocks of a network.
func (b *Blocks) MarkNetwork(p netip.Prefix) {
	base := From(p.Addr())
	switch {
	case p.Addr().Is4():
		first := base.Number4()
		last := first | ^uint32(0)>>p.Bits()
		for block := first >> b.shift; block <= last>>b.shift; block++ {
			b.mark(block << b.shift)
		}
	case base.Hi == 0 || p.Bits() < fewestBlockBits: // in no feed, and in all blocks or nearly
		for i := range b.words {
			b.words[i] = ^uint64(0)
		}
	default:
		for i := range uint64(1) << max(0, 32-p.Bits()) {
			b.mark(blockNumber6(base.Hi + i<<32))
		}
	}
}

// Bytes returns how much memory the blocks take.
func (b *Blocks) Bytes() int {
	if b == nil {
		return 0
	}
	return len(b.words) * 8
}
