package kernelfilter

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"net/netip"
)

// The layout of the indicators in memory, as bpf/filter.c reads it.
const (
	wordMaskAt   = 0  // index mask of the words
	bucketMaskAt = 4  // index mask of the buckets
	near4At      = 64 // a bit for each value of the upper 16 bits of an IPv4 address
	blockBytes   = 1 << 16 / 8
	near6At      = near4At + blockBytes // a bit for each hash of the upper 32 bits of an IPv6 address
	net6At       = near6At + blockBytes // the same, set by networks only
	net4At       = net6At + blockBytes  // a bit for each value of the upper 24 bits of an IPv4 address, set by networks only
	wordsAt      = net4At + 1<<24/8

	bucketKeys  = 8
	bucketBytes = bucketKeys * 4
	// fill is how many addresses share a word, and a bucket, on average.
	fill     = 4
	minCells = 1 << 8
	maxCells = 1 << 24 // 67 million addresses; masks and offsets stay within 32 bits
)

// overflow, at the beginning of a bucket, says that it may hold anything.
const overflow = ^uint32(0)

// cellsFor returns how many words, and as many buckets, a number of addresses gets:
// a power of two.
func cellsFor(addresses int) int {
	return min(maxCells, max(minCells, 1<<bits.Len(uint(max(addresses, 1)-1)/fill)))
}

// sizeOf is the size of a table of so many words and buckets, in bytes.
func sizeOf(cells int) int { return wordsAt + cells*(8+bucketBytes) }

// table is the indicators as the kernel gets them.
type table struct {
	b         []byte
	bucketsAt int
	mask      uint64
}

// newTable lays indicators out in room for cells words and buckets. With too many
// indicators for that, more other addresses match; an indicator always does.
func newTable(indicators iter.Seq[netip.Prefix], cells int) *table {
	addresses := 0
	for p := range indicators {
		if p.IsSingleIP() {
			addresses++
		}
	}
	use := min(cells, cellsFor(addresses))
	t := &table{b: make([]byte, sizeOf(cells)), bucketsAt: wordsAt + cells*8, mask: uint64(use - 1)} //nolint:gosec // positive
	binary.NativeEndian.PutUint32(t.b[wordMaskAt:], uint32(t.mask))                                  //nolint:gosec // below maxCells
	binary.NativeEndian.PutUint32(t.b[bucketMaskAt:], uint32(t.mask))                                //nolint:gosec // below maxCells
	for p := range indicators {
		t.add(p)
	}
	return t
}

// add adds an address or a network. An IPv4 address or network that is mapped
// into IPv6 counts as IPv4.
func (t *table) add(p netip.Prefix) {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	switch p = p.Masked(); {
	case !p.IsValid():
	case p.Addr().Is4() && p.IsSingleIP():
		b := p.Addr().As4()
		a := binary.BigEndian.Uint32(b[:])
		t.mark(near4At, a>>16)
		t.insert(hash(uint64(a)), a)
	case p.Addr().Is4():
		t.network4(p)
	case p.IsSingleIP():
		hi, lo := halves(p.Addr())
		h := hash6(hi, lo)
		t.mark(near6At, block6(hi>>32))
		t.insert(h, uint32(h>>16)|1) //nolint:gosec // the rest is in the index
	default:
		t.network6(p)
	}
}

// network4 marks the blocks that a network of IPv4 touches.
func (t *table) network4(p netip.Prefix) {
	b := p.Addr().As4()
	a := binary.BigEndian.Uint32(b[:])
	for i := range uint32(1) << max(0, 24-p.Bits()) {
		t.mark(net4At, a>>8+i)
		t.mark(near4At, (a>>8+i)>>8)
	}
}

// network6 marks the blocks that a network of IPv6 touches; it marks all, where
// the network touches more blocks than there are bits.
func (t *table) network6(p netip.Prefix) {
	if p.Bits() < 16 {
		for i := range blockBytes {
			t.b[near6At+i], t.b[net6At+i] = 0xff, 0xff
		}
		return
	}
	hi, _ := halves(p.Addr())
	for i := range uint64(1) << max(0, 32-p.Bits()) {
		block := block6(hi>>32 + i)
		t.mark(near6At, block)
		t.mark(net6At, block)
	}
}

// mark sets bit n of the array at an offset, counted in words of 64 bits.
func (t *table) mark(at int, n uint32) {
	t.or(at+int(n>>6)*8, 1<<(n&63))
}

func (t *table) or(at int, v uint64) {
	binary.NativeEndian.PutUint64(t.b[at:], binary.NativeEndian.Uint64(t.b[at:])|v)
}

// insert adds a key, by its hash.
func (t *table) insert(h uint64, key uint32) {
	t.or(wordsAt+int(h>>12&t.mask)*8, 1<<(h&63)|1<<(h>>6&63))               //nolint:gosec // within the mask
	bucket := t.b[t.bucketsAt+int(h>>32&t.mask)*bucketBytes:][:bucketBytes] //nolint:gosec // within the mask
	for i := range bucketKeys {
		switch binary.NativeEndian.Uint32(bucket[4*i:]) {
		case 0:
			binary.NativeEndian.PutUint32(bucket[4*i:], key)
			return
		case key, overflow:
			return
		}
	}
	binary.NativeEndian.PutUint32(bucket, overflow)
}

// halves returns an address of IPv6 as two numbers.
func halves(a netip.Addr) (hi, lo uint64) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// hash, hash6 and block6 are as in bpf/filter.c. They need no secret: addresses
// that are made to collide with an indicator only have more packets looked at.
func hash(v uint64) uint64 {
	v *= 0x9e3779b97f4a7c15
	v ^= v >> 32
	v *= 0xd6e8feb86659fd93
	return v ^ v>>32
}

func hash6(hi, lo uint64) uint64 { return hash(hash(hi) ^ lo) }

func block6(upper uint64) uint32 { return uint32(hash(upper) & 0xffff) }
