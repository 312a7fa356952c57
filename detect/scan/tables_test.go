package scan

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"wormscope/internal/ip"
)

// TestMemory compares the memory of contacts with a map, over months and with
// gaps of every length.
func TestMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	m := newMemory(1 << 18)
	seen := map[uint64]int64{}
	now := int64(1_770_000_000e9)
	for range 3000 {
		now += int64(math.Pow(r.Float64(), 8) * 20 * 24 * 3600e9)
		m.advance(now)
		for range 10 {
			h := mix(r.Uint64N(2000)^seedA, seedB)
			last, known := seen[h]
			age := now/third - last/third
			if got := m.see(h); known && age <= keepEpochs && !got {
				t.Fatalf("forgotten after %d thirds of a day", age)
			} else if got && (!known || age > keepEpochs) {
				t.Fatalf("remembered after %d thirds of a day, known %v", age, known)
			}
			seen[h] = now
		}
	}
}

// TestMemoryFull shows that a full memory forgets the oldest and takes no
// more room.
func TestMemoryFull(t *testing.T) {
	m := newMemory(1 << 10)
	m.advance(1_770_000_000e9)
	for i := range uint64(100_000) {
		m.see(mix(i^seedA, seedB))
	}
	if n := m.size * bucketSize; n != 1<<10 {
		t.Errorf("room for %d, want %d", n, 1<<10)
	}
	if m.evicted < 90_000 {
		t.Errorf("%d evicted, want 90,000 at least", m.evicted)
	}
	fresh := 0
	for i := uint64(99_900); i < 100_000; i++ {
		if m.has(mix(i^seedA, seedB)) {
			fresh++
		}
	}
	if fresh < 80 {
		t.Errorf("of the last 100, %d are remembered", fresh)
	}
}

func TestSketch(t *testing.T) {
	for _, n := range []int{0, 1, 31, 1000, 1024, 1025, 5000, 50_000, 1_000_000} {
		var s sketch
		for i := range n {
			h := mix(uint64(i)^seedA, seedB)
			fresh := s.add(h)
			if s.registers == nil && (!fresh || s.add(h)) {
				t.Fatalf("thing %d of %d is counted wrongly", i, n)
			}
		}
		got := float64(s.count())
		if n <= exactMost && got != float64(n) || math.Abs(got-float64(n)) > .05*float64(n) {
			t.Errorf("%d things are counted as %v", n, got)
		}
		if s.estimated() != (n > exactMost) {
			t.Errorf("%d things: estimated is %v", n, s.estimated())
		}
	}
}

// TestWholeLines holds those of which one is touched at another place each time in
// whole cache lines, so that none takes one more than it must.
func TestWholeLines(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) < 8 {
		t.Skip("laid out for pointers of 64 bits")
	}
	const line = 64
	for name, size := range map[string]uintptr{
		"attempt": unsafe.Sizeof(attempt{}), "group": unsafe.Sizeof(group{}), "finding": unsafe.Sizeof(finding{}),
		"newcomer": unsafe.Sizeof(newcomer{}), "source": unsafe.Sizeof(source{}), "head of a target": unsafe.Sizeof(targetHead{}),
	} {
		if size%line != 0 {
			t.Errorf("%s: %d bytes are no whole cache lines", name, size)
		}
	}
	if first := unsafe.Offsetof(finding{}.targets) + unsafe.Offsetof(sketch{}.exact); first != 2*line {
		t.Errorf("what an attempt touches of a finding are %d bytes, want two cache lines", first)
	}
}

// TestSketchLater counts the same things at once and later, each twice.
func TestSketchLater(t *testing.T) {
	for n := range uint64(exactMost + 20) {
		var now, later sketch
		for i := range 2 * n {
			h := mix(i/2^seedA, seedB)
			now.add(h)
			if !later.later(h) {
				later.add(h)
			}
			if most := later.most(); !now.estimated() && most < now.count() {
				t.Fatalf("%d things are said to be %d at the most", now.count(), most)
			}
		}
		if now.estimated() != later.estimated() || now.count() != later.count() {
			t.Fatalf("%d things are counted as %d, later as %d", n, now.count(), later.count())
		}
	}
}

// TestPopulation shows that a full table lets go of sources that nothing
// speaks against, and keeps what is suspicious.
func TestPopulation(t *testing.T) {
	p := newPopulation(256, 64, 1<<10)
	add := func(n uint64) *source {
		k := sourceKey{addr: ip.Addr{Hi: 0, Lo: n}, port: 445}
		c := newcomer{addr: k.addr, port: k.port, dst: ip.Addr{Hi: 0, Lo: 1}, time: tick(n)}
		return p.promote(k.hash(k.addr.Hash()), &c, tick(n))
	}
	for n := range uint64(100) {
		add(n).dead = 3
	}
	for n := uint64(100); n < 5000; n++ {
		if add(n) == nil {
			t.Fatal("no room")
		}
	}
	kept := 0
	for n := range uint64(100) {
		k := sourceKey{addr: ip.Addr{Hi: 0, Lo: n}, port: 445}
		if p.find(k.hash(k.addr.Hash()), k) != nil {
			kept++
		}
	}
	if kept < 90 {
		t.Errorf("of 100 suspicious sources %d were kept", kept)
	}
	if p.used != 256 || p.evicted != 5000-256 {
		t.Errorf("%d sources, %d evicted", p.used, p.evicted)
	}
}

