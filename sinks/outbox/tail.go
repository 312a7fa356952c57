package outbox

import (
	"slices"
	"sort"
)

// A tail is the latest events, so that a sink that keeps up need not read them
// from the disk, and what is not there yet. It is guarded by Outbox.mu.
type tail struct {
	entries []entry
	from    uint64 // every event after this position that was shown is there
}

// tailSize is how many events a tail holds at the least, once there are so many.
const tailSize = 4096

// add adds events. What is not durable stays as long as it is not.
func (t *tail) add(list []entry, durable uint64) {
	t.entries = append(t.entries, list...)
	if len(t.entries) > 2*tailSize {
		safe := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].position > durable })
		drop := min(len(t.entries)-tailSize, safe)
		if drop == 0 {
			return
		}
		t.from = t.entries[drop-1].position
		t.entries = slices.Delete(t.entries, 0, drop)
	}
}

// forget takes events from the sinks that have lost them.
func (t *tail) forget(given map[uint64]uint64) {
	for i := range t.entries {
		t.entries[i].wanted &^= given[t.entries[i].position]
	}
}

// after returns up to n of the events after a position, and whether the tail
// reaches back so far. What it returns is valid until the next add.
func (t *tail) after(position uint64, n int) ([]entry, bool) {
	if position < t.from {
		return nil, false
	}
	i := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].position > position })
	return t.entries[i:min(i+n, len(t.entries))], true
}
