package scan

import "slices"

// index finds slots of a table by hash: open addressing over one word a cell,
// 32 bits of the hash and the slot. The table that it belongs to holds the
// keys and tells right from wrong among the slots that index proposes.
type index struct {
	cells []uint64
	used  int
}

// maxProbe bounds how far from its place an entry may lie. Under honest
// traffic it is never reached; under chosen collisions entries are refused.
const maxProbe = 128

func newIndex(size int) index { return index{cells: make([]uint64, size)} }

func hash32(h uint64) uint32 { return uint32(h >> 32) }

// cell packs a hash and a slot; no cell is zero.
func cell(h, slot uint32) uint64 { return uint64(h)<<32 | uint64(slot+1) }

// next returns the next slot at or after pos that may have hash h, and the
// position to go on from. A slot of -1 ends the search: at a free cell, or farther
// from the hash's place than any entry lies, since entries of other hashes, which
// anyone can choose, may fill all cells behind it.
func (x *index) next(h, pos uint32) (slot int, after uint32) {
	mask := uint32(len(x.cells) - 1) //nolint:gosec // G115: tables are far smaller.
	for ; pos-h < maxProbe; pos++ {
		c := x.cells[pos&mask]
		if c == 0 {
			break
		}
		if uint32(c>>32) == h {
			return int(uint32(c)) - 1, pos + 1 //nolint:gosec // G115: the slot half.
		}
	}
	return -1, pos
}

// home returns the first cell of a hash.
func (x *index) home(h uint64) *uint64 {
	return &x.cells[hash32(h)&uint32(len(x.cells)-1)] //nolint:gosec // G115: tables are far smaller.
}

// add notes that a slot has hash h. It reports false where too many others
// collide.
func (x *index) add(h, slot uint32) bool {
	if x.used*4 >= len(x.cells)*3 {
		x.grow()
	}
	mask := uint32(len(x.cells) - 1) //nolint:gosec // G115: tables are far smaller.
	for i := range uint32(maxProbe) {
		if c := &x.cells[(h+i)&mask]; *c == 0 {
			*c = cell(h, slot)
			x.used++
			return true
		}
	}
	return false
}

// grow doubles the index. Entries are put back in the order of their cells, from a
// free one on, so none can come to lie further from its place than before.
func (x *index) grow() {
	old := x.cells
	x.cells = make([]uint64, 2*len(old))
	mask := uint32(len(x.cells) - 1) //nolint:gosec // G115: tables are far smaller.
	first := slices.Index(old, 0)
	for i := range old {
		c := old[(first+i)&(len(old)-1)]
		if c == 0 {
			continue
		}
		pos := uint32(c >> 32)
		for x.cells[pos&mask] != 0 {
			pos++
		}
		x.cells[pos&mask] = c
	}
}

// remove forgets a slot that was added with hash h, and moves those behind it
// up, so that searches need no tombstones.
func (x *index) remove(h, slot uint32) {
	mask := uint32(len(x.cells) - 1) //nolint:gosec // G115: tables are far smaller.
	pos, want := h&mask, cell(h, slot)
	for x.cells[pos] != want {
		if x.cells[pos] == 0 {
			return
		}
		pos = (pos + 1) & mask
	}
	x.used--
	hole := pos
	for (pos-hole)&mask < maxProbe {
		pos = (pos + 1) & mask
		c := x.cells[pos]
		if c == 0 {
			break
		}
		// c may fill the hole unless its own place lies behind the hole.
		if home := uint32(c>>32) & mask; (pos-home)&mask >= (pos-hole)&mask {
			x.cells[hole] = c
			hole = pos
		}
	}
	x.cells[hole] = 0
}

// clear forgets everything.
func (x *index) clear() {
	clear(x.cells)
	x.used = 0
}
