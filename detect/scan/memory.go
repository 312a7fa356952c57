package scan

import "wormscope/internal/prefetch"

// memory remembers for a week that something was seen: who contacted whom,
// who is alive. It keeps fingerprints in buckets of one cache line, four bytes
// each: 27 bits of the hash and the third of a day it was last seen in. Where
// a bucket is full, the one unseen for longest goes. With n entries a new
// thing is taken for a known one with probability n/2³², at most 0.1 %.
//
// Buckets stand in segments, so that a memory can grow without being copied: what
// is left behind would be as much again, and waits for the garbage collector.
type memory struct {
	segments []*[segmentSize]bucket
	size     int    // buckets in use, a power of two
	limit    int    // buckets at most, a power of two
	used     int    // entries
	third    int64  // of now, since the Unix epoch
	passed   int64  // thirds of a day so far: the same, but that it never goes back
	epoch    uint32 // of that, 1 to 31
	evicted  uint64
}

const (
	bucketSize = 16
	epochBits  = 5
	epochMask  = 1<<epochBits - 1
	keepEpochs = 21 // thirds of a day in a week
	third      = int64(8 * 3600 * 1e9)
	// minBuckets keeps all bits of a hash either in the fingerprint or in the
	// bucket's number, so that a memory can grow.
	minBuckets = 1 << epochBits
	// segmentSize is how many buckets a segment has: 64 KB.
	segmentSize = 1 << 10
)

type bucket [bucketSize]uint32

func newMemory(limit int) memory {
	m := memory{size: minBuckets, limit: max(limit/bucketSize, minBuckets)}
	m.allocate()
	return m
}

// allocate makes the segments that are missing for so many buckets as there are.
func (m *memory) allocate() {
	for len(m.segments)*segmentSize < m.size {
		m.segments = append(m.segments, new([segmentSize]bucket))
	}
}

func (m *memory) bucket(h uint32) *bucket {
	return m.at(h & uint32(m.size-1)) //nolint:gosec // G115: tables are far smaller.
}

func (m *memory) at(n uint32) *bucket { return &m.segments[n/segmentSize][n%segmentSize] }

// each yields the buckets in use.
func (m *memory) each(yield func(*bucket) bool) {
	for n := range uint32(m.size) { //nolint:gosec // G115: the same.
		if !yield(m.at(n)) {
			return
		}
	}
}

// fetch has the processor fetch the buckets of two hashes, which has or see is going to
// be asked about.
func (m *memory) fetch(a, b uint64) { prefetch.Two(m.bucket(hash32(a)), m.bucket(hash32(b))) }

// find returns where in its bucket h is, or else the first place that is free:
// entries stand in front, without gaps. In a full bucket that is bucketSize.
func (b *bucket) find(h uint32) (at int, found bool) {
	for i, e := range b {
		if e == 0 {
			return i, false
		}
		if e^h <= epochMask { // they differ in the epoch at most
			return i, true
		}
	}
	return bucketSize, false
}

// has reports whether h was seen within a week.
func (m *memory) has(hash uint64) bool {
	h := hash32(hash)
	_, found := m.bucket(h).find(h)
	return found
}

// renew reports whether h was seen within a week, and if so notes that it was
// seen now.
func (m *memory) renew(hash uint64) bool {
	h := hash32(hash)
	b := m.bucket(h)
	at, found := b.find(h)
	if found {
		b.set(at, h, m.epoch)
	}
	return found
}

// see notes that h was seen now, and reports whether it was known before.
func (m *memory) see(hash uint64) bool {
	h := hash32(hash)
	b := m.bucket(h)
	at, found := b.find(h)
	if found {
		b.set(at, h, m.epoch)
		return true
	}
	m.put(b, at, h)
	return false
}

// set notes when the entry at a place was seen. It writes only what is new: to
// leave a cache line clean is cheaper.
func (b *bucket) set(at int, h, epoch uint32) {
	if e := h&^epochMask | epoch; b[at] != e {
		b[at] = e
	}
}

// put adds h to its bucket, at a place that find returned.
func (m *memory) put(b *bucket, at int, h uint32) {
	if m.used*2 > m.size*bucketSize && m.size < m.limit {
		m.grow()
		b = m.bucket(h)
		at, _ = b.find(h)
	}
	if at < bucketSize {
		m.used++
	} else {
		at = m.oldest(b, h)
		m.evicted++
	}
	b[at] = h&^epochMask | m.epoch
}

// oldest returns the place in a full bucket whose entry has to go for h.
func (m *memory) oldest(b *bucket, h uint32) int {
	oldest, age := 0, uint32(0)
	for i, e := range b {
		if a := m.age(e); a > age {
			oldest, age = i, a
		}
	}
	if age == 0 { // all of the same age: let the hash choose
		return int(h>>epochBits) % bucketSize
	}
	return oldest
}

// grow doubles the buckets: each is split by the next bit of the hashes, which
// is one of the fingerprint.
func (m *memory) grow() {
	bit := uint32(m.size) //nolint:gosec // G115: tables are far smaller.
	m.size *= 2
	m.allocate()
	for n := range bit {
		from, to := m.at(n), m.at(n+bit)
		stay, went := 0, 0
		for _, e := range from {
			if e&bit != 0 {
				to[went] = e
				went++
			} else { // or there is none
				from[stay] = e
				stay++
			}
		}
		clear(from[stay:])
	}
}

// advance lets time pass to now, Unix nanoseconds, and forgets what is older
// than a week. Time that goes back is ignored: what was seen stays seen.
func (m *memory) advance(now int64) {
	steps := now/third - m.third
	if steps <= 0 {
		return
	}
	m.third += steps
	m.passed += steps
	if m.used == 0 || steps > keepEpochs {
		m.used = 0
		for b := range m.each {
			*b = bucket{}
		}
		m.epoch = epochOf(m.passed)
		return
	}
	// An entry's age is known modulo epochs, so a long gap is taken in strides
	// that no entry can be carried around by.
	for t := m.passed - steps; t < m.passed; {
		t = min(t+epochs-keepEpochs-1, m.passed)
		m.epoch = epochOf(t)
		m.sweep()
	}
}

// rewind follows a clock that was set back: what was seen is as old as before, and
// older from now on.
func (m *memory) rewind(now int64) { m.third = min(m.third, now/third) }

// epochs is how many there are: 1 to 31, so that no entry is zero.
const epochs = epochMask

func epochOf(t int64) uint32 { return uint32(t%epochs) + 1 } //nolint:gosec // G115: reduced, and never negative.

// age returns how many thirds of a day ago an entry was seen last.
func (m *memory) age(e uint32) uint32 { return (m.epoch + epochs - e&epochMask) % epochs }

func (m *memory) sweep() {
	for b := range m.each {
		kept := 0
		for _, e := range b {
			if e == 0 {
				break
			}
			if m.age(e) <= keepEpochs {
				b[kept] = e
				kept++
			} else {
				m.used--
			}
		}
		clear(b[kept:])
	}
}
