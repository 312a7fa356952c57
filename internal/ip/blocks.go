package ip

import (
	"math"
	"math/bits"
	"net/netip"
)

// Blocks tells nearly all addresses from those that it marks. It is asked for
// both ends of every packet, so it is laid out for the answer no: one look into a
// small array, by address and not by hash, so that what stays in the cache is
// little. The hosts inside are next to each other here, and so are those of a
// provider outside.
//
// An address has two bits of one word: that of the block of addresses that it is
// in, in the lower half, and one that its own lowest bits choose, in the upper
// half. Of IPv6 the upper 32 bits count alone, by their hash. The zero value, and
// nil, mark nothing.
type Blocks struct {
	words []uint64
	shift uint8 // by how many bits an address is more than its block
}

const (
	// wordShare is for how many addresses there is a word at least: so few that
	// others rarely have both bits in common with them.
	wordShare = 4
	// How many bits of an address tell blocks apart: there are 8 KB of them at
	// the least, and 2 MB at the most.
	fewestBlockBits, mostBlockBits = 15, 23
	// blocksWord is how many blocks a word has, and how many bits are chosen
	// among.
	blocksWord = 32
)

// NewBlocks makes blocks for n addresses and networks.
func NewBlocks(n int) *Blocks {
	tell := min(max(bits.Len(uint(n)*blocksWord/wordShare), fewestBlockBits), mostBlockBits)
	return &Blocks{words: make([]uint64, 1<<tell/blocksWord), shift: uint8(32 - tell)}
}

// blockNumber6 returns the number that an address of IPv6 is marked by, by its
// upper half.
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

// Has reports whether an address may be marked; false is certain.
func (b *Blocks) Has(a Addr) bool { return b != nil && b.Bit(blockNumber(a)) != 0 }

// Bit returns 1 if an IPv4 address may be marked, by its number, and 0
// otherwise. Not to be asked of nil.
func (b *Blocks) Bit(number uint32) uint32 {
	block := number >> (b.shift & 31)
	at := int(block / blocksWord)
	if at >= len(b.words) {
		return 0
	}
	w := b.words[at]
	return uint32(w) >> (block % blocksWord) & (uint32(w>>blocksWord) >> (number % blocksWord)) & 1 //nolint:gosec // G115: halves
}

// Bit6 is Bit for IPv6, by the upper half of the address, which must not be 0.
func (b *Blocks) Bit6(hi uint64) uint32 { return b.Bit(blockNumber6(hi)) }

// Mark marks an address.
func (b *Blocks) Mark(a Addr) { b.mark(blockNumber(a)) }

// mark marks the address of a number.
func (b *Blocks) mark(number uint32) {
	block := number >> b.shift
	b.words[block/blocksWord] |= 1<<(block%blocksWord) | 1<<blocksWord<<(number%blocksWord)
}

// MarkNetwork marks the addresses of a network.
func (b *Blocks) MarkNetwork(p netip.Prefix) {
	// The fewest bits of a network of which each address is marked; and of one of
	// IPv6, of which it is no more than 65,536 marks.
	const few, fewest6 = 24, 16
	base := From(p.Masked().Addr())
	switch {
	case p.Addr().Is4() && p.Bits() >= few:
		for i := range uint32(1) << (32 - p.Bits()) {
			b.mark(base.Number4() + i)
		}
	case p.Addr().Is4():
		first := base.Number4()
		last := first | ^uint32(0)>>p.Bits()
		for block := first >> b.shift; block <= last>>b.shift; block++ {
			b.words[block/blocksWord] |= 1<<(block%blocksWord) | math.MaxUint32<<blocksWord
		}
	case base.Hi == 0 || p.Bits() < fewest6: // in no feed, and in all blocks or nearly
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
