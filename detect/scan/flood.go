package scan

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/dup"
	"wormscope/internal/ip"
)

// A targetCell counts the sources never seen before that try one destination.
type targetCell struct {
	targetHead
	seen   [floodBits]uint64   // a bit for a source, once few is full
	sample [floodSample]uint32 // attempts, see spoofed
}

// targetHead is a cache line, and all that is touched of most cells.
type targetHead struct {
	dst     ip.Addr
	startAt int64           // of the present count, Unix nanoseconds
	start   tick            // the same
	sources uint32          // bits of new sources since start: fewer than these were, see count
	done    uint32          // handshakes completed since the cell became suspect
	finding int32           // the open flood's place plus 1
	votes   uint16          // for the port, see vote
	port    uint16          // that most of them tried
	place   uint16          // of the cell among all
	watched bool            // counted in targets.watched
	few     [fewBits]uint16 // numbers of the bits of the first sources
}

// floodBits are words of bits for sources: with floodSources of them, one in
// eight or so falls on a bit that is taken, which count allows for.
const (
	floodBits = 16
	fewBits   = 8
)

// add counts a source, and reports false where it was counted before.
func (c *targetCell) add(hash uint64) bool {
	bit := uint16(hash % (64 * floodBits))
	if c.sources <= fewBits {
		if slices.Contains(c.few[:c.sources], bit) {
			return false
		}
		if c.sources < fewBits {
			c.few[c.sources] = bit
			c.sources++
			return true
		}
		c.seen = [floodBits]uint64{}
		for _, b := range c.few {
			c.seen[b/64] |= 1 << (b % 64)
		}
	}
	word := &c.seen[bit/64]
	if *word>>(bit%64)&1 != 0 {
		return false
	}
	*word |= 1 << (bit % 64)
	c.sources++
	return true
}

// vote counts a new source for the port that it tried. Each for another port takes
// one away, and where none is left the other stands for election: what most of them
// tried is left in the end, whatever the first did (Boyer, Moore: MJRTY, 1991). The
// sources before an election are none of a flood of that port.
func (c *targetCell) vote(port uint16, at int64) {
	switch {
	case c.port == port:
		c.votes++
	case c.votes > 0:
		c.votes--
	default:
		c.port, c.startAt, c.votes = port, at, 1
	}
}

// votesMost of votesOf new sources must be left to a port for the flood to be of it,
// as they are if one in ten at most tried others.
const (
	votesMost = 4
	votesOf   = 5
)

// flooded reports whether new sources came in such numbers, and completed so
// few handshakes, that they must be spoofed. Unless they are very many, the
// handshakes are given time.
func (c *targetCell) flooded(now tick) bool {
	if c.sources < floodSuspect {
		return false
	}
	n := c.count()
	if n < floodSources || c.done*floodShare >= n-floodSuspect {
		return false
	}
	return n >= floodMany || now.since(c.start) >= floodPatience
}

// count returns how many new sources there were since start.
func (c *targetCell) count() uint32 { return linearCount(floodBits*64, int(c.sources)) }

// targets holds the cells in a table of fixed size. Of the ways of a full set
// the cell with the fewest new sources goes.
type targets struct {
	digests  []digest
	sets     [][ways]targetCell
	suspects int                // cells that may be flooded
	watched  [watchSlots]uint16 // the same by hash: most segments are to none of them
}

const (
	targetSets = 1024
	watchSlots = 1024
)

// digest is what it takes to find a cell of a set, or the one that goes, without a
// look at the cells.
type digest struct {
	tags    tags
	sources [ways]uint16 // as in the cells, or pinned
}

const pinned = math.MaxUint16 // the target is flooded

func newTargets() targets {
	return targets{digests: make([]digest, targetSets), sets: make([][ways]targetCell, targetSets)}
}

func (t *targets) clear() {
	*t = targets{digests: t.digests, sets: t.sets}
	for n := range t.digests {
		if t.digests[n] != (digest{}) { // few are in use, and the sets are large
			t.digests[n], t.sets[n] = digest{}, [ways]targetCell{}
		}
	}
}

// watch has handshakes with the target of a cell counted, or no longer.
func (t *targets) watch(c *targetCell, on bool) {
	if c.watched == on {
		return
	}
	c.watched = on
	slot := &t.watched[watchSlot(c.dst)]
	if on {
		t.suspects++
		*slot++
	} else {
		t.suspects--
		*slot--
	}
}

// watches reports whether a destination may be a target whose handshakes
// count.
func (t *targets) watches(dst ip.Addr) bool { return t.watched[watchSlot(dst)] != 0 }

// watchSlot spreads addresses over the slots, cheaply: every segment is looked
// up while anything is watched.
func watchSlot(a ip.Addr) uint64 { return (a.Lo ^ a.Lo>>10 ^ a.Hi) % watchSlots }

// find returns the cell of a destination, nil when it has none.
func (t *targets) find(dst ip.Addr, hash uint64) *targetCell {
	n, tag := hash%targetSets, tagOf(hash)
	for i, other := range t.digests[n].tags {
		if other == tag {
			if c := &t.sets[n][i]; c.dst == dst {
				return c
			}
		}
	}
	return nil
}

