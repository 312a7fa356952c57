package packet

import (
	"bytes"
	"slices"
	"time"
)

// The bounds of the fragment table. At a bound the oldest datagram is given
// up, and counted.
const (
	maxDatagrams    = 4096             // datagrams at once
	maxHeld         = 16 << 20         // bytes held for them
	maxPieces       = 256              // stretches of bytes in one datagram, with gaps between them
	maxMade         = 256              // reassembled datagrams that are remembered
	maxSpare        = 64               // unused datagrams kept for reuse, of at most 64 KiB each
	fragmentTimeout = 30 * time.Second // of packet time; RFC 791 says 15 s, RFC 8200 60 s, Linux 30 s
	maxDatagram     = 0xffff           // bytes in a reassembled datagram after its IP header
)

// fragmentTable holds datagrams of which some fragments have come. Where
// fragments overlap and differ, the one that came first wins.
type fragmentTable struct {
	byKey          map[fragmentKey]*datagram
	oldest, newest *datagram // in the order in which they began
	spare          []*datagram
	held           int // bytes of the capacity of all that is in byKey
	made           [maxMade]made
	stats          FragmentStats
}

// made remembers a datagram that was reassembled lately, at an index given by its
// identification. A span port that copies both what comes in and what goes out
// shows each fragment twice, so that after the datagram is complete the second
// copy of its last fragment begins a new one, which never gets the others.
type made struct {
	key fragmentKey
	at  int64 // packet time
}

// datagram is an IP datagram that is not whole yet.
type datagram struct {
	key          fragmentKey
	older, newer *datagram
	began        int64 // packet time of the fragment that came first
	next         Proto // what the first fragment says it carries
	given        flow  // what was given out when the first fragment came
	copied       bool  // the same datagram was reassembled shortly before
	total        int   // length, -1 until the last fragment came
	have         int   // bytes of it that are here
	pieces       []run // by offset; they don't overlap
	data         []byte
}

// run is a stretch of a datagram: length bytes from offset on. They are in
// datagram.data from the index at on.
type run struct{ offset, length, at int }

func (r run) end() int { return r.offset + r.length }

// piece is one fragment.
type piece struct {
	offset int
	more   bool
	next   Proto
	data   []byte // borrowed
}

// fragmentState is what became of a datagram by one more fragment.
type fragmentState uint8

const (
	waiting    fragmentState = iota // for the rest
	complete                        // it is whole
	impossible                      // the fragment can't be part of it
)

func newFragmentTable() fragmentTable {
	return fragmentTable{byKey: make(map[fragmentKey]*datagram)}
}

// add takes one fragment in. The datagram is nil when the fragment is
// impossible.
func (t *fragmentTable) add(now int64, key fragmentKey, f piece) (*datagram, fragmentState) {
	t.expire(now)
	g := t.byKey[key]
	if g != nil && g.began-now > int64(fragmentTimeout) {
		t.lose(g, &t.stats.Expired) // time went back: another capture
		g = nil
	}
	if !f.fits(g) {
		t.stats.Bad++
		return nil, impossible
	}
	if g == nil {
		g = t.begin(now, key)
	}
	if f.offset == 0 {
		g.next = f.next
	}
	if !f.more {
		g.total = f.offset + len(f.data)
	}
	before := cap(g.data)
	t.count(g.insert(f.offset, f.data))
	t.held += cap(g.data) - before
	switch {
	case len(g.pieces) > maxPieces:
		t.giveUp(g, &t.stats.Bad)
		return nil, impossible
	case g.have == g.total:
		t.stats.Reassembled++
		t.made[key.id%maxMade] = made{key, now}
		return g, complete
	}
	t.makeRoom(g)
	return g, waiting
}

// fits reports whether a fragment can be part of a datagram, of which g, when
// not nil, is what is known.
func (f piece) fits(g *datagram) bool {
	end := f.offset + len(f.data)
	switch {
	case len(f.data) == 0, end > maxDatagram, f.more && len(f.data)%8 != 0:
		return false
	case g == nil:
		return true
	case g.total >= 0:
		return end <= g.total && (f.more || end == g.total)
	case !f.more && len(g.pieces) > 0:
		return end >= g.pieces[len(g.pieces)-1].end()
	}
	return true
}

// overlap is how a fragment lies over those that came before it.
type overlap uint8

const (
	noOverlap overlap = iota
	duplicate         // nothing new, and the same bytes
	agreeing          // some bytes are new, the others are the same
	conflict          // some bytes are not the same
)

