package ioc

// A nameTable finds the record of a name by its hash. It is made of buckets
// of one cache line each; a bucket fills from the front, and what does not
// fit is in the next one that has room. A name costs 5.3 bytes divided by how
// full the table is. Entries are never deleted.
type nameTable struct {
	buckets []bucket // none while the table is empty
	count   int
}

// A bucket has places for names. A place's tag is a byte of the name's hash,
// 0 where the place is free; it saves most visits to the arena.
type bucket struct {
	tags [bucketSize]uint8
	_    uint32
	refs [bucketSize]ref
}

const (
	bucketSize = 12
	// Of 8 places, how many may be taken while the table grows, and how many
	// are in a table that grows no more.
	growingFill, finalFill = 6, 7
)

// tagOf returns the tag of a hash. Its bits are not among those that choose
// the bucket.
func tagOf(h uint64) uint8 { return max(uint8(h), 1) } //nolint:gosec // the low byte is meant

// newNameTable makes a table for n names that takes no more.
func newNameTable(n int) nameTable {
	return nameTable{buckets: make([]bucket, n*8/(bucketSize*finalFill)+1)}
}

// find returns the place of the reference to a name, nil if there is none.
func (t *nameTable) find(h uint64, name []byte, names *arena) *ref {
	if len(t.buckets) == 0 {
		return nil
	}
	tag := tagOf(h)
	for at := scale(h, len(t.buckets)); ; {
		b := &t.buckets[at]
		for i, have := range b.tags {
			if have == 0 {
				return nil
			}
			if have == tag && names.is(b.refs[i], name) {
				return &b.refs[i]
			}
		}
		if at++; at == len(t.buckets) {
			at = 0
		}
	}
}

// mayHave reports false only for hashes of names that are not there.
func (t *nameTable) mayHave(h uint64) bool {
	tag := tagOf(h)
	for at := scale(h, len(t.buckets)); ; {
		for _, have := range t.buckets[at].tags {
			if have == 0 || have == tag {
				return have == tag
			}
		}
		if at++; at == len(t.buckets) {
			at = 0
		}
	}
}

// add adds a name that is not there. The table must have room.
func (t *nameTable) add(h uint64, r ref) {
	for at := scale(h, len(t.buckets)); ; {
		b := &t.buckets[at]
		for i, have := range b.tags {
			if have == 0 {
				b.tags[i], b.refs[i] = tagOf(h), r
				t.count++
				return
			}
		}
		if at++; at == len(t.buckets) {
			at = 0
		}
	}
}

// crowded reports whether the table must be replaced by a larger one before
// a name is added.
func (t *nameTable) crowded() bool {
	return t.count*8 >= len(t.buckets)*bucketSize*growingFill
}
