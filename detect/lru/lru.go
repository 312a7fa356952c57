// Package lru is the table that the detectors keep their state in: a map with
// a limit, whose entries stand in the order of their last use. Whoever uses it
// decides what happens to the entry that is pushed out, and walks it in an
// order that depends on the packets alone, never on Go's map order.
package lru

// An Entry is one key and its value, at its place in the order of use.
type Entry[K comparable, V any] struct {
	Key        K
	Value      V
	prev, next *Entry[K, V] // prev was used later, next longer ago
}

// Table maps keys to values, up to a limit. Make it with New. It is not safe
// for use by several goroutines.
type Table[K comparable, V any] struct {
	entries map[K]*Entry[K, V]
	ring    Entry[K, V] // sentinel: ring.next was used last, ring.prev longest ago
	free    *Entry[K, V]
	limit   int
}

// New makes a table for at most limit entries (at least one). It grows with
// what it holds.
func New[K comparable, V any](limit int) *Table[K, V] {
	t := &Table[K, V]{entries: make(map[K]*Entry[K, V]), limit: max(limit, 1)}
	t.ring.prev, t.ring.next = &t.ring, &t.ring
	return t
}

// Len returns how many entries the table holds.
func (t *Table[K, V]) Len() int { return len(t.entries) }

// Limit returns how many entries the table can hold.
func (t *Table[K, V]) Limit() int { return t.limit }

// Full reports whether Add needs room made first.
func (t *Table[K, V]) Full() bool { return len(t.entries) >= t.limit }

// Get returns the entry of a key, or nil. The order stays as it is.
func (t *Table[K, V]) Get(k K) *Entry[K, V] { return t.entries[k] }

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
	e := t.free
	if e == nil {
		e = new(Entry[K, V])
	} else {
		t.free = e.next
	}
	e.Key = k
	t.entries[k] = e
	t.front(e)
	return e
}

// Remove takes e out. Its memory is used again for a later entry, so e must
// not be kept.
func (t *Table[K, V]) Remove(e *Entry[K, V]) {
	delete(t.entries, e.Key)
	e.prev.next, e.next.prev = e.next, e.prev
	*e = Entry[K, V]{next: t.free}
	t.free = e
}

// front links e in as the entry used last.
func (t *Table[K, V]) front(e *Entry[K, V]) {
	e.prev, e.next = &t.ring, t.ring.next
	e.next.prev = e
	t.ring.next = e
}
