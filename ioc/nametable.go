package ioc

import (
	"encoding/binary"
	"math/bits"
)

// A nameTable finds the record of a name by its hash. It is made of buckets
// of one cache line each; a bucket fills from the front, and what does not
// fit is in the next one that has room. A name costs 5.3 bytes divided by how
// full the table is. Entries are never deleted.
type nameTable struct {
	buckets []bucket // none while the table is empty
	count   int
}

// A bucket has places for names, of which the first used are taken. A place's tag is a
// byte of the name's hash, 0 where the place is free; it saves most visits to the
// arena. All tags are compared at once, and a bucket with room decides nothing else:
// so a processor need not wait for one bucket to come from memory before it asks for
// the next.
type bucket struct {
	tags [bucketSize]uint8
	used uint32
	refs [bucketSize]ref
}

const (
	bucketSize = 12
	// Of 8 places, how many may be taken while the table grows, and how many
	// are in a table that no longer grows.
	growingFill, finalFill = 6, 7
)

// tagOf returns the tag of a hash. Its bits are not among those that choose
// the bucket.
func tagOf(h uint64) uint8 { return max(uint8(h), 1) } //nolint:gosec // the low byte is meant

// newNameTable makes a table for at most n names.
func newNameTable(n int) nameTable {
	return nameTable{buckets: make([]bucket, n*8/(bucketSize*finalFill)+1)}
}

// having returns a bit for each place that may have the tag, the lowest for the first
// place. It misses none.
func (b *bucket) having(tag uint8) uint64 {
	const ones, tops, gather = 0x0101010101010101, 0x8080808080808080, 0x0002040810204081
	first := binary.LittleEndian.Uint64(b.tags[:]) ^ ones*uint64(tag)
	last := binary.LittleEndian.Uint64(b.tags[bucketSize-8:]) ^ ones*uint64(tag)
	// A byte that is 0 borrows from its upper bit.
	first = (first - ones) &^ first & tops
	last = (last - ones) &^ last & tops
	return first*gather>>56 | last*gather>>56<<(bucketSize-8)
}

// find returns the place of the reference to a name, nil if there is none.
func (t *nameTable) find(h uint64, name []byte, names *arena) *ref {
	if len(t.buckets) == 0 {
		return nil
	}
	tag := tagOf(h)
	for at := scale(h, len(t.buckets)); ; {
		b := &t.buckets[at]
		for places := b.having(tag); places != 0; places &= places - 1 {
			if r := &b.refs[bits.TrailingZeros64(places)%bucketSize]; names.is(*r, name) {
				return r
			}
		}
		if b.used < bucketSize {
			return nil
		}
		if at++; at == len(t.buckets) {
			at = 0
		}
	}
}

// touch loads the memory that find and add need for the hashes of a batch into the
// cache, all side by side. What it returns means nothing; a caller must keep it so
// that the compiler does not drop the loads.
func (t *nameTable) touch(hashes []uint64) (useless uint32) {
	if len(t.buckets) == 0 {
		return 0
	}
	for _, h := range hashes[:min(batchSize, len(hashes))] {
		useless += t.buckets[scale(h, len(t.buckets))].used
	}
	return useless
}

// mayHave reports false only for hashes of names that are not there.
func (t *nameTable) mayHave(h uint64) bool {
	tag := tagOf(h)
	for at := scale(h, len(t.buckets)); ; {
		b := &t.buckets[at]
		if b.having(tag) != 0 {
			return true
		}
		if b.used < bucketSize {
			return false
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
		if i := b.used; i < bucketSize {
			b.tags[i], b.refs[i] = tagOf(h), r
			b.used++
			t.count++
			return
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