func (t *fragmentTable) count(o overlap) {
	switch o {
	case duplicate:
		t.stats.Duplicates++
	case conflict:
		t.stats.Overlaps++
	case noOverlap, agreeing:
	}
}

// insert takes in the bytes that are not here yet.
func (g *datagram) insert(offset int, data []byte) overlap {
	have, kind := g.have, noOverlap
	i, at, end := 0, offset, offset+len(data)
	for ; i < len(g.pieces) && g.pieces[i].offset < end; i++ {
		r := g.pieces[i]
		if r.end() <= at {
			continue
		}
		if at < r.offset {
			i += g.put(i, at, data[at-offset:r.offset-offset])
			at = r.offset
		}
		until := min(r.end(), end)
		known := g.data[r.at+at-r.offset : r.at+until-r.offset]
		if kind = max(kind, agreeing); !bytes.Equal(known, data[at-offset:until-offset]) {
			kind = conflict
		}
		at = until
	}
	if at < end {
		g.put(i, at, data[at-offset:])
	}
	if g.have == have && kind == agreeing {
		return duplicate
	}
	return kind
}

// put adds bytes as the run with index i, or to the run before it when they
// follow that in the datagram and in memory. It returns how many runs there are
// more: one or none.
func (g *datagram) put(i, offset int, data []byte) int {
	at := len(g.data)
	g.data = append(g.data, data...)
	g.have += len(data)
	if i > 0 {
		if r := &g.pieces[i-1]; r.end() == offset && r.at+r.length == at {
			r.length += len(data)
			return 0
		}
	}
	g.pieces = slices.Insert(g.pieces, i, run{offset, len(data), at})
	return 1
}

// appendTo appends the datagram to b, in order.
func (g *datagram) appendTo(b []byte) []byte {
	for _, r := range g.pieces {
		b = append(b, g.data[r.at:r.at+r.length]...)
	}
	return b
}

// begin makes an entry for a datagram.
func (t *fragmentTable) begin(now int64, key fragmentKey) *datagram {
	var g *datagram
	if n := len(t.spare); n > 0 {
		g, t.spare = t.spare[n-1], t.spare[:n-1]
	} else {
		g = new(datagram)
	}
	m := &t.made[key.id%maxMade]
	*g = datagram{
		key: key, began: now, next: key.next, total: -1,
		copied: m.key == key && now-m.at <= int64(fragmentTimeout) && m.at-now <= int64(fragmentTimeout),
		older:  t.newest, pieces: g.pieces[:0], data: g.data[:0],
	}
	if t.newest != nil {
		t.newest.newer = g
	} else {
		t.oldest = g
	}
	t.newest = g
	t.byKey[key] = g
	t.held += cap(g.data)
	return g
}

// release takes a datagram out of the table.
func (t *fragmentTable) release(g *datagram) {
	delete(t.byKey, g.key)
	t.held -= cap(g.data)
	if g.older != nil {
		g.older.newer = g.newer
	} else {
		t.oldest = g.newer
	}
	if g.newer != nil {
		g.newer.older = g.older
	} else {
		t.newest = g.older
	}
	g.older, g.newer = nil, nil
	if len(t.spare) < maxSpare && cap(g.data) <= maxDatagram+1 {
		t.spare = append(t.spare, g)
	}
}

func (t *fragmentTable) giveUp(g *datagram, why *uint64) {
	*why++
	t.release(g)
}

// lose gives up a datagram of which the rest did not come, and counts why.
func (t *fragmentTable) lose(g *datagram, why *uint64) {
	if g.copied {
		why = &t.stats.Copies
	}
	t.giveUp(g, why)
}

// waiting counts datagrams that are not whole yet, but for copies.
func (t *fragmentTable) waiting() (n uint64) {
	for g := t.oldest; g != nil; g = g.newer {
		if !g.copied {
			n++
		}
	}
	return n
}

// expire gives up what began too long ago.
func (t *fragmentTable) expire(now int64) {
	for t.oldest != nil && now-t.oldest.began > int64(fragmentTimeout) {
		t.lose(t.oldest, &t.stats.Expired)
	}
}

// makeRoom keeps the table within its bounds by giving up the oldest datagrams,
// but never keep.
func (t *fragmentTable) makeRoom(keep *datagram) {
	for t.oldest != keep && (len(t.byKey) > maxDatagrams || t.held > maxHeld) {
		t.lose(t.oldest, &t.stats.Evicted)
	}
}
