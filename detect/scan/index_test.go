package scan

import (
	"math/rand/v2"
	"testing"
)

// TestIndexProbes: hashes can be chosen so that entries lie in one row without a gap.
// To look for what is not there takes no more than a bounded number of cells.
func TestIndexProbes(t *testing.T) {
	x := newIndex(64)
	const row = 1 << 14
	for h := range uint32(row) {
		if !x.add(h, h) {
			t.Fatalf("%d was refused", h)
		}
	}
	for h := range uint32(row) {
		other := h | 1<<31
		if slot, after := x.next(other, other); slot >= 0 || after-other > maxProbe {
			t.Fatalf("place %d: slot %d after %d cells, want none after %d at most", h, slot, after-other, maxProbe)
		}
	}
}

// TestIndexCrowdedEnd: entries that crowd at the end of the table, and go on at its
// beginning, are all found, whatever is added and removed, and when it grows.
func TestIndexCrowdedEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	x, size := newIndex(64), 0
	in := map[uint32]uint32{} // hashes by slot
	for slot := range uint32(20_000) {
		h := r.Uint32()
		if r.IntN(3) > 0 {
			h |= 0x3fc0 // among the last 64 places, as long as there are so few
		}
		if x.add(h, slot) {
			in[slot] = h
		}
		if gone := r.Uint32N(slot + 1); r.IntN(20) == 0 && in[gone] != 0 {
			x.remove(in[gone], gone)
			delete(in, gone)
		}
		if slot%500 != 0 && len(x.cells) == size {
			continue
		}
		size = len(x.cells)
		for slot, h := range in {
			at, pos := x.next(h, h)
			for ; at >= 0 && uint32(at) != slot; at, pos = x.next(h, pos) {
			}
			if at < 0 {
				t.Fatalf("slot %d of hash %#x is not found", slot, h)
			}
		}
	}
	if x.used != len(in) {
		t.Errorf("%d in use, want %d", x.used, len(in))
	}
}
