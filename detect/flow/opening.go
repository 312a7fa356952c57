package flow

import "wormscope/capture/packet"

// openings remembers how those connections began that have no data yet. Nearly all
// are of scans and floods, and never will have any, so a SYN must cost little: it is
// written to a table that fits a core's own cache, in the place of whatever was
// there. A SYN-ACK says that a connection was accepted. It goes into a table of fixed
// size, in the one bucket that its hash names; IPv4 has a table of its own, in which
// a bucket is two cache lines.
//
// The hash that says where is no secret, so that the same capture always gives the
// same result. Whoever makes connections collide gains only that the first bytes seen
// of the others are taken for the first that there were.
type openings struct {
	asked []asked // a power of two
	v4    openTable[key4]
	v6    openTable[key]
}

// asked is the latest SYN of those that have this place.
type asked struct {
	mark uint32 // of its connection, secret: no other's is ever alike but by chance
	isn  uint32
	when int64 // its time, Unix nanoseconds, of which the lowest bit is the side; 0 for none
}

// askedPlaces is how many SYNs there is a place for, a power of two: it lasts for
// some milliseconds of the fastest scan. Where a SYN has lost its place, the SYN-ACK
// still tells all that there is to know.
const askedPlaces = 1 << 11

// newOpenings makes tables for so many SYNs and, of each family, at least so many
// connections that were accepted.
func newOpenings(places, accepted int) openings {
	return openings{asked: make([]asked, places), v4: newOpenTable[key4](accepted), v6: newOpenTable[key](accepted)}
}

// place returns where the SYN of a connection is noted, and its mark, by the
// hashes of its key, the second of which is under secret seeds.
func (t *openings) place(hash, secret uint64) (a *asked, mark uint32) {
	return &t.asked[hash&uint64(len(t.asked)-1)], uint32(secret >> 32) //nolint:gosec // G115: an index, and the upper half
}

// from returns who sent the SYN.
func (a *asked) from() side { return side(a.when & 1) }

// is reports whether this is a SYN of the connection that has a mark, as late as
// this packet time.
func (a *asked) is(mark uint32, now int64) bool {
	return a.mark == mark && a.when != 0 && now-a.when <= openWait
}

// ask notes a SYN.
func (t *openings) ask(k *key, secret uint64, from side, p *packet.Packet) {
	a, mark := t.place(k.hash(seedA, seedB), secret)
	*a = asked{mark, p.Seq, p.Time&^1 | int64(from)}
}

// follows reports whether a segment is the first behind a SYN.
func (t *openings) follows(k *key, secret uint64, from side, p *packet.Packet) bool {
	a, mark := t.place(k.hash(seedA, seedB), secret)
	return a.is(mark, p.Time) && a.from() == from && a.isn+1 == p.Seq
}

// asks reports whether a SYN asked for a connection that a SYN-ACK accepts.
func (t *openings) asks(k *key, secret uint64, from side, p *packet.Packet) bool {
	a, mark := t.place(k.hash(seedA, seedB), secret)
	return a.is(mark, p.Time) && a.from() != from && a.isn+1 == p.Ack
}

// accept notes a SYN-ACK. If its SYN was not seen, or long ago, what it
// acknowledges is taken for that.
func (t *openings) accept(k *key, secret uint64, from side, p *packet.Packet) {
	how := beginning{orig: 1 - from, used: true}
	how.begin(from, p.Seq)
	how.begin(1-from, p.Ack-1)
	hash := k.hash(seedA, seedB)
	if a, mark := t.place(hash, secret); a.is(mark, p.Time) && a.from() != from {
		how.begin(1-from, a.isn)
	}
	if k.is4() {
		t.v4.note(k.short(), hash, how, p.Time)
	} else {
		t.v6.note(*k, hash, how, p.Time)
	}
}

