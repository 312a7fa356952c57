package scan

import (
	"iter"
	"math/bits"
	"slices"

	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// A pair is a source and a destination some of whose ports failed.
type pair struct {
	pairHead
	frame    frame                 // as first
	ports    [verticalPorts]uint16 // that failed, the latest
	times    [verticalPorts]tick   // when
	served   [keepServed]uint16    // that answered, the latest
	servedAt [keepServed]tick      // when
	_        [8]byte               // up to a whole number of cache lines
}

// keepServed is how many ports that answered are remembered: among twenty that
// failed in a minute there are hardly ever more.
const keepServed = 8

// pairHead is what tells a pair from the others of its set and which of them
// goes: a cache line.
type pairHead struct {
	src, dst ip.Addr
	first    int64  // failure since a minute without any, Unix nanoseconds
	failed   uint32 // distinct failed ports, as far as ports tells
	answered uint32 // distinct ones that answered, as far as served tells
	refused  uint32 // of ports, a bit for each
	told     bool   // that the source scans it
	_        [11]byte
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
	for n := range t.tags {
		if t.tags[n] != (tags{}) {
			t.tags[n], t.sets[n] = tags{}, [ways]pair{}
		}
	}
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

// judgePair counts a port of a destination, and alarms when a source failed at
// too many. Those that served before are down: who checks all services of a
// host is not a scanner when it restarts.
func (d *Detector) judgePair(a *attempt, hd uint64, served bool, now int64) {
	if a.has(shadow | exempt) {
		return
	}
	h := pairHash(a.src.Hash(), hd, 0)
	p := d.pairs.find(h, a.src, a.dst)
	if p == nil {
		if a.state == answered || served {
			return
		}
		p = d.pairs.add(h, a.src, a.dst)
	}
	if p.told {
		if f := d.verticalOf(a.src); f != nil {
			d.extendVertical(f, a, hd, now)
			return
		}
		p.told, p.failed, p.answered = false, 0, 0 // that alert was closed
	}
	t := d.tick(a.time)
	if a.state == answered {
		p.serve(a.port, t)
		return
	}
	if !served && p.fail(a, t, d.frame) && p.within() <= verticalWithin {
		d.alarmVertical(p, a, now)
	}
}

// verticalOf returns the open alert about the ports that a source scans, nil
// when there is none.
func (d *Detector) verticalOf(src ip.Addr) *finding {
	if sc := d.findings.of(src); sc != nil && sc.vertical != 0 {
		return d.findings.get(sc.vertical)
	}
	return nil
}

// within returns in what time the latest verticalPorts ports failed; more than
// any limit when they are fewer.
func (p *pair) within() tick {
	if p.failed < verticalPorts {
		return 1<<31 - 1
	}
	oldest, newest := p.oldest(), p.times[0]
	for _, t := range p.times[1:] {
		newest = max(newest, t)
	}
	return newest.since(oldest)
}

// oldest returns when the first of the latest verticalPorts ports failed.
func (p *pair) oldest() tick { return slices.Min(p.times[:]) }

// alarmVertical opens the alert of a source that scans the ports of a
// destination, or lets the destination join the one that is open.
func (d *Detector) alarmVertical(p *pair, a *attempt, now int64) {
	p.told = true
	if f := d.verticalOf(a.src); f != nil {
		f.addPair(p)
		f.last = max(f.last, a.time)
		if f.pace.Due(f.count(), now) {
			d.say(f, alert.PhaseUpdate, now)
		}
		d.tellPair(p, a)
		return
	}
	f := d.newFinding(a, vertical, alert.NameVertical, a.src, max(p.first, d.timeOf(p.oldest())))
	f.port = 0
	f.addPair(p)
	f.atAlarm = f.attempts
	f.ports = f.ports[:0]
	for i := range samplePart {
		f.addPort(p.ports[(p.failed+uint32(i))%verticalPorts])
	}
	f.frames = append(f.frames, p.frame.ref())
	if d.findings.open(f) == 0 {
		d.stats.unsaid++
		return
	}
	d.say(f, alert.PhaseStart, now)
	d.tellPair(p, a)
}

// addPair takes a destination over, and what came of its ports in the time in
// which too many failed. They are remembered, so as to count once.
func (f *finding) addPair(p *pair) {
	refused := uint64(bits.OnesCount32(p.refused)) //nolint:gosec // G115: at most 32.
	f.refused += refused
	f.silent += verticalPorts - refused
	f.attempts += verticalPorts
	hd := p.dst.Hash()
	for _, port := range p.ports {
		f.pop.contacts.see(f.contact(hd, port))
	}
	for i := range p.recentlyServed() {
		f.answered++
		f.attempts++
		f.pop.contacts.see(f.contact(hd, p.served[i]))
	}
	f.meet(p.dst, hd)
}

// contact is the hash that a port is remembered by as counted for this alert.
func (f *finding) contact(dst uint64, port uint16) uint64 {
	return pairHash(f.host.Hash()^uint64(f.first), dst, port) //nolint:gosec // G115: any bits will do.
}

// recentlyServed returns which of the ports that are remembered to have answered
// did so since the first of those failed that are too many.
func (p *pair) recentlyServed() iter.Seq[uint32] {
	oldest := p.oldest()
	return func(yield func(uint32) bool) {
		for i := range min(p.answered, keepServed) {
			if p.servedAt[i] >= oldest && !yield(i) {
				return
			}
		}
	}
}

// tellPair says that a destination whose ports are scanned is there: it answered,
// or refused the attempt that decided.
func (d *Detector) tellPair(p *pair, a *attempt) {
	for i := range p.recentlyServed() {
		d.tellTarget(p.src, p.dst, p.served[i], answered, sight{at: d.timeOf(p.servedAt[i])})
	}
	d.tellTarget(a.src, a.dst, a.port, a.state, d.sight())
}

// extendVertical adds a port of a destination that is known to be scanned, once.
func (d *Detector) extendVertical(f *finding, a *attempt, hd uint64, now int64) {
	h := f.contact(hd, a.port)
	if f.pop.contacts.renew(h) {
		return
	}
	if f.pop.remembers(f) {
		f.pop.contacts.see(h)
	}
	f.attempts++
	f.last = max(f.last, a.time)
	f.outcome(d, a)
	if f.pace.Due(f.attempts, now) {
		d.say(f, alert.PhaseUpdate, now)
	}
}

// fail notes a failed port, and reports false where it is known to have failed.
func (p *pair) fail(a *attempt, t tick, f frame) bool {
	for i := range min(p.failed, verticalPorts) {
		if p.ports[i] == a.port {
			p.times[i] = max(p.times[i], t)
			return false
		}
	}
	if p.failed == 0 || t.since(p.times[(p.failed-1)%verticalPorts]) > verticalWithin {
		p.first, p.frame = a.time, f
	}
	slot := p.failed % verticalPorts
	p.ports[slot], p.times[slot] = a.port, t
	p.refused &^= 1 << slot
	if a.state != silent {
		p.refused |= 1 << slot
	}
	p.failed++
	return true
}

// serve notes a port that answered.
func (p *pair) serve(port uint16, t tick) {
	for i := range min(p.answered, keepServed) {
		if p.served[i] == port {
			p.servedAt[i] = max(p.servedAt[i], t)
			return
		}
	}
	slot := p.answered % keepServed
	p.served[slot], p.servedAt[slot] = port, t
	p.answered++
}
