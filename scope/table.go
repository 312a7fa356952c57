package scope

import (
	"iter"
	"net/netip"
)

// levels is how many ranks of importance a table tells apart: the states, and
// that of verdict.level.
const levels = stateCount + 1

// A table holds hosts up to a limit. At the limit the host of the lowest level
// goes, and of those the one that was not heard of for the longest time.
type table struct {
	limit   int
	index   index
	ends    [levels]struct{ oldest, newest *host }
	count   [levels]int
	evicted [levels]uint64
	crowd   crowd
	marks   map[netip.Addr][]Mark // outlive the host
	fresh   []host                // allocated and never used yet
	gone    *host                 // dropped, to be used again
}

// together is how many hosts are allocated in one go.
const together = 32

func newTable(limit int) table {
	return table{limit: limit, index: newIndex(), marks: make(map[netip.Addr][]Mark)}
}

// get returns the host of an address, new at level 0 if it was not known.
func (t *table) get(a netip.Addr) *host {
	hash := t.index.hash(a)
	h := t.index.get(a, hash)
	if h == nil {
		h = t.unused()
		*h = host{addr: a, hash: hash, marks: t.marks[a]}
		t.index.add(h)
		t.link(h)
	}
	return h
}

// find returns the host of an address, nil when it is not known.
func (t *table) find(a netip.Addr) *host { return t.index.get(a, t.index.hash(a)) }

// all yields the hosts, those of the lowest level first.
func (t *table) all() iter.Seq[*host] {
	return func(yield func(*host) bool) {
		for level := range t.ends {
			for h := t.ends[level].oldest; h != nil; h = h.next {
				if !yield(h) {
					return
				}
			}
		}
	}
}

// put adds a fact to a host, and reports whether that changed anything.
func (t *table) put(h *host, f *fact) bool {
	return h.put(f, &t.crowd)
}

// unused returns room for a host.
func (t *table) unused() *host {
	if h := t.gone; h != nil {
		t.gone = h.next
		return h
	}
	if len(t.fresh) == 0 {
		t.fresh = make([]host, together)
	}
	h := &t.fresh[0]
	t.fresh = t.fresh[1:]
	return h
}

// touch says that a host was heard of, and its level now. It is to be called
// after each change: it keeps the table within its limit.
func (t *table) touch(h *host, level uint8) {
	t.unlink(h)
	h.level = level
	t.link(h)
	for t.index.used > t.limit {
		t.evict()
	}
}

// evict drops a host. It keeps what is known of it until its room is needed:
// it may be the one that is looked at.
func (t *table) evict() {
	for level := range t.ends {
		if h := t.ends[level].oldest; h != nil {
			t.unlink(h)
			t.index.remove(h)
			h.next, t.gone = t.gone, h
			t.evicted[level]++
			t.crowd.leave(h)
			return
		}
	}
}

// evictedAny reports whether hosts were dropped.
func (t *table) evictedAny() bool { return t.evicted != [levels]uint64{} }

func (t *table) link(h *host) {
	t.count[h.level]++
	end := &t.ends[h.level]
	h.prev, h.next = end.newest, nil
	if end.newest != nil {
		end.newest.next = h
	} else {
		end.oldest = h
	}
	end.newest = h
}

func (t *table) unlink(h *host) {
	t.count[h.level]--
	end := &t.ends[h.level]
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		end.oldest = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	} else {
		end.newest = h.prev
	}
	h.prev, h.next = nil, nil
}
