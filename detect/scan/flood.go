package scan

import (
	"net/netip"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/dup"
	"wormscope/internal/ip"
)

// A targetCell counts the sources never seen before that try one destination.
// All but seen is in one cache line, so that a set is looked through in four.
type targetCell struct {
	dst     ip.Addr
	startAt int64  // of the present count, Unix nanoseconds
	start   tick   // the same
	sources uint32 // new sources since start: bits set, a little fewer than there were
	done    uint32 // handshakes completed since the cell became suspect
	life    int32  // the open flood's place plus 1
	mixed   uint32 // sources that tried another port
	port    uint16 // that the first of them tried
	used    bool
	watched bool // counted in targets.watched
	_       [16]byte
	seen    [floodBits]uint64 // a bit for a source, by its hash
}

// floodBits are words of bits for sources: with floodSources of them, one in
// eight or so falls on a bit that is taken.
const floodBits = 16

// add counts a source, and reports false where it was counted before.
func (c *targetCell) add(hash uint64) bool {
	word, bit := &c.seen[hash/64%floodBits], uint64(1)<<(hash%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	c.sources++
	return true
}

// flooded reports whether new sources came in such numbers, and completed so
// few handshakes, that they must be spoofed. Unless they are very many, the
// handshakes are given time.
func (c *targetCell) flooded(now tick) bool {
	if c.sources < floodSources || c.done*floodShare >= c.sources-floodSuspect {
		return false
	}
	return c.sources >= floodMany || now.since(c.start) >= second
}

// targets holds the cells in a table of fixed size. Of the ways of a full set
// the cell with the fewest new sources goes.
type targets struct {
	sets     [][ways]targetCell
	suspects int                // cells that may be flooded
	watched  [watchSlots]uint16 // the same by hash: most segments are to none of them
}

const (
	targetSets = 1024
	watchSlots = 1024
)

func newTargets() targets { return targets{sets: make([][ways]targetCell, targetSets)} }

func (t *targets) clear() { *t = targets{sets: t.sets}; clear(t.sets) }

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

func (t *targets) find(dst ip.Addr, hash uint64) (c *targetCell, found bool) {
	set := &t.sets[hash%targetSets]
	c = nil
	for i := range set {
		if set[i].used && set[i].dst == dst {
			return &set[i], true
		}
		if set[i].life == 0 && (c == nil || set[i].sources < c.sources) {
			c = &set[i]
		}
	}
	return c, false
}

// complete counts a handshake that was completed with a suspected target.
func (t *targets) complete(dst ip.Addr) {
	if !t.watches(dst) {
		return
	}
	if c, found := t.find(dst, dst.Hash()); found {
		c.done++
	}
}

// restart begins a new count.
func (t *targets) restart(c *targetCell, now tick, at int64, port uint16) {
	t.watch(c, false)
	c.start, c.startAt, c.sources, c.done, c.mixed = now, at, 0, 0, 0
	c.seen = [floodBits]uint64{}
	if c.life == 0 {
		c.port = port
	}
}

// flooded counts a source that was not seen before for its target, and reports
// whether the target is being flooded: then the source is spoofed, most
// likely, and is kept out of the tables.
func (d *Detector) flooded(c *contact) bool {
	cell, found := d.targets.find(c.dst, c.hd)
	if cell == nil {
		return false
	}
	if !found {
		d.targets.watch(cell, false)
		*cell = targetCell{dst: c.dst, start: c.now, startAt: c.at, port: c.port, used: true}
	}
	if c.now.since(cell.start) > floodWithin {
		d.targets.restart(cell, c.now, c.at, c.port)
	}
	isNew := cell.add(c.hs)
	if isNew && cell.port != c.port {
		cell.mixed++
	}
	if cell.life != 0 {
		return d.lives.get(cell.life).absorb(d, c, cell)
	}
	if !isNew {
		return false
	}
	if cell.sources == floodSuspect {
		d.targets.watch(cell, true)
		d.wonder()
	}
	if cell.flooded(c.now) {
		d.alarmFlood(c, cell)
	}
	return false
}

// alarmFlood opens the alert for a target.
func (d *Detector) alarmFlood(c *contact, cell *targetCell) {
	d.targets.watch(cell, false)
	port := cell.port
	if cell.mixed*floodShare > cell.sources {
		port = 0
	}
	host := c.dst.Netip()
	l := &life{
		rule: alert.RuleFlood, kind: flood, host: c.dst, port: port,
		first: cell.startAt, last: d.now, quiet: quietAfter,
		packets: uint64(cell.sources), known: uint64(cell.sources),
		orig: netip.AddrPortFrom(c.src.Netip(), 0), resp: netip.AddrPortFrom(host, port),
		frames: []alert.FrameRef{d.frame.ref()},
		id:     alert.Identify(alert.RuleFlood, host, time.Unix(0, cell.startAt).UTC()),
	}
	if cell.life = d.lives.open(l); cell.life == 0 {
		d.stats.unsaid++
		return
	}
	d.say(l, alert.PhaseStart, d.now)
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
func (l *life) absorb(d *Detector, c *contact, cell *targetCell) bool {
	if l.port != 0 && c.port != l.port {
		return false
	}
	d.stats.absorbed++
	if d.copies.Seen(c.identity(), c.at) {
		return true
	}
	l.packets++
	if cell.sources >= floodSuspect { // it goes on
		l.last = d.now
	}
	l.targets.add(c.hs)
	if l.pace.Due(l.count(), d.now) {
		d.say(l, alert.PhaseUpdate, d.now)
	}
	return true
}
