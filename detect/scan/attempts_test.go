package scan

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wormscope/internal/ip"
)

// TestAttempts compares the ring and its index with a map.
func TestAttempts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	ring := newAttempts(1 << 12)
	type key struct{ src, dst ip.Addr }
	model := map[key]int64{}
	var order []key
	now := int64(0)
	for range 50_000 {
		now += r.Int64N(20e6)
		k := key{ip.Addr{Hi: 0, Lo: r.Uint64N(200)}, ip.Addr{Hi: 0, Lo: r.Uint64N(100)}}
		h := pairHash(k.src.Hash(), k.dst.Hash(), 1)
		for len(order) > 0 && now-model[order[0]] >= lateAfter {
			delete(model, order[0])
			order = order[1:]
		}
		for ring.due(now) != nil {
		}
		ring.expire(now)
		began, known := model[k]
		a := ring.find(h, k.src, k.dst, 1)
		if known != (a != nil) {
			t.Fatalf("found %v, want %v", a != nil, known)
		}
		if known {
			if a.time != began {
				t.Fatalf("attempt began at %d, want %d", a.time, began)
			}
			continue
		}
		a = ring.push(h)
		a.src, a.dst, a.port, a.time = k.src, k.dst, 1, now
		model[k] = now
		if order = append(order, k); len(order) > 1<<12 {
			delete(model, order[0])
			order = order[1:]
		}
	}
	if n := int(ring.tail - ring.head); n != len(model) {
		t.Errorf("%d in the ring, want %d", n, len(model))
	}
}

// TestAttemptsCrowded compares the ring with a map where hashes collide, and
// where all numbers wrap.
func TestAttemptsCrowded(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	ring := newAttempts(64)
	ring.head, ring.tail, ring.judged = 1<<32-200, 1<<32-200, 1<<32-200
	var held []ip.Addr
	hash := func(a ip.Addr) uint64 { return a.Lo % 5 << 32 } // 13 of each, in groups of 7
	for i := range uint64(1000) {
		if len(held) > 0 && r.IntN(9) == 0 {
			ring.dropOldest()
			held = held[1:]
		}
		if ring.tail == 1<<32 {
			held = append(held, ip.Addr{}) // number 0 is left out
		}
		a := ring.push(hash(ip.Addr{Lo: i}))
		a.src, a.time = ip.Addr{Lo: i}, int64(i)
		held = append(held, a.src)
		held = held[max(len(held)-64, 0):]
		for back := range uint64(100) {
			src := ip.Addr{Lo: i - back}
			if found := ring.find(hash(src), src, ip.Addr{}, 0) != nil; found != slices.Contains(held, src) {
				t.Fatalf("after %d, %d back: found %v", i, back, found)
			}
		}
	}
}

// TestAttemptsGrow has the index doubled several times while groups overflow, numbers
// wrap, and the oldest go: all that are in the ring are found, and no others. Number 0,
// that of an empty cell, is never in it.
func TestAttemptsGrow(t *testing.T) {
	const first = 1<<32 - 3000
	r := rand.New(rand.NewPCG(7, 7))
	ring := newAttempts(1 << 13)
	ring.head, ring.tail, ring.judged = first, first, first
	hash := func(a ip.Addr) uint64 { // falls on 50 of each 256 groups, which have seven places
		h := a.Lo * 0x9e3779b97f4a7c15
		return (h>>40&^0xff | h>>20%50*5) << 32
	}
	for ring.room < 1<<13 {
		before, n := ring.room, ring.tail
		if n == 1<<32 {
			n++
		}
		a := ring.push(hash(ip.Addr{Lo: n}))
		a.src, a.time = ip.Addr{Lo: n}, int64(n)
		if r.IntN(4) == 0 {
			ring.dropOldest()
		}
		if ring.room != before {
			for range (ring.tail - ring.head) * 3 / 4 {
				ring.dropOldest()
			}
		} else if n%101 != 0 {
			continue
		}
		for n := uint64(first - 100); n < ring.tail+100; n++ {
			src := ip.Addr{Lo: n}
			held := n >= ring.head && n < ring.tail && n != 1<<32
			if found := ring.find(hash(src), src, ip.Addr{}, 0) != nil; found != held {
				t.Fatalf("%d of %d to %d, with room for %d: found %v", n, ring.head, ring.tail, ring.room, found)
			}
		}
	}
}

// TestAttemptsBlocks lets the ring grow and shrink, up to its limit and beyond, and
// shows that attempts stay what they are, and that blocks are used again.
func TestAttemptsBlocks(t *testing.T) {
	const limit = 4 * blockSize
	r := rand.New(rand.NewPCG(6, 6))
	ring := newAttempts(limit)
	most := 0
	for i := range 200 {
		for range r.IntN(limit / 2) {
			a := ring.push(ring.tail << 32)
			a.seq = a.number
		}
		for range r.IntN(limit/2 + i) {
			if ring.head < ring.tail {
				ring.dropOldest()
			}
		}
		if n := ring.tail - ring.head; n > limit {
			t.Fatalf("%d held, limit %d", n, limit)
		}
		for n := ring.head; n < ring.tail; n++ {
			if a := ring.at(n); a.number != uint32(n) || a.seq != a.number {
				t.Fatalf("attempt %d is %d, of sequence number %d", n, a.number, a.seq)
			}
		}
		blocks := len(ring.spare)
		for _, b := range ring.blocks {
			if b != nil {
				blocks++
			}
		}
		most = max(most, blocks)
	}
	if most != limit/blockSize {
		t.Errorf("%d blocks, want %d", most, limit/blockSize)
	}
	ring.clear()
	if held := len(ring.blocks) - len(ring.spare); held > 1 {
		t.Errorf("an empty ring holds %d blocks", held)
	}
}
