// Package lru is the table that the detectors keep their state in: a map with
// a limit, whose entries stand in the order of their last use. Whoever uses it
// decides what happens to the entry that is pushed out, and walks it in an
// order that depends on the packets alone, never on the order of a hash table.
package lru

import (
	"hash/maphash"
	"slices"
)

// An Entry is one key and its value.
type Entry[K comparable, V any] struct {
	Key   K
	Value V
	place place // its own
}

// Table maps keys to values, up to a limit. Make it with New. It is not safe
// for use by several goroutines.
//
// Keys are found by open addressing: a look-up reads one cell, and the entry
// that it names. Cells and the order of use stand apart from the entries and are
// small, so that those of some thousand entries stay in the processor's cache:
// to find that a key is not there, or to use an entry, takes no look into memory
// beside that for the entry.
type Table[K comparable, V any] struct {
	hash   func(K) uint64
	cells  []cell // a power of two of them, at most half of them in use
	used   int
	limit  int
	chunks [][]Entry[K, V] // the first has one, ring
	links  []link          // the order of use, by place
	begun  int             // entries of the last chunk that were ever in use
	free   place           // the first of those that are out of use; next is another, ring for none
}

// cell is a place of the hash table, free where it names no entry.
type cell struct {
	hash  uint32
	entry place
}

// link is an entry's place in the order of use.
type link struct{ prev, next place } // prev was used later, next longer ago

// A place says where an entry is: its chunk, and its number therein.
type place uint32

const (
	firstCells = 16
	// ring is an entry that is no key's: the one used longest ago is before it,
	// the one used last behind it.
	ring place = 0
	// chunkBits are the bits of a place within a chunk. From the ninth chunk on
	// each holds as many entries as these bits can name.
	chunkBits = 8
)

// New makes a table for at most limit entries (at least one). It grows with
// what it holds.
func New[K comparable, V any](limit int) *Table[K, V] {
	seed := maphash.MakeSeed()
	return NewHashed[K, V](limit, func(k K) uint64 { return maphash.Comparable(seed, k) })
}

// NewHashed is New for keys that there is a faster hash of. All its bits must
// be good, and nobody who sends packets should be able to make keys collide:
// that costs time.
func NewHashed[K comparable, V any](limit int, hash func(K) uint64) *Table[K, V] {
	return &Table[K, V]{
		hash: hash, cells: make([]cell, firstCells), limit: max(limit, 1),
		chunks: [][]Entry[K, V]{make([]Entry[K, V], 1)}, links: make([]link, 1), begun: 1,
	}
}

// Len returns how many entries the table holds.
func (t *Table[K, V]) Len() int { return t.used }

// Limit returns how many entries the table can hold.
func (t *Table[K, V]) Limit() int { return t.limit }

// Full reports whether Add needs room made first.
func (t *Table[K, V]) Full() bool { return t.used >= t.limit }

// Get returns the entry of a key, or nil. The order stays as it is.
func (t *Table[K, V]) Get(k K) *Entry[K, V] {
	h := short(t.hash(k))
	for at := t.home(h); ; at = t.after(at) {
		c := t.cells[at]
		if c.entry == ring {
			return nil
		}
		if c.hash != h {
			continue
		}
		if e := t.at(c.entry); e.Key == k {
			return e
		}
	}
}

// Probe returns an entry whose key may have a hash, or nil when none has. It is
// for callers who have the hash of a key at hand and compare the keys themselves, which
// is faster than Get: only if they differ Get must be asked.
func (t *Table[K, V]) Probe(hash uint64) *Entry[K, V] {
	cells, h := t.cells, short(hash)
	mask := uint32(len(cells) - 1) //nolint:gosec // G115: there are some, and fewer than 4 Gi
	for at := h & mask; ; at = (at + 1) & mask {
		c := cells[at]
		if c.entry == ring {
			return nil
		}
		if c.hash == h {
			return t.at(c.entry)
		}
	}
}

// Oldest returns the entry whose last use is longest ago, or nil when the
// table is empty.
func (t *Table[K, V]) Oldest() *Entry[K, V] { return t.newer(ring) }

// Newer returns the entry that was used next after e, or nil when e was the
// last one used.
func (t *Table[K, V]) Newer(e *Entry[K, V]) *Entry[K, V] { return t.newer(e.place) }

// newer returns the entry that was used next after that at p, the oldest after
// ring.
func (t *Table[K, V]) newer(p place) *Entry[K, V] {
	if p = t.links[p].prev; p == ring {
		return nil
	}
	return t.at(p)
}

// Touch makes e the entry used last.
func (t *Table[K, V]) Touch(e *Entry[K, V]) {
	if l := &t.links[e.place]; l.prev != ring {
		t.unlink(l)
		t.front(e.place, l)
	}
}

