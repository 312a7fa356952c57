package ioc

import (
	"math/bits"
	"net/netip"

	"wormscope/internal/ip"
)

// blocks marks the blocks of addresses that hold an indicator, a network or a
// part of one. It answers for nearly all addresses, and is laid out by address
// and not by hash, so that what stays in the cache is little: the hosts inside
// are next to each other here, and so are those of a provider outside.
//
// An address of IPv6 has the block of the IPv4 address that its upper 32 bits
// hash to. The zero value marks nothing.
type blocks struct {
	words []uint64 // a bit for each block
	shift uint8    // by how many bits an address is more than its block
}

const (
	// bitsPerIndicator sets the size of blocks: there are at least so many for
	// each indicator.
	bitsPerIndicator = 16
	// How many bits of an address tell blocks apart: 8 KB at the least, and
	// 2 MB at the most.
	fewestBlockBits, mostBlockBits = 16, 24
)

// newBlocks makes blocks for n indicators.
func newBlocks(n int) blocks {
	tell := min(max(bits.Len(uint(n)*bitsPerIndicator), fewestBlockBits), mostBlockBits)
	return blocks{words: make([]uint64, 1<<tell/64), shift: uint8(32 - tell)}
}

// blockNumber returns the number that an address's block is the upper part of.
func blockNumber(a ip.Addr) uint32 {
	if a.Hi == 0 { // nearly always IPv4
		return uint32(a.Lo) //nolint:gosec // the lower half
	}
	const k = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio, which spreads neighbours well
	return uint32(a.Hi >> 32 * k >> 32)
}

// has reports whether an address's block is marked.
func (b *blocks) has(a ip.Addr) bool {
	block := blockNumber(a) >> (b.shift & 31)
	at := int(block / 64)
	return at < len(b.words) && b.words[at]>>(block%64)&1 != 0
}

// mark marks the block of a number.
func (b *blocks) mark(number uint32) {
	block := number >> b.shift
	b.words[block/64] |= 1 << (block % 64)
}

// markNetwork marks the blocks of a network.
func (b *blocks) markNetwork(p netip.Prefix) {
	base := ip.From(p.Addr())
	switch {
	case p.Addr().Is4():
		first := blockNumber(base)
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
			b.mark(blockNumber(ip.Addr{Hi: base.Hi + i<<32}))
		}
	}
}

// bytes returns how much memory the blocks take.
func (b *blocks) bytes() int { return len(b.words) * 8 }
