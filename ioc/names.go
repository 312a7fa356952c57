package ioc

// names matches names. Every indicator name is in the table, and its hash is in the
// filter, with those of all names above it: if the filter does not have a suffix,
// neither that suffix nor any name below it is an indicator. So the walk over a name,
// from the right, ends at the first suffix that the filter does not have, which for a
// clean name is nearly always the first that is looked up.
type names struct {
	secret secret
	arena  arena
	table  nameTable
	below  filter // of the indicator names and all names above them
	kill   killSwitches
	// escapes is set when an indicator has a backslash: then its text is not the
	// same as its bytes on the wire.
	escapes bool
}

// namesFilterBits is how many bits the filter has a name. It is a little less than
// for addresses: a wrong answer only costs one further look-up.
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

// begin sets the name; next then goes to its first suffix.
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

// lookup returns the record of the most specific indicator that is the name itself or
// above it, and has not expired.
func (n *names) lookup(name []byte, now moment) (found ref, ok bool) {
	var s suffixes
	s.begin(name)
	if !s.next() { // a single label is not an indicator
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

// note returns the note of a record that counts at a packet time, nil if the record is
// no indicator then. itself says that the name in question is that of the record, and
// not one below it.
func (n *names) note(r ref, itself bool, now moment) *note {
	said, _ := now.holding(n.arena.entry(r).note)
	if said != nil && said.exact && !itself {
		return nil
	}
	return said
}

// clean reports true for most names that neither lookup nor the kill switches would
// find, and false for all others. The name is as in Set.Clean.
//
// It compares bytes on the wire with indicators as text. That is right as long as no
// indicator has a backslash: then only labels that are the same in both forms, but
// for case, can be part of one.
func (n *names) clean(msg []byte, labels []int, lengths uint64) bool {
	if n.escapes || lengths&n.kill.lengths != 0 {
		return false
	}
	last := len(labels) - 1
	if last < 1 { // a single label is not an indicator
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

// index makes the filter, and makes the table as small as it can be.
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
