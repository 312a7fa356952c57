package outbox

import (
	"slices"
	"sort"
)

// A tail is the latest events in memory, so that a sink that keeps up need not read
// them from the disk. Those that are not on the disk yet are among them. It is
// guarded by Outbox.mu.
type tail struct {
	entries []entry
	from    uint64 // the position after which every event that was shown is here
}

// tailSize is how many events a tail holds at least, once there have been so many.
const tailSize = 4096

// add adds events, and drops old ones, but none that is not durable.
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

// forget notes that sinks have lost events and are no longer to get them.
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