// take returns how a connection began that has data now, and forgets it. It
// reports false when that is not known as late as this packet time.
func (t *openings) take(k *key, secret uint64, now int64) (how beginning, ok bool) {
	var when int64
	hash := k.hash(seedA, seedB)
	if k.is4() {
		how, when = t.v4.take(k.short(), hash, now)
	} else {
		how, when = t.v6.take(*k, hash, now)
	}
	a, mark := t.place(hash, secret)
	if !a.is(mark, now) {
		return how, how.used
	}
	from := a.from()
	if !how.used || a.when > when && !how.began(from, a.isn) { // asked for anew since
		how = beginning{orig: from, used: true}
		how.begin(from, a.isn)
	}
	*a = asked{}
	return how, true
}

// forgotten returns how many openings made room before their time, of those
// that were accepted.
func (t *openings) forgotten() uint64 { return t.v4.forgotten + t.v6.forgotten }

const (
	openWays = 4 // bucket.find has a line for each
	// openWait is how long after a SYN or SYN-ACK data are expected.
	openWait = int64(600e9)
)

// openTable holds openings of connections that have a key of one kind.
type openTable[K comparable] struct {
	buckets   []bucket[K]
	forgotten uint64 // that made room before their time
}

// bucket holds openings with the same hash: where it is full the one that is
// silent for longest makes room.
type bucket[K comparable] [openWays]opening[K]

// opening is what is known of a connection before it has data, in 32 bytes for
// IPv4.
type opening[K comparable] struct {
	key  K
	how  beginning
	time int64 // of the latest segment, Unix nanoseconds
}

// beginning is how a connection began.
type beginning struct {
	isn  [2]uint32
	seen [2]bool // isn is known
	orig side
	used bool // this is one
}

// newOpenTable makes a table for at least size openings.
func newOpenTable[K comparable](size int) openTable[K] {
	n := 1
	for n*openWays < size {
		n *= 2
	}
	return openTable[K]{buckets: make([]bucket[K], n)}
}

// bucket returns where openings with a hash stand.
func (t *openTable[K]) bucket(hash uint64) *bucket[K] {
	return &t.buckets[hash&uint64(len(t.buckets)-1)] //nolint:gosec // an index
}

// take is openings.take. It returns the time as well.
func (t *openTable[K]) take(k K, hash uint64, now int64) (how beginning, when int64) {
	if o := t.bucket(hash).find(k, now-openWait); o != nil {
		how, when = o.how, o.time
		o.how.used = false
	}
	return how, when
}

// note keeps how a connection began, and the time of its latest segment.
func (t *openTable[K]) note(k K, hash uint64, how beginning, now int64) {
	b := t.bucket(hash)
	o := b.find(k, now-openWait)
	if o == nil {
		o = t.room(b, now-openWait)
	}
	*o = opening[K]{k, how, now}
}

// room returns a place for an opening.
func (t *openTable[K]) room(b *bucket[K], since int64) *opening[K] {
	oldest := &b[0]
	for i := range b {
		o := &b[i]
		if !o.holds(since) {
			return o
		}
		if o.time < oldest.time {
			oldest = o
		}
	}
	t.forgotten++
	return oldest
}

// find returns the opening of a connection that had a segment since then, or
// nil. A loop would take four times as many steps.
func (b *bucket[K]) find(k K, since int64) *opening[K] {
	switch {
	case b[0].key == k && b[0].holds(since):
		return &b[0]
	case b[1].key == k && b[1].holds(since):
		return &b[1]
	case b[2].key == k && b[2].holds(since):
		return &b[2]
	case b[3].key == k && b[3].holds(since):
		return &b[3]
	}
	return nil
}

// holds reports whether there is an opening that had a segment since then.
func (o *opening[K]) holds(since int64) bool { return o.how.used && o.time >= since }

// begin notes the sequence number that an end began with.
func (b *beginning) begin(from side, seq uint32) { b.isn[from&1], b.seen[from&1] = seq, true }

// began reports whether this is the sequence number that an end began with.
func (b *beginning) began(from side, seq uint32) bool {
	return b.seen[from&1] && b.isn[from&1] == seq
}