// add makes a cell for a destination that has none. It returns nil where all
// that it could take the place of are flooded.
func (t *targets) add(hash uint64, head *targetHead) *targetCell {
	n, way := hash%targetSets, 0
	set := &t.digests[n]
	for i, sources := range set.sources {
		if sources < set.sources[way] {
			way = i
		}
	}
	if set.sources[way] == pinned {
		return nil
	}
	set.tags[way] = tagOf(hash)
	c := &t.sets[n][way]
	t.watch(c, false)
	c.targetHead = *head
	c.place = uint16(n*ways) + uint16(way)
	return c
}

// digest brings what is known of a cell without a look at it up to date.
func (t *targets) digest(c *targetCell) {
	sources := &t.digests[c.place/ways].sources[c.place%ways]
	*sources = uint16(c.sources) //nolint:gosec // G115: at most the number of bits.
	if c.finding != 0 {
		*sources = pinned
	}
}

// complete counts a handshake that was completed with a suspected target.
func (t *targets) complete(dst ip.Addr) {
	if !t.watches(dst) {
		return
	}
	if c := t.find(dst, dst.Hash()); c != nil {
		c.done++
	}
}

// restart begins a new count.
func (t *targets) restart(c *targetCell, now tick, at int64, port uint16) {
	t.watch(c, false)
	c.start, c.startAt, c.sources, c.done, c.votes = now, at, 0, 0, 0
	if c.finding == 0 {
		c.port = port
	}
	t.digest(c)
}

// flooded counts a source that was not seen before for its target, and reports
// whether the target is being flooded: then the source is spoofed, most
// likely, and is kept out of the tables.
func (d *Detector) flooded(c *contact) bool {
	cell := d.targets.find(c.dst, c.hd)
	if cell == nil {
		cell = d.targets.add(c.hd, &targetHead{dst: c.dst, start: c.now, startAt: c.at, port: c.port})
		if cell == nil {
			return false
		}
	}
	if c.now.since(cell.start) > floodWithin {
		d.targets.restart(cell, c.now, c.at, c.port)
	}
	isNew := cell.add(spread(c.hs))
	if isNew {
		d.targets.digest(cell)
		cell.take(d.attempts.tail)
		if cell.finding == 0 {
			cell.vote(c.port, c.at)
		}
	}
	if cell.finding != 0 {
		return d.findings.get(cell.finding).absorb(d, c, cell)
	}
	if !isNew {
		return false
	}
	if cell.sources == floodSuspect {
		d.targets.watch(cell, true)
		d.reviewInterest()
	}
	switch {
	case !cell.flooded(c.now):
	case d.spoofed(cell, c.now):
		d.alarmFlood(c, cell)
	default:
		d.targets.restart(cell, c.now, c.at, c.port)
	}
	return false
}

// alarmFlood opens the alert for a target.
func (d *Detector) alarmFlood(c *contact, cell *targetCell) {
	d.targets.watch(cell, false)
	port := cell.port
	if uint32(cell.votes)*votesOf < cell.sources*votesMost {
		port = 0
	}
	host, n := c.dst.Netip(), uint64(cell.count())
	f := &finding{
		rule: alert.RuleFlood, kind: flood, host: c.dst, port: port,
		first: cell.startAt, last: d.now, quiet: quietAfter,
		packets: n, known: n,
		resp:   netip.AddrPortFrom(host, port), // no originator: one of many, and likely forged
		frames: []alert.FrameRef{d.frame.ref()},
		id:     alert.Identify(alert.RuleFlood, host, time.Unix(0, cell.startAt).UTC()),
	}
	if cell.finding = d.findings.open(f); cell.finding == 0 {
		d.stats.unsaid++
		return
	}
	d.targets.digest(cell)
	d.say(f, alert.PhaseStart, d.now)
}

// Copies of a packet of a flood come within copyWindow. What is not absorbed
// needs no such filter: it is told apart by its connection.
const (
	copyWindow = 100 * time.Millisecond
	copySize   = 1 << 14
)

// identity sums up what the copies of a packet that a span port gives share,
// behind a router, too.
func (c *contact) identity() dup.Hash {
	p := c.packet
	return dup.NewHash().AddrPort(p.Src).AddrPort(p.Dst).Uint64(uint64(p.Seq)<<32 | uint64(p.IPID))
}

// absorb counts a packet of a flood, once where a span port copies it. It
// reports false for a packet to another port than the flooded one.
func (f *finding) absorb(d *Detector, c *contact, cell *targetCell) bool {
	if f.port != 0 && c.port != f.port {
		return false
	}
	d.stats.absorbed++
	if d.copies.Seen(c.identity(), c.at) {
		return true
	}
	f.packets++
	if cell.sources >= floodSuspect { // it goes on
		f.last = d.now
	}
	f.targets.add(c.hs)
	if f.pace.Due(f.count(), d.now) {
		d.say(f, alert.PhaseUpdate, d.now)
	}
	return true
}