// Add makes an entry for a key that the table does not hold, as the one used
// last, with the zero value. When the table is full the oldest entry is
// dropped without a word: whoever wants to have one asks Full and Oldest first.
func (t *Table[K, V]) Add(k K) *Entry[K, V] {
	if t.Full() {
		t.Remove(t.Oldest())
	}
	if (t.used+1)*2 > len(t.cells) {
		t.grow()
	}
	p := t.take()
	e := t.at(p)
	e.Key, e.place = k, p
	t.put(cell{short(t.hash(k)), p})
	t.used++
	t.front(p, &t.links[p])
	return e
}

// Put gives a key this value, whether the table holds it or not, and makes its
// entry the one used last. When the table is full it does as Add.
func (t *Table[K, V]) Put(k K, v V) {
	e := t.Get(k)
	if e == nil {
		e = t.Add(k)
	}
	e.Value = v
	t.Touch(e)
}

// Remove takes e out. Its memory is used again for a later entry, so e must
// not be kept.
func (t *Table[K, V]) Remove(e *Entry[K, V]) {
	at := t.home(short(t.hash(e.Key)))
	for t.cells[at].entry != e.place {
		at = t.after(at)
	}
	t.vacate(at)
	t.drop(e)
}

// drop takes e, which no longer has a cell, out of the order of use, and keeps its
// memory.
func (t *Table[K, V]) drop(e *Entry[K, V]) {
	t.used--
	p, l := e.place, &t.links[e.place]
	t.unlink(l)
	*e = Entry[K, V]{}
	l.next, t.free = t.free, p
}

// short returns the bits of a hash that cells keep.
func short(hash uint64) uint32 { return uint32(hash) } //nolint:gosec // G115: the lower half

// home is the cell that a hash belongs in, if it is free.
func (t *Table[K, V]) home(h uint32) int { return int(h) & (len(t.cells) - 1) }

// after is the cell that follows, the first one after the last.
func (t *Table[K, V]) after(at int) int { return (at + 1) & (len(t.cells) - 1) }

// put puts a cell where it is found.
func (t *Table[K, V]) put(c cell) {
	at := t.home(c.hash)
	for t.cells[at].entry != ring {
		at = t.after(at)
	}
	t.cells[at] = c
}

// vacate frees a cell and moves those behind it up, so that look-ups can end
// at the first free one.
func (t *Table[K, V]) vacate(hole int) {
	mask := len(t.cells) - 1
	for at := t.after(hole); t.cells[at].entry != ring; at = t.after(at) {
		// What is at home behind the hole stays.
		if home := t.home(t.cells[at].hash); (at-home)&mask >= (at-hole)&mask {
			t.cells[hole] = t.cells[at]
			hole = at
		}
	}
	t.cells[hole] = cell{}
}

// grow doubles the cells.
func (t *Table[K, V]) grow() {
	old := t.cells
	t.cells = make([]cell, 2*len(old))
	for _, c := range old {
		if c.entry != ring {
			t.put(c)
		}
	}
}

// at returns the entry at a place.
func (t *Table[K, V]) at(p place) *Entry[K, V] {
	return &t.chunks[p>>chunkBits][p&(1<<chunkBits-1)]
}

// take returns the place of an entry that is not in use: one that was before, or
// one of the next few, which are allocated together.
func (t *Table[K, V]) take() place {
	if p := t.free; p != ring {
		t.free = t.links[p].next
		return p
	}
	last := len(t.chunks) - 1
	if size := len(t.chunks[last]); t.begun == size {
		n := min(2*size, 1<<chunkBits, t.limit-t.used)
		t.chunks = append(t.chunks, make([]Entry[K, V], n))
		last, t.begun = last+1, 0
		end := last<<chunkBits + n
		t.links = slices.Grow(t.links, end-len(t.links))[:end]
	}
	t.begun++
	return place(last<<chunkBits | (t.begun - 1)) //nolint:gosec // G115: a limit is below 2^32
}

// Rekey gives every entry the key that next has for it, and takes out those
// for which next reports false. No two entries may get the same key. The order
// stays as it is.
func (t *Table[K, V]) Rekey(next func(e *Entry[K, V]) (K, bool)) {
	clear(t.cells)
	for e := t.Oldest(); e != nil; {
		newer := t.Newer(e)
		if k, ok := next(e); ok {
			e.Key = k
			t.put(cell{short(t.hash(k)), e.place})
		} else {
			t.drop(e)
		}
		e = newer
	}
}

// unlink takes an entry out of the order of use.
func (t *Table[K, V]) unlink(l *link) {
	t.links[l.prev].next, t.links[l.next].prev = l.next, l.prev
}

// front links an entry in as the one used last.
func (t *Table[K, V]) front(p place, l *link) {
	r := &t.links[ring]
	l.prev, l.next = ring, r.next
	t.links[l.next].prev = p
	r.next = p
}
