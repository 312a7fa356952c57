package flow

import "wormscope/capture/packet"

// opening is what is known of a connection before it has data.
type opening struct {
	key  key
	time int64 // of the latest segment, Unix nanoseconds
	isn  [2]uint32
	seen [2]bool // isn is known
	orig side
	used bool
}

const (
	openWays = 4
	// openWait is how long after a SYN or SYN-ACK data are expected.
	openWait = int64(600e9)
)

// openings remembers how connections began that have no data yet. Nearly all
// are those of scans and floods, which never will have any, so it is a table of
// fixed size with one place to look at: of the ways of a full bucket the one
// that is silent for longest makes room.
type openings struct {
	buckets   [][openWays]opening
	forgotten uint64 // that made room before their time
}

// newOpenings makes a table for at least size openings.
func newOpenings(size int) openings {
	n := 1
	for n*openWays < size {
		n *= 2
	}
	return openings{buckets: make([][openWays]opening, n)}
}

// bucket returns where an opening stands. The hash is no secret, so that the
// same capture always gives the same result; who makes his connections collide
// makes others' first bytes count as what they began with.
func (t *openings) bucket(k *key) *[openWays]opening {
	return &t.buckets[k.hash(seedA, seedB)&uint64(len(t.buckets)-1)] //nolint:gosec // an index
}

// get returns the opening of a connection, nil when there is none as late as
// this packet time.
func (t *openings) get(k *key, now int64) *opening {
	b := t.bucket(k)
	for i := range b {
		if o := &b[i]; o.used && o.key == *k && now-o.time <= openWait {
			return o
		}
	}
	return nil
}

// note keeps the sequence number that a SYN or SYN-ACK begins with. It reports
// whether the segment asks for a connection that was not asked for already.
func (t *openings) note(k *key, from side, p *packet.Packet) bool {
	asks := !p.Flags.Has(packet.ACK)
	o := t.get(k, p.Time)
	if o == nil {
		o = t.room(k, p.Time)
		*o = opening{key: *k, used: true, orig: 1 - from}
	}
	isNew := asks && (!o.seen[from] || o.isn[from] != p.Seq)
	if isNew {
		*o = opening{key: *k, used: true, orig: from}
	}
	o.time, o.isn[from], o.seen[from] = p.Time, p.Seq, true
	return isNew
}

// room returns a place for an opening.
func (t *openings) room(k *key, now int64) *opening {
	b := t.bucket(k)
	oldest := &b[0]
	for i := range b {
		o := &b[i]
		if !o.used || now-o.time > openWait || o.key == *k {
			return o
		}
		if o.time < oldest.time {
			oldest = o
		}
	}
	t.forgotten++
	return oldest
}