// TestTargets shows that sources of a target are counted by bits, the first few
// like the others, and that of a full set the target with the fewest goes, but
// none that is flooded.
func TestTargets(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	x := newTargets()
	type model struct {
		bits    map[uint64]bool
		flooded bool
	}
	models := map[ip.Addr]*model{}
	for range 20_000 {
		dst := ip.Addr{Lo: 1 + r.Uint64N(6)}
		h := tagHash(dst)
		c, m := x.find(dst, h), models[dst]
		if (c != nil) != (m != nil) {
			t.Fatalf("%v is there: %v, want %v", dst, c != nil, m != nil)
		}
		if c == nil {
			fewest := ip.Addr{}
			for a, m := range models {
				if !m.flooded && (fewest == ip.Addr{} || len(m.bits) < len(models[fewest].bits)) {
					fewest = a
				}
			}
			full := len(models) == ways
			if c = x.add(h, &targetHead{dst: dst}); (c == nil) != (full && fewest == ip.Addr{}) {
				t.Fatalf("room for %v: %v, want the opposite", dst, c != nil)
			}
			if c == nil {
				continue
			}
			for a, m := range models {
				if x.find(a, tagHash(a)) == nil {
					if m.flooded || len(m.bits) > len(models[fewest].bits) || !full {
						t.Fatalf("%v had to go, though it is flooded, not the smallest, or there was room", a)
					}
					delete(models, a)
				}
			}
			m = &model{bits: map[uint64]bool{}}
			models[dst] = m
		}
		for range r.IntN(20) {
			source := r.Uint64N(300)
			if isNew := c.add(source<<10 | source); isNew == m.bits[source] {
				t.Fatalf("source %d of %v is new: %v", source, dst, isNew)
			}
			m.bits[source] = true
		}
		m.flooded = r.IntN(8) == 0
		if c.finding = 0; m.flooded {
			c.finding = 1
		}
		x.digest(c)
	}
}

// tagHash is a hash that falls on one set and has a tag of the address's own.
func tagHash(a ip.Addr) uint64 { return a.Lo << 49 }

// FuzzIndex compares the index with a map under any mix of additions and
// removals, with hashes that collide.
func FuzzIndex(f *testing.F) {
	f.Add([]byte{1, 2, 3, 129, 130, 131})
	f.Fuzz(func(t *testing.T, ops []byte) {
		x := newIndex(8)
		in := map[uint32]bool{}
		for _, op := range ops {
			slot := uint32(op & 0x7f)
			h := slot & 7 * 0x11111111
			if op < 128 && !in[slot] {
				in[slot] = x.add(h, slot)
			} else if op >= 128 && in[slot] {
				x.remove(h, slot)
				delete(in, slot)
			}
		}
		for slot := range uint32(128) {
			h := slot & 7 * 0x11111111
			found := false
			for at, pos := x.next(h, h); at >= 0; at, pos = x.next(h, pos) {
				found = found || uint32(at) == slot
			}
			if found != in[slot] {
				t.Fatalf("slot %d is found: %v, want %v", slot, found, in[slot])
			}
		}
	})
}

// TestHashes shows that the addresses of a network fall evenly on what the
// tables take from a hash: its low bits, and the low bits of its upper half.
func TestHashes(t *testing.T) {
	for name, hash := range map[string]func(n int) uint64{
		"IPv4":           func(n int) uint64 { return ip.From(nth("10.0.0.0", n)).Hash() },
		"IPv4, far":      func(n int) uint64 { return ip.From(nth("10.0.0.0", n<<8)).Hash() },
		"IPv6":           func(n int) uint64 { return ip.From(nth("fd00::", n)).Hash() },
		"IPv6, networks": func(n int) uint64 { return ip.Addr{Hi: 0xfd00_0000_0000_0000 | uint64(n), Lo: 1}.Hash() },
		"pairs":          func(n int) uint64 { return pairHash(ip.From(nth("10.0.0.0", n)).Hash(), 77, 445) },
		"ports":          func(n int) uint64 { return pairHash(77, 78, uint16(n)) },
		"keys":           func(n int) uint64 { return sourceKey{port: 445}.hash(ip.From(nth("10.0.0.0", n)).Hash()) },
	} {
		for _, shift := range []int{0, 32} {
			var cells [1024]int
			for n := range 16 * len(cells) {
				cells[hash(n)>>shift%1024]++
			}
			most := 0
			for _, n := range cells {
				most = max(most, n)
			}
			if most > 48 { // 16 on average; 34 expected as the most
				t.Errorf("%s, bits from %d: %d in one cell of 1024, want about 34 at the most", name, shift, most)
			}
		}
	}
}
