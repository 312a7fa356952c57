package scan

import (
	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// A pair is a source and a destination some of whose ports failed.
type pair struct {
	pairHead
	frame frame
	ports [verticalPorts]uint16 // that failed, the latest
	times [verticalPorts]tick
	_     [56]byte // up to a whole number of cache lines
}

// pairHead is what tells a pair from the others of its set and which of them
// goes: a cache line.
type pairHead struct {
	src, dst ip.Addr
	first    int64  // Unix nanoseconds
	failed   uint32 // distinct failed ports, as far as ports tells
	answered uint32
	refused  uint32
	silent   uint32
	told     bool // that the source scans it
	_        [7]byte
}

// pairs holds pairs in a table of fixed size. Of the ways of a full set the
// pair with the fewest failures goes.
type pairs struct {
	tags []tags
	sets [][ways]pair
}

const pairSets = 1024

func newPairs() pairs {
	return pairs{make([]tags, pairSets), make([][ways]pair, pairSets)}
}

func (t *pairs) clear() {
	clear(t.tags)
	clear(t.sets)
}

// find returns the pair, nil when it is not there.
func (t *pairs) find(h uint64, src, dst ip.Addr) *pair {
	n, tag := h%pairSets, tagOf(h)
	for i, other := range t.tags[n] {
		if other == tag {
			if p := &t.sets[n][i]; p.src == src && p.dst == dst {
				return p
			}
		}
	}
	return nil
}

// add makes room for a pair and returns it, empty but for its addresses.
func (t *pairs) add(h uint64, src, dst ip.Addr) *pair {
	n := h % pairSets
	set, way := &t.sets[n], 0
	for i := range set {
		if set[i].failed < set[way].failed {
			way = i
		}
	}
	t.tags[n][way] = tagOf(h)
	set[way].pairHead = pairHead{src: src, dst: dst}
	return &set[way]
}

// judgePair counts a failed port of a destination, and alarms when a source
// failed at too many.
func (d *Detector) judgePair(a *attempt, hd uint64, now int64) {
	if a.has(shadow | exempt) {
		return
	}
	h := pairHash(a.src.Hash(), hd, 0)
	p := d.pairs.find(h, a.src, a.dst)
	if p == nil {
		if a.state == answered {
			return
		}
		p = d.pairs.add(h, a.src, a.dst)
		p.first, p.frame = a.time, d.frame
	}
	if a.state == answered {
		p.answered++
	} else if !p.fail(a.port, a.state, d.tick(a.time)) {
		return
	}
	switch {
	case p.told:
		d.extendVertical(p, a, now)
	case p.within() <= verticalWithin:
		d.alarmVertical(p, a, now)
	}
}

// within returns in what time the latest verticalPorts ports failed; more than
// any limit when they are fewer.
func (p *pair) within() tick {
	if p.failed < verticalPorts {
		return 1<<31 - 1
	}
	oldest, newest := p.times[0], p.times[0]
	for _, t := range p.times[1:] {
		oldest, newest = min(oldest, t), max(newest, t)
	}
	return newest.since(oldest)
}

// alarmVertical opens the alert of a source that scans the ports of a
// destination, or lets the destination join the one that is open.
func (d *Detector) alarmVertical(p *pair, a *attempt, now int64) {
	p.told = true
	hd := a.dst.Hash()
	if sc := d.lives.of(a.src); sc != nil && sc.vertical != 0 {
		l := d.lives.get(sc.vertical)
		l.addPair(p)
		l.last = max(l.last, a.time)
		l.meet(a.dst, hd)
		if l.pace.Due(l.count(), now) {
			d.say(l, alert.PhaseUpdate, now)
		}
		return
	}
	l := d.newLife(a, vertical, nameVertical, a.src, p.first)
	l.port = 0
	l.addPair(p)
	l.atAlarm = l.attempts
	l.ports = l.ports[:0]
	for i := range samplePart {
		l.addPort(p.ports[(p.failed+uint32(i))%verticalPorts])
	}
	l.meet(a.dst, hd)
	l.frames = append(l.frames, p.frame.ref())
	if d.lives.open(l) == 0 {
		d.stats.unsaid++
		return
	}
	d.say(l, alert.PhaseStart, now)
	if p.answered > 0 {
		d.tellTarget(a.src, a.dst, a.port, answered, sight{at: d.now})
	} else {
		d.tellTarget(a.src, a.dst, a.port, a.state, d.sight())
	}
}

// addPair takes the counts of a destination over.
func (l *life) addPair(p *pair) {
	l.answered += uint64(p.answered)
	l.refused += uint64(p.refused)
	l.silent += uint64(p.silent)
	l.attempts += uint64(p.answered) + uint64(p.failed)
}

// extendVertical adds a port of a destination that is known to be scanned.
func (d *Detector) extendVertical(p *pair, a *attempt, now int64) {
	sc := d.lives.of(a.src)
	if sc == nil || sc.vertical == 0 { // that alert was closed
		p.told = false
		p.failed, p.answered, p.refused, p.silent = 0, 0, 0, 0
		return
	}
	l := d.lives.get(sc.vertical)
	l.attempts++
	l.last = max(l.last, a.time)
	l.outcome(d, a)
	if l.pace.Due(l.attempts, now) {
		d.say(l, alert.PhaseUpdate, now)
	}
}

// fail notes a failed port, and reports false where it is known to have failed.
func (p *pair) fail(port uint16, o outcome, t tick) bool {
	for i := range min(p.failed, verticalPorts) {
		if p.ports[i] == port {
			p.times[i] = max(p.times[i], t)
			return false
		}
	}
	p.ports[p.failed%verticalPorts] = port
	p.times[p.failed%verticalPorts] = t
	p.failed++
	if o == silent {
		p.silent++
	} else {
		p.refused++
	}
	return true
}
