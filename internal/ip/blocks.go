package ip

import (
	"math"
	"math/bits"
	"net/netip"
)

// Blocks is an approximate set of addresses, as a Bloom filter is: it may have an
// address that was not marked, but never lacks one that was. It is asked for both
// ends of every packet, so it is laid out for the answer no: one look into a small
// array. That is indexed by address, not by hash, so that the hosts inside, and
// those of one provider outside, share a few cache lines.
//
// An address has two bits of one word: in the lower half that of the block of
// neighbouring addresses that it is in, and in the upper half one that its own
// lowest bits choose. Of an IPv6 address only the upper 32 bits count, by their
// hash. The zero value, and nil, mark nothing.
type Blocks struct {
	words []uint64
	shift uint8 // address >> shift is the number of its block
}

const (
	// wordShare is how many addresses share a word on average, up to the largest
	// size: so few that other addresses rarely have the same two bits.
	wordShare = 4
	// How many upper bits of an address are the number of its block. The array
	// then takes 8 KB at least, and 2 MB at most.
	minBlockBits, maxBlockBits = 15, 23
	// blocksWord is the number of bits in half a word: of blocks that share the
	// word, and of values of an address's lowest bits.
	blocksWord = 32
)

// NewBlocks makes blocks of a size that suits n addresses and networks.
func NewBlocks(n int) *Blocks {
	tell := min(max(bits.Len(uint(n)*blocksWord/wordShare), minBlockBits), maxBlockBits)
	return &Blocks{words: make([]uint64, 1<<tell/blocksWord), shift: uint8(32 - tell)}
}

// blockNumber6 returns the 32-bit number by which an IPv6 address is marked, from
// its upper half.
func blockNumber6(hi uint64) uint32 {
	const k = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio, which spreads neighbours well
	return uint32(hi >> 32 * k >> 32)
}

// blockNumber returns the number by which an address is marked: that of IPv4 is the
// address itself.
func blockNumber(a Addr) uint32 {
	if a.Hi == 0 { // nearly always IPv4
		return a.Number4()
	}
	return blockNumber6(a.Hi)
}

// Has reports whether an address may be marked; false is certain.
func (b *Blocks) Has(a Addr) bool { return b != nil && b.Bit(blockNumber(a)) != 0 }

// Bit returns 1 if the IPv4 address of a number (Addr.Number4) may be marked, and 0
// otherwise. b must not be nil.
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

// mark marks an address by its blockNumber.
func (b *Blocks) mark(number uint32) {
	block := number >> b.shift
	b.words[block/blocksWord] |= 1<<(block%blocksWord) | 1<<blocksWord<<(number%blocksWord)
}

// MarkNetwork marks the addresses of a network.
func (b *Blocks) MarkNetwork(p netip.Prefix) {
	// From a prefix length of few on, each IPv4 address is marked by itself; from
	// fewest6 on, each upper half of an IPv6 address, at most 65,536 of them.
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
