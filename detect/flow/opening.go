package flow

import "wormscope/capture/packet"

// openings remembers how connections began that have no data yet. Nearly all
// are those of scans and floods, which never will have any, so they stand in
// tables of fixed size with one place to look at. Those of IPv4 have a table of
// their own, of which a place takes two cache lines.
//
// The hash that says where is no secret, so that the same capture always gives
// the same result; who makes his connections collide makes others' first bytes
// count as what they began with.
type openings struct {
	v4 openTable[key4]
	v6 openTable[key]
}

// newOpenings makes tables for at least size openings each.
func newOpenings(size int) openings {
	return openings{v4: newOpenTable[key4](size), v6: newOpenTable[key](size)}
}

// get returns how a connection began, nil when that is not known as late as
// this packet time.
func (t *openings) get(k *key, now int64) *beginning {
	hash := k.hash(seedA, seedB)
	if k.is4() {
		return t.v4.get(k.short(), hash, now)
	}
	return t.v6.get(*k, hash, now)
}

// note keeps the sequence number that a SYN or SYN-ACK begins with. It reports
// whether the segment asks for a connection that was not asked for already.
func (t *openings) note(k *key, from side, p *packet.Packet) bool {
	hash := k.hash(seedA, seedB)
	if k.is4() {
		return t.v4.note(k.short(), hash, from, p)
	}
	return t.v6.note(*k, hash, from, p)
}

// forgotten returns how many openings made room before their time.
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

// get is openings.get.
func (t *openTable[K]) get(k K, hash uint64, now int64) *beginning {
	if o := t.bucket(hash).find(k, now-openWait); o != nil {
		return &o.how
	}
	return nil
}

// note is openings.note.
func (t *openTable[K]) note(k K, hash uint64, from side, p *packet.Packet) bool {
	asks := !p.Flags.Has(packet.ACK)
	b := t.bucket(hash)
	o := b.find(k, p.Time-openWait)
	if o != nil && (!asks || o.how.began(from, p.Seq)) {
		o.hear(from, p)
		return false
	}
	if o == nil {
		o = t.room(b, p.Time-openWait)
		o.key = k
	}
	o.how = beginning{orig: from, used: true}
	if !asks {
		o.how.orig = 1 - from
	}
	o.hear(from, p)
	return asks
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
// nil. A loop would take four times as many steps, for each SYN of a scan.
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

// hear notes a SYN or SYN-ACK.
func (o *opening[K]) hear(from side, p *packet.Packet) {
	o.time, o.how.isn[from&1], o.how.seen[from&1] = p.Time, p.Seq, true
}

// began reports whether this is the sequence number that an end began with.
func (b *beginning) began(from side, seq uint32) bool {
	return b.seen[from&1] && b.isn[from&1] == seq
}
