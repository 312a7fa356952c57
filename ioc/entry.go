package ioc

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"
)

// An entry is what a line of a feed says of an observable.
//
// If an observable has several entries, a match has the best one that has not expired
// by the packet's time. So they are kept in a list, the best first, without those
// that expire no later than a better one, which nearly always leaves one. Line
// numbers are kept of the best only, so that many names can share notes.
type entry struct{ note, line uint32 }

// merge returns the best entry of an observable after known was its best entry and
// next is added. The result does not depend on the order in which entries are added.
func (nb *notebook) merge(known, next entry) entry {
	entries := nb.entries(known)
	better := func(e entry) bool { return nb.compare(e, next) >= 0 }
	at := 0
	for at < len(entries) && better(entries[at]) {
		at++
	}
	best, again := &nb.notes[known.note], &nb.notes[next.note]
	exact := best.exact && again.exact
	listed := nb.list(best, again.source)
	return nb.link(nb.needed(slices.Insert(entries, at, next)), listed, exact)
}

// entries returns the entries of an observable, from e on.
func (nb *notebook) entries(e entry) []entry {
	list := []entry{e}
	for then := nb.notes[e.note].then; then != 0; then = nb.notes[then-1].then {
		list = append(list, entry{note: then - 1})
	}
	return list
}

// compare is positive if a is better than b: by class, confidence, having a
// description, and how late it expires. If all are the same, the names of feed and
// file decide, so that the order in which feeds are read does not.
func (nb *notebook) compare(a, b entry) int {
	x, y := &nb.notes[a.note], &nb.notes[b.note]
	if by := cmp.Or(
		cmp.Compare(x.class.weight(), y.class.weight()),
		cmp.Compare(x.confidence.weight(), y.confidence.weight()),
		cmp.Compare(min(x.description, 1), min(y.description, 1)),
		cmp.Compare(x.until(), y.until()),
	); by != 0 || x.source == y.source {
		return by
	}
	from, other := nb.sources[x.source], nb.sources[y.source]
	return cmp.Or(strings.Compare(nb.texts[other.feed], nb.texts[from.feed]), strings.Compare(nb.texts[other.file], nb.texts[from.file]))
}

// needed leaves out the entries that expire no later than one before them.
func (nb *notebook) needed(entries []entry) []entry {
	kept := entries[:1]
	for _, e := range entries[1:] {
		if nb.notes[e.note].until() > nb.notes[kept[len(kept)-1].note].until() {
			kept = append(kept, e)
		}
	}
	return kept
}

// link makes a list of entries, and returns the first.
func (nb *notebook) link(entries []entry, listed uint32, exact bool) entry {
	var then uint32
	for i, e := range slices.Backward(entries) {
		n := nb.notes[e.note]
		n.then, n.exact, n.listed = then, exact, 0
		if i == 0 {
			n.listed = listed
		}
		then = number(&nb.notes, nb.noteNumbers, n) + 1
	}
	return entry{then - 1, entries[0].line}
}

// list returns the number of the list of an observable's sources and one more.
func (nb *notebook) list(best *note, source uint32) uint32 {
	sources := nb.lists[best.listed]
	if best.listed == 0 {
		sources = []uint32{best.source}
	}
	at, known := slices.BinarySearch(sources, source)
	if known {
		return best.listed
	}
	sources = slices.Insert(slices.Clone(sources), at, source)
	var key []byte
	for _, s := range sources {
		key = binary.LittleEndian.AppendUint32(key, s)
	}
	if number, ok := nb.listNumbers[string(key)]; ok {
		return number
	}
	number := uint32(len(nb.lists)) //nolint:gosec // bounded by Builder.room
	nb.lists = append(nb.lists, sources)
	nb.listNumbers[string(key)] = number
	return number
}

// listedBy reports whether a source lists an observable, whose best note is given.
func (nb *notebook) listedBy(best, source uint32) bool {
	n := &nb.notes[best]
	return n.source == source || slices.Contains(nb.lists[n.listed], source)
}

// until returns when a note expires, in Unix seconds.
func (n *note) until() int64 {
	if n.expires == noTime {
		return math.MaxInt64
	}
	return n.expires
}

// holds reports whether a note has not expired at a packet time in Unix nanoseconds.
func (n *note) holds(at int64) bool {
	if n.expires == noTime {
		return true
	}
	second, rest := at/int64(time.Second), at%int64(time.Second)
	return second < n.expires || second == n.expires && rest <= 0
}

// A moment is a packet time, in Unix nanoseconds, at which notes are looked at.
type moment struct {
	notes *notebook
	time  int64
}

// holding returns the first note of an observable that has not expired, and its place
// in the list, of which best is the first; nil if all have expired.
func (m moment) holding(best uint32) (n *note, place uint8) {
	for n = &m.notes.notes[best]; !n.holds(m.time); place++ {
		if n.then == 0 {
			return nil, 0
		}
		n = &m.notes.notes[n.then-1]
	}
	return n, place
}

// holds reports whether an observable, whose best note is given, is an indicator at
// that time.
func (m moment) holds(best uint32) bool {
	n, _ := m.holding(best)
	return n != nil
}
