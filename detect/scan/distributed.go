package scan

import (
	"math"
	"math/bits"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// A netCell counts, for one network and port, the sources whose attempts fail
// there in an hour, and at how many of its addresses. What a look-up reads is
// in its first cache line.
type netCell struct {
	net      ip.Addr
	startAt  int64 // of the hour, Unix nanoseconds
	start    tick  // the same
	finding  int32 // the open alert's place plus 1, 0 when there is none
	fails    uint32
	answers  uint32
	usual    uint32 // sources an hour, of the hours before; 0 when there was none
	hours    uint32 // how many those were
	port     uint16
	untold   counts          // what no alert was told of yet
	sources  [netBits]uint64 // linear counting: a bit for a source
	dests    [4]uint64       // a bit for an address, by its last byte
	firstDst ip.Addr
	down     outage
	_        [14]byte // up to a whole number of cache lines
}

const (
	netBits = 16 // words of sources: 1024 bits count up to some 4000 to within 5 %
	netSets = 256
)

// nets holds the cells in a table of fixed size. Of the ways of a full set the
// one with the fewest failures goes.
type nets struct {
	tags []tags
	sets [][ways]netCell
}

func newNets() nets { return nets{make([]tags, netSets), make([][ways]netCell, netSets)} }

func (t *nets) clear() {
	for n := range t.tags {
		if t.tags[n] != (tags{}) {
			t.tags[n], t.sets[n] = tags{}, [ways]netCell{}
		}
	}
}

func netHash(net ip.Addr, port uint16) uint64 { return pairHash(net.Hash(), 0, port) }

// find returns the cell of a network and port, nil when they have none.
func (t *nets) find(h uint64, net ip.Addr, port uint16) *netCell {
	n, tag := h%netSets, tagOf(h)
	for i, other := range t.tags[n] {
		if other == tag {
			if c := &t.sets[n][i]; c.net == net && c.port == port {
				return c
			}
		}
	}
	return nil
}

// add makes room for a network and port, and returns their cell as it was left.
// It is nil where alerts are open about all that it could be.
func (t *nets) add(h uint64) *netCell {
	n, way := h%netSets, -1
	set := &t.sets[n]
	for i := range set {
		if set[i].finding == 0 && (way < 0 || set[i].fails < set[way].fails) {
			way = i
		}
	}
	if way < 0 {
		return nil
	}
	t.tags[n][way] = tagOf(h)
	return &set[way]
}

// distinct returns how many things set the bits, by linear counting (Whang,
// Vander-Zanden, Taylor: A Linear-Time Probabilistic Counting Algorithm, 1990).
func (c *netCell) distinct() uint32 {
	set := 0
	for _, w := range c.sources {
		set += bits.OnesCount64(w)
	}
	return linearCount(netBits*64, set)
}

func (c *netCell) spread() uint32 {
	set := 0
	for _, w := range c.dests {
		set += bits.OnesCount64(w)
	}
	return uint32(set)
}

// judgeNet counts an outcome for the network inside that it happened in, and
// alarms when many sources share a sweep of it, most of it in vain.
func (d *Detector) judgeNet(a *attempt, hd uint64, now int64) {
	if !a.has(first) || d.ports.class[a.port] == ordinary || d.findings.scanning(a.src) {
		return
	}
	if d.roles.of(a.dst) == isOutside || a.state != answered && a.weight == weightAstray {
		return
	}
	net := subnet(a.dst)
	h, t := netHash(net, a.port), d.tick(now)
	c := d.nets.find(h, net, a.port)
	if c == nil {
		if a.state == answered {
			return
		}
		if c = d.nets.add(h); c == nil {
			return
		}
		*c = netCell{net: net, port: a.port, start: t, startAt: a.time, firstDst: a.dst}
	}
	if t.since(c.start) >= hour {
		c.turn(t, now)
	}
	c.untold.tally(a.state)
	last := lastByte(a.dst, hd)
	if a.state == answered {
		c.answers++
		c.down.end(last)
		return
	}
	c.fail(a.src.Hash(), last)
	if a.has(inside) {
		if c.down.has(last) {
			a.weight = min(a.weight, weightShared)
		}
		c.down.fail(last)
	}
	if c.fails%spreadStep == 0 && c.fails >= spreadSources && c.spread() >= spreadTargets {
		d.judgeSpread(c, a, now)
	}
}

// spreadStep is how often a network is judged: once in so many failures.
const spreadStep = 16

// fail counts a failure.
func (c *netCell) fail(src uint64, last uint8) {
	c.fails++
	c.sources[src/64%netBits] |= 1 << (src % 64)
	c.dests[last/64] |= 1 << (last % 64)
}

// lastByte stands for an address in its network.
func lastByte(a ip.Addr, hash uint64) uint8 {
	if a.Is4() {
		return uint8(a.Lo) //nolint:gosec // G115: the last byte.
	}
	return uint8(hash) //nolint:gosec // G115: any will do.
}

func (d *Detector) judgeSpread(c *netCell, a *attempt, now int64) {
	n := c.distinct()
	if c.finding != 0 {
		d.findings.get(c.finding).spreadOn(d, c, n, now)
		return
	}
	if n < spreadSources || n < spreadTimes*c.usual || c.fails < spreadFailed*c.answers {
		return
	}
	d.alarmNet(c, a, n, now)
}

// turn ends an hour: what it saw becomes part of what is usual.
func (c *netCell) turn(now tick, at int64) {
	n := c.distinct()
	c.hours = min(c.hours+1, 24)
	c.usual = (c.usual*(c.hours-1) + n) / c.hours
	c.down.fade(now.since(c.start) / hour)
	c.start, c.startAt, c.fails, c.answers = now, at, 0, 0
	c.sources, c.dests = [netBits]uint64{}, [4]uint64{}
	if c.finding == 0 {
		c.untold = counts{}
	}
}

// alarmNet opens the alert for a network. Its Host is the first address of the
// network that was tried: the one it is about is the target here.
func (d *Detector) alarmNet(c *netCell, a *attempt, n uint32, now int64) {
	f := d.newFinding(a, network, alert.NameDistributed, c.firstDst, c.startAt)
	f.gather(c, n)
	f.atAlarm = f.attempts
	f.quiet = int64(time.Hour)
	if c.finding = d.findings.open(f); c.finding == 0 {
		d.stats.unsaid++
		return
	}
	d.say(f, alert.PhaseStart, now)
}

// spreadOn lets the alert of a network grow.
func (f *finding) spreadOn(d *Detector, c *netCell, n uint32, now int64) {
	f.last = now
	f.gather(c, n)
	if f.pace.Due(f.sources, now) {
		d.say(f, alert.PhaseUpdate, now)
	}
}

// gather takes what a network's cell has counted, and that n sources were there.
func (f *finding) gather(c *netCell, n uint32) {
	f.sources = max(f.sources, uint64(n))
	f.known = max(f.known, uint64(c.spread()))
	f.take(&c.untold)
}

// take adds what attempts came to, once.
func (f *finding) take(n *counts) {
	f.answered += uint64(n.answered)
	f.refused += uint64(n.refused)
	f.silent += uint64(n.silent)
	f.attempts += uint64(n.answered) + uint64(n.refused) + uint64(n.silent)
	*n = counts{}
}

// leaveNet lets the cell of a network go whose alert is about to be closed, with
// what it was not told of yet.
func (d *Detector) leaveNet(f *finding, place int32) {
	net := subnet(f.host)
	if c := d.nets.find(netHash(net, f.port), net, f.port); c != nil && c.finding == place {
		f.gather(c, c.distinct())
		c.finding = 0
	}
}

// linearCount returns how many things were thrown at so many bits, of which so
// many are set.
func linearCount(size, set int) uint32 {
	if set == size {
		set--
	}
	return uint32(-float64(size)*math.Log(1-float64(set)/float64(size)) + .5)
}
