package ioc

import "math/bits"

// names matches names. Every indicator name is in the table, and the hash of
// it and of each name above it in the filter: as long as the filter knows a
// suffix there may be an indicator at it or below. So the walk over a name,
// from the right, ends at the first suffix that the filter does not know,
// which for a clean name is nearly always the first one asked for.
type names struct {
	secret secret
	arena  arena
	table  nameTable
	below  filter
	kill   killSwitches
}

// A suffixes walks over the suffixes of a name from the right, at label
// boundaries: for www.example.com com, then example.com, then the whole.
type suffixes struct {
	name   []byte
	secret *secret
	start  int    // where the suffix begins
	hash   uint64 // of the suffix
}

func (k *secret) suffixes(name []byte) suffixes {
	return suffixes{name: name, secret: k, start: len(name) + 1, hash: k.a}
}

// next goes to the next longer suffix, and reports false when there is none.
func (s *suffixes) next() bool {
	end := s.start - 1
	if end <= 0 {
		return false
	}
	s.start = labelStart(s.name, end)
	s.hash = s.secret.label(s.hash, s.name[s.start:end])
	return true
}

// labelStart returns where the label that ends at end begins. A dot behind a
// backslash is part of a label (RFC 1035, 5.1).
func labelStart(name []byte, end int) int {
	for i := end - 1; i >= 0; i-- {
		if name[i] == '.' && !escaped(name, i) {
			return i + 1
		}
	}
	return 0
}

// escaped reports whether an odd number of backslashes stands before at.
func escaped(name []byte, at int) bool {
	first := at
	for first > 0 && name[first-1] == '\\' {
		first--
	}
	return (at-first)&1 == 1
}

// hash returns the hash of a whole name.
func (n *names) hash(name []byte) uint64 {
	s := n.secret.suffixes(name)
	for s.next() {
	}
	return s.hash
}

// lookup returns the record of the most specific indicator that a name is or
// is below. exact reports of a record that it matches only its own name.
func (n *names) lookup(name []byte, exact func(ref) bool) (found ref, ok bool) {
	s := n.secret.suffixes(name)
	if !s.next() { // a single label is no indicator
		return 0, false
	}
	for s.next() && n.below.has(s.hash) {
		at := n.table.find(s.hash, s.name[s.start:], &n.arena)
		if at != nil && (s.start == 0 || !exact(*at)) {
			found, ok = *at, true
		}
	}
	return found, ok
}

// index makes the filter, and the table as small as it can be.
func (n *names) index() {
	n.below = newFilter(n.countSuffixes(n.table.count))
	n.table = newNameTable(n.table.count)
	n.arena.each(func(r ref, name []byte) {
		s := n.secret.suffixes(name)
		s.next()
		for s.next() {
			n.below.add(s.hash)
		}
		n.table.add(s.hash, r)
	})
}

// countSuffixes returns about how many different suffixes so many names have,
// counted by a bit each (Whang et al., "A Linear-Time Probabilistic Counting
// Algorithm", 1990), uncorrected: up to a fifth too few.
func (n *names) countSuffixes(names int) int {
	seen := make([]uint64, names/16+1)
	n.arena.each(func(_ ref, name []byte) {
		s := n.secret.suffixes(name)
		s.next()
		for s.next() {
			seen[scale(s.hash, len(seen))] |= 1 << (s.hash & 63)
		}
	})
	count := 0
	for _, word := range seen {
		count += bits.OnesCount64(word)
	}
	return count
}

// grow replaces the table by one of twice the size.
func (n *names) grow() {
	n.table = nameTable{buckets: make([]bucket, 2*len(n.table.buckets)+1)}
	n.arena.each(func(r ref, name []byte) { n.table.add(n.hash(name), r) })
}

// bytes returns about how much memory the names take.
func (n *names) bytes() int {
	const bucketBytes = 64
	return len(n.arena.chunks)*chunkSize + len(n.table.buckets)*bucketBytes + len(n.below.words)*8
}
