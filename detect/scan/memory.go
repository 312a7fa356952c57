package scan

// memory remembers for a week that something was seen: who contacted whom,
// who is alive. It keeps fingerprints in buckets of one cache line, four bytes
// each: 27 bits of the hash and the third of a day it was last seen in. Where
// a bucket is full, the one unseen for longest goes. With n entries a new
// thing is taken for a known one with probability n/2³², at most 0.1 %.
type memory struct {
	buckets []bucket
	limit   int // buckets at most, a power of two
	used    int
	third   int64  // of now, since the Unix epoch
	epoch   uint32 // the same, reduced to 1 to 31
	evicted uint64
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
)

type bucket [bucketSize]uint32

func newMemory(limit int) memory {
	return memory{buckets: make([]bucket, minBuckets), limit: max(limit/bucketSize, minBuckets)}
}

func (m *memory) bucket(h uint32) *bucket {
	return &m.buckets[h&uint32(len(m.buckets)-1)] //nolint:gosec // G115: tables are far smaller.
}

// peek reads the bucket of a hash, for what prefetch says.
func (m *memory) peek(hash uint64) uint64 { return uint64(m.bucket(hash32(hash))[0]) }

// has reports whether h was seen within a week.
func (m *memory) has(hash uint64) bool {
	h := hash32(hash)
	fp := h &^ epochMask
	for _, e := range m.bucket(h) {
		if e&^epochMask == fp && e != 0 {
			return true
		}
	}
	return false
}

// renew reports whether h was seen within a week, and if so notes that it was
// seen now.
func (m *memory) renew(hash uint64) bool {
	h := hash32(hash)
	fp := h &^ epochMask
	for i, b := 0, m.bucket(h); i < bucketSize; i++ {
		if e := b[i]; e&^epochMask == fp && e != 0 {
			if e&epochMask != m.epoch {
				b[i] = fp | m.epoch
			}
			return true
		}
	}
	return false
}

// see notes that h was seen now, and reports whether it was known before.
func (m *memory) see(hash uint64) bool {
	if m.renew(hash) {
		return true
	}
	m.put(hash32(hash))
	return false
}

func (m *memory) put(h uint32) {
	if m.used*2 > len(m.buckets)*bucketSize && len(m.buckets) < m.limit {
		m.grow()
	}
	b := m.bucket(h)
	oldest, age := 0, uint32(0)
	for i, e := range b {
		if e == 0 {
			b[i] = h&^epochMask | m.epoch
			m.used++
			return
		}
		if a := m.age(e); a > age {
			oldest, age = i, a
		}
	}
	if age == 0 { // all of the same age: let the hash choose
		oldest = int(h>>epochBits) % bucketSize
	}
	b[oldest] = h&^epochMask | m.epoch
	m.evicted++
}

func (m *memory) grow() {
	old := m.buckets
	m.buckets = make([]bucket, 2*len(old))
	for n, b := range old {
		for _, e := range b {
			if e != 0 {
				h := e&^epochMask | uint32(n)&epochMask
				m.place(m.bucket(h), e)
			}
		}
	}
}

func (m *memory) place(b *bucket, e uint32) {
	for i := range b {
		if b[i] == 0 {
			b[i] = e
			return
		}
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
	if m.used == 0 || steps > keepEpochs {
		m.used = 0
		clear(m.buckets)
		m.epoch = epochOf(m.third)
		return
	}
	// An entry's age is known modulo epochs, so a long gap is taken in strides
	// that no entry can be carried around by.
	for t := m.third - steps; t < m.third; {
		t = min(t+epochs-keepEpochs-1, m.third)
		m.epoch = epochOf(t)
		m.sweep()
	}
}

// epochs is how many there are: 1 to 31, so that no entry is zero.
const epochs = epochMask

func epochOf(t int64) uint32 { return uint32(t%epochs) + 1 } //nolint:gosec // G115: reduced, and never negative.

// age returns how many thirds of a day ago an entry was seen last.
func (m *memory) age(e uint32) uint32 { return (m.epoch + epochs - e&epochMask) % epochs }

func (m *memory) sweep() {
	for n := range m.buckets {
		b := &m.buckets[n]
		for i, e := range b {
			if e != 0 && m.age(e) > keepEpochs {
				b[i] = 0
				m.used--
			}
		}
	}
}
