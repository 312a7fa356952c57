// Package lru is the table that the detectors keep their state in: a map with
// a limit, whose entries stand in the order of their last use. Whoever uses it
// decides what happens to the entry that is pushed out, and walks it in an
// order that depends on the packets alone, never on the order of a hash table.
package lru

import "hash/maphash"

// An Entry is one key and its value, at its place in the order of use.
type Entry[K comparable, V any] struct {
	Key        K
	Value      V
	prev, next *Entry[K, V] // prev was used later, next longer ago
}

// Table maps keys to values, up to a limit. Make it with New. It is not safe
// for use by several goroutines.
//
// Keys are found by open addressing: a look-up reads one cell, and the entry
// that it points to. A Go map would read three places.
type Table[K comparable, V any] struct {
	hash  func(K) uint64
	cells []cell[K, V] // a power of two of them, at most half of them in use
	used  int
	limit int
	ring  Entry[K, V] // sentinel: ring.next was used last, ring.prev longest ago
	free  *Entry[K, V]
	fresh []Entry[K, V] // never used yet
	made  int           // entries allocated so far
}

// cell is a place of the hash table, free where it has no entry.
type cell[K comparable, V any] struct {
	hash  uint64
	entry *Entry[K, V]
}

const (
	firstCells = 16
	// mostTogether bounds how many entries are allocated in one go. The runtime
	// puts a header of 8 bytes before them, with which 32 entries of most sizes
	// would take the next larger class of memory.
	mostTogether = 31
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
	t := &Table[K, V]{hash: hash, cells: make([]cell[K, V], firstCells), limit: max(limit, 1)}
	t.ring.prev, t.ring.next = &t.ring, &t.ring
	return t
}

// Len returns how many entries the table holds.
func (t *Table[K, V]) Len() int { return t.used }

// Limit returns how many entries the table can hold.
func (t *Table[K, V]) Limit() int { return t.limit }

// Full reports whether Add needs room made first.
func (t *Table[K, V]) Full() bool { return t.used >= t.limit }

// Get returns the entry of a key, or nil. The order stays as it is.
func (t *Table[K, V]) Get(k K) *Entry[K, V] {
	h := t.hash(k)
	for at := t.home(h); ; at = t.after(at) {
		c := &t.cells[at]
		if c.entry == nil || c.hash == h && c.entry.Key == k {
			return c.entry
		}
	}
}

// Probe returns an entry whose key has a hash, or nil when there is none. It
// is for who has the hash of a key at hand and compares the keys himself, which
// is faster than Get: only if they differ Get must be asked.
func (t *Table[K, V]) Probe(hash uint64) *Entry[K, V] {
	cells := t.cells
	mask := uint64(len(cells) - 1) //nolint:gosec // there are some
	for at := hash & mask; ; at = (at + 1) & mask {
		if c := &cells[at]; c.hash == hash || c.entry == nil {
			return c.entry
		}
	}
}

// Oldest returns the entry whose last use is longest ago, or nil when the
// table is empty.
func (t *Table[K, V]) Oldest() *Entry[K, V] {
	if t.ring.prev == &t.ring {
		return nil
	}
	return t.ring.prev
}

// Newer returns the entry that was used next after e, or nil when e was the
// last one used.
func (t *Table[K, V]) Newer(e *Entry[K, V]) *Entry[K, V] {
	if e.prev == &t.ring {
		return nil
	}
	return e.prev
}

// Touch makes e the entry used last.
func (t *Table[K, V]) Touch(e *Entry[K, V]) {
	if t.ring.next == e {
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	t.front(e)
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
	e := t.take()
	e.Key = k
	t.place(cell[K, V]{t.hash(k), e})
	t.used++
	t.front(e)
	return e
}

// Remove takes e out. Its memory is used again for a later entry, so e must
// not be kept.
func (t *Table[K, V]) Remove(e *Entry[K, V]) {
	at := t.home(t.hash(e.Key))
	for t.cells[at].entry != e {
		at = t.after(at)
	}
	t.vacate(at)
	t.drop(e)
}

// drop takes e, which has no cell any more, out of the order of use, and keeps
// its memory.
func (t *Table[K, V]) drop(e *Entry[K, V]) {
	t.used--
	e.prev.next, e.next.prev = e.next, e.prev
	*e = Entry[K, V]{next: t.free}
	t.free = e
}

// home is the cell that a hash belongs in, if it is free.
func (t *Table[K, V]) home(h uint64) int { return int(h & uint64(len(t.cells)-1)) } //nolint:gosec // an index

// after is the cell that follows, the first one after the last.
func (t *Table[K, V]) after(at int) int { return (at + 1) & (len(t.cells) - 1) }

// place puts a cell where it is found.
func (t *Table[K, V]) place(c cell[K, V]) {
	at := t.home(c.hash)
	for t.cells[at].entry != nil {
		at = t.after(at)
	}
	t.cells[at] = c
}

// vacate frees a cell and moves those behind it up, so that look-ups can end
// at the first free one.
func (t *Table[K, V]) vacate(hole int) {
	mask := len(t.cells) - 1
	for at := t.after(hole); t.cells[at].entry != nil; at = t.after(at) {
		// What is at home behind the hole stays.
		if home := t.home(t.cells[at].hash); (at-home)&mask >= (at-hole)&mask {
			t.cells[hole] = t.cells[at]
			hole = at
		}
	}
	t.cells[hole] = cell[K, V]{}
}

// grow doubles the cells.
func (t *Table[K, V]) grow() {
	old := t.cells
	t.cells = make([]cell[K, V], 2*len(old))
	for _, c := range old {
		if c.entry != nil {
			t.place(c)
		}
	}
}

// take returns an entry that is not in use: one that was before, or one of the
// next few, which are allocated together.
func (t *Table[K, V]) take() *Entry[K, V] {
	if e := t.free; e != nil {
		t.free = e.next
		return e
	}
	if len(t.fresh) == 0 {
		n := min(t.made+1, mostTogether, t.limit-t.made)
		t.fresh = make([]Entry[K, V], max(n, 1))
		t.made += len(t.fresh)
	}
	e := &t.fresh[0]
	t.fresh = t.fresh[1:]
	return e
}

// Rekey gives every entry the key that next has for it, and takes out those
// for which next reports false. No two entries may get the same key. The order
// stays as it is.
func (t *Table[K, V]) Rekey(next func(e *Entry[K, V]) (K, bool)) {
	clear(t.cells)
	for e := t.ring.prev; e != &t.ring; {
		newer := e.prev
		if k, ok := next(e); ok {
			e.Key = k
			t.place(cell[K, V]{t.hash(k), e})
		} else {
			t.drop(e)
		}
		e = newer
	}
}

// front links e in as the entry used last.
func (t *Table[K, V]) front(e *Entry[K, V]) {
	e.prev, e.next = &t.ring, t.ring.next
	e.next.prev = e
	t.ring.next = e
}
