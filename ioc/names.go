package ioc

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
	// escapes is set when a name has a backslash: it may stand for a byte that
	// is another one on the wire.
	escapes bool
}

// namesFilterBits is a little less than addresses have for each: a name that
// is wrongly taken for known costs one more look.
const namesFilterBits = 14

// A suffixes walks over the suffixes of a name from the right, at label
// boundaries: for www.example.com com, then example.com, then the whole. It
// ends before one that is too long for an indicator.
type suffixes struct {
	name  []byte
	start int // where the suffix begins
	// wire ends with the suffix as it is in DNS messages: each label with its
	// length before it. That is what is hashed.
	wire [8 + 1 + maxName]byte
}

// begin goes to before the first suffix of a name.
func (s *suffixes) begin(name []byte) {
	s.name, s.start = name, len(name)+1
	end := name[max(0, len(name)-maxName):]
	copy(s.wire[len(s.wire)-len(end):], end)
}

// next goes to the next longer suffix, and reports false when there is none.
func (s *suffixes) next() bool {
	end := s.start - 1
	if end <= 0 {
		return false
	}
	start := labelStart(s.name, end)
	size := len(s.name) - start
	if size > maxName {
		return false
	}
	s.start = start
	s.wire[len(s.wire)-size-1] = byte(end - start) //nolint:gosec // that of a label that is too long may be any
	return true
}

// hash returns the hash of the suffix.
func (s *suffixes) hash(k *secret) uint64 {
	return k.text(s.wire[:], len(s.name)-s.start+1)
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
	var s suffixes
	s.begin(name)
	for s.next() {
	}
	return s.hash(&n.secret)
}

// lookup returns the record of the most specific indicator that holds and that
// a name is or is below.
func (n *names) lookup(name []byte, now moment) (found ref, ok bool) {
	var s suffixes
	s.begin(name)
	if !s.next() { // a single label is no indicator
		return 0, false
	}
	for s.next() {
		hash := s.hash(&n.secret)
		if !n.below.has(hash) {
			break
		}
		at := n.table.find(hash, s.name[s.start:], &n.arena)
		if at != nil && n.note(*at, s.start == 0, now) != nil {
			found, ok = *at, true
		}
	}
	return found, ok
}

// note returns what speaks for a record at a packet time, asked for a name that
// is the record's itself or more than that; nil if that is no indicator.
func (n *names) note(r ref, itself bool, now moment) *note {
	said, _ := now.holding(n.arena.entry(r).note)
	if said != nil && said.exact && !itself {
		return nil
	}
	return said
}

// clean reports, for most names that lookup and the kill switches do not know,
// that they don't. The name is as in Set.Clean.
//
// Without a backslash in any indicator, only labels that are the same as text
// and on the wire, but for case, can be a part of one.
func (n *names) clean(msg []byte, labels []int, lengths uint64) bool {
	if n.escapes || lengths&n.kill.lengths != 0 {
		return false
	}
	last := len(labels) - 1
	if last < 1 { // a single label is no indicator
		return true
	}
	end := after(msg, labels[last])
	if end < 8 {
		return false
	}
	for i := last - 1; i >= 0; i-- {
		if after(msg, labels[i]) != labels[i+1] { // a pointer leads there
			return false
		}
		hash := n.secret.text(msg[:end], end-labels[i])
		if !n.below.has(hash) {
			return true
		}
		if n.table.mayHave(hash) {
			return false
		}
	}
	return true
}

// after returns where the label at a place of a message ends.
func after(msg []byte, label int) int { return label + 1 + int(msg[label]) }

// index makes the filter, and the table as small as it can be.
func (n *names) index(d *draft) {
	n.below = newFilter(n.table.count+d.parents.different(), namesFilterBits)
	for _, list := range []*hashList{&d.own, &d.parents} {
		for i := range list.len {
			n.below.add(list.at(i))
		}
	}
	n.table = newNameTable(n.table.count)
	n.fill(d)
}

// grow replaces the table by one of twice the size.
func (n *names) grow(d *draft) {
	n.table = nameTable{buckets: make([]bucket, 2*len(n.table.buckets)+1)}
	n.fill(d)
}

// fill puts all names into the table.
func (n *names) fill(d *draft) {
	n.arena.walk(func(nth int, r ref, _ []byte) {
		if nth%batchSize == 0 {
			d.near += n.table.touch(d.own.from(nth))
		}
		n.table.add(d.own.at(nth), r)
	})
}

// bytes returns about how much memory the names take.
func (n *names) bytes() int {
	const bucketBytes = 64
	return len(n.arena.chunks)*chunkSize + len(n.table.buckets)*bucketBytes + len(n.below.words)*8
}
