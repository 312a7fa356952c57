package ioc

import (
	"bytes"
	"math/bits"
	"slices"
)

// A draft is what a Builder notes of names while they are added, so that Build need
// not look at each of a million names again.
type draft struct {
	own     hashList // hashes of the arena's records, one each, replaced ones too
	parents hashList // hashes of the names above them that have two labels or more
	byNote  []int    // how many names there are of each note
	kills   []ref    // records of class kill-switch, replaced ones too
	wire    wireName
	near    uint32 // what touch returned: nobody reads it, but the compiler may not drop the loads
}

// A nameKey is what a name is found by.
type nameKey struct {
	hash   uint64
	labels int // how many, 0 for a name with a backslash: a dot may be part of a label
}

// key returns the key of a name, or what keeps it from being canonical.
func (d *draft) key(n *names, name []byte) (nameKey, error) {
	if err := d.wire.set(name); err != nil {
		return nameKey{}, err
	}
	if bytes.IndexByte(name, '\\') >= 0 {
		return nameKey{hash: n.hash(name)}, nil
	}
	return nameKey{d.wire.hash(&n.secret, len(name), 0), d.wire.n}, nil
}

// noteParents notes the names above one.
func (d *draft) noteParents(n *names, name []byte, key nameKey) {
	switch key.labels {
	case 2:
	case 0:
		n.escapes = true
		d.noteEscaped(n, name)
	default:
		if d.wire.set(name) != nil {
			return // it was checked when it got its key
		}
		for label := 1; label < key.labels-1; label++ {
			d.parents.addOnce(d.wire.hash(&n.secret, len(name), label))
		}
	}
}

// noteEscaped is noteParents for a name with a backslash.
func (d *draft) noteEscaped(n *names, name []byte) {
	var s suffixes
	s.begin(name)
	s.next()
	for s.next() && s.start > 0 {
		d.parents.addOnce(s.hash(&n.secret))
	}
}

// record notes the hash of a new record of the arena, and its note.
func (d *draft) record(s *Set, r ref, h uint64, note uint32) {
	d.own.add(h)
	d.name(s, r, note)
}

// name notes that a record has a note.
func (d *draft) name(s *Set, r ref, note uint32) {
	d.count(note, 1)
	if s.notes.notes[note].class == KillSwitch {
		d.kills = append(d.kills, r)
	}
}

// count adds by, 1 or -1, to the number of names of a note.
func (d *draft) count(note uint32, by int) {
	if missing := int(note) - len(d.byNote) + 1; missing > 0 {
		d.byNote = append(d.byNote, make([]int, missing)...)
	}
	d.byNote[note] += by
}

// killed returns the records of class kill-switch.
func (d *draft) killed(a *arena) []ref {
	slices.Sort(d.kills)
	return slices.DeleteFunc(slices.Compact(d.kills), a.replaced)
}

// A hashList is a list of hashes. It grows without copying what it has.
type hashList struct {
	chunks [][]uint64
	last   uint64
	len    int
}

const hashChunk = 1 << 13

func (l *hashList) add(h uint64) {
	if l.len%hashChunk == 0 {
		l.chunks = append(l.chunks, make([]uint64, hashChunk))
	}
	l.chunks[l.len/hashChunk][l.len%hashChunk] = h
	l.last = h
	l.len++
}

// addOnce adds a hash, unless it is the one added last.
func (l *hashList) addOnce(h uint64) {
	if l.len == 0 || l.last != h {
		l.add(h)
	}
}

func (l *hashList) at(i int) uint64 { return l.chunks[i/hashChunk][i%hashChunk] }

// from returns hashes from the i-th on, up to the end of its chunk.
func (l *hashList) from(i int) []uint64 { return l.chunks[i/hashChunk][i%hashChunk:] }

// different returns about how many different hashes there are, counted by a
// bit each (Whang et al., "A Linear-Time Probabilistic Counting Algorithm",
// 1990), uncorrected: up to a fifth too few.
func (l *hashList) different() int {
	seen := make([]uint64, l.len/16+1)
	for i := range l.len {
		h := l.at(i)
		seen[scale(h, len(seen))] |= 1 << (h & 63)
	}
	count := 0
	for _, word := range seen {
		count += bits.OnesCount64(word)
	}
	return count
}
