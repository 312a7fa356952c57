package scan

import (
	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// try looks at a segment that acknowledges nothing, a SYN or a FIN, NULL or Xmas
// probe: somebody tries a port.
func (d *Detector) try(p *packet.Packet) {
	var c contact // field by field: a literal would be made elsewhere, and copied
	c.src, c.dst, c.port = p.Src.Addr, p.Dst.Addr, p.Dst.Port
	if c.src == c.dst || !c.dst.Single() {
		d.stats.ignored++
		return
	}
	c.hs, c.hd = c.src.Hash(), c.dst.Hash()
	src := d.roles.of(c.src)
	d.aim(&c, src)
	h := pairHash(c.hs, c.hd, c.port)
	d.fetch(&c, h)
	if a := d.attempts.find(h, c.src, c.dst, c.port); a != nil {
		if !a.has(shadow) {
			d.retry(a, h, p)
			return
		}
		a.forget() // now the SYN is here, too
	}
	c.now, c.at, c.packet = d.tick(p.Time), p.Time, p
	d.stats.attempts++
	marks := marksOf(p)
	if marks&stealth == 0 {
		d.tap.syns++
	}
	switch src {
	case isAllowed:
		d.stats.allowed++
		marks |= exempt
	case isInside:
		marks |= inside | d.meet(&c)
	case isOutside:
		marks |= d.meet(&c)
	}
	if marks&absorbed != 0 {
		return
	}
	if c.swept {
		marks |= swept
	}
	a := d.attempts.push(h)
	d.wake = min(d.wake, p.Time+silentAfter)
	a.src, a.dst, a.port, a.time, a.vlan, a.marks = c.src, c.dst, c.port, p.Time, p.VLAN, marks
	a.sport, a.seq, a.sport2, a.seq2 = p.Src.Port, p.Seq, p.Src.Port, p.Seq
	if d.ports.class[c.port] == lateral {
		d.unanswered.add(p.Src.Addr, p.Src.Port)
	}
	d.judgeContact(a, &c)
	d.answerEarly(a, h, p)
}

// marksOf returns the marks that the segment that begins an attempt gives it.
func marksOf(p *packet.Packet) (m mark) {
	if !p.Flags.IsSYN() {
		m |= stealth
	}
	if p.PayloadLen > 0 {
		m |= withData
	}
	return m
}

// retry looks at a further SYN of an attempt.
func (d *Detector) retry(a *attempt, h uint64, p *packet.Packet) {
	a.repeat(p.Src.Port, p.Seq, p.Time, marksOf(p)&withData)
	if a.waits() && d.ports.class[a.port] == lateral {
		d.unanswered.add(p.Src.Addr, p.Src.Port)
	}
	d.answerEarly(a, h, p)
}

// contact is one attempt on its way through the tables.
type contact struct {
	src, dst ip.Addr
	port     uint16
	hs, hd   uint64      // hashes of src and dst
	key      sourceKey   // what src is tested under
	kh       uint64      // hash of key
	pop      *population // the half of the world that src is in
	now      tick
	at       int64          // the same as now, Unix nanoseconds
	packet   *packet.Packet // that shows it, borrowed

	swept       bool    // the source has an alert open for a sweep of this port
	source, net *source // that the destination was new to, and its /64; nil until the second one
}

// aim sets what the source of an attempt is tested under.
func (d *Detector) aim(c *contact, src role) {
	if src == isOutside {
		c.pop = &d.outside
		if d.roles.of(c.dst) != isOutside {
			c.key.addr, c.key.kind = net64(c.src), allPorts
			c.kh = c.key.hash(c.key.addr.Hash())
			return
		}
	} else {
		c.pop = &d.inside
	}
	c.key.addr, c.key.port = c.src, c.port
	c.kh = c.key.hash(c.hs)
}

// meet takes note of an attempt in the table of its source, and returns the
// marks that say how its outcome will count.
func (d *Detector) meet(c *contact) mark {
	if c.key.kind == allPorts {
		return d.note(c.pop, c, c.key, c.kh, first|pooled)
	}
	if !d.tested(c) {
		return d.glance(c.pop, c, c.key)
	}
	m := d.note(c.pop, c, c.key, c.kh, first)
	if m&newSource != 0 && m&absorbed == 0 && !c.src.Is4() && d.ports.class[c.port] == lateral {
		m |= d.meetNet(c.pop, c, m)
	}
	return m
}

// tested reports whether attempts at a port are first contacts to count.
// Whoever is scanning already is watched on all ports.
func (d *Detector) tested(c *contact) bool {
	switch d.ports.class[c.port] {
	case lateral, watched:
		return true
	case public:
		return d.roles.of(c.dst) != isOutside && (c.dst.Is4() || d.alive.has(routeHash(c.dst)))
	default:
		return d.findings.scanning(c.src)
	}
}

// note counts the destination if the source never contacted it within a week,
// and then returns what to mark the attempt with. kh is the hash of the key.
func (d *Detector) note(pop *population, c *contact, k sourceKey, kh uint64, m mark) mark {
	era := kh
	if pop.eras.has(kh) {
		era = pop.era(kh, k, c.now)
	}
	ch := mix(era, c.hd)
	if pop.contacts.renew(ch) {
		return 0
	}
	s := pop.find(kh, k)
	if s == nil {
		n := pop.newcomers.find(kh, k)
		switch {
		case n == nil:
			return d.arrive(pop, c, k, kh, m)
		case n.dst == c.dst:
			if k.kind == allPorts && k.addr != c.src && d.flooded(c) { // spoofed within a /64
				return absorbed
			}
			return newSource
		}
		before := *n // its place is free then
		if s = pop.promote(kh, n, c.now); s == nil {
			return 0
		}
		d.settleFirst(s, &before)
		pop.contacts.see(mix(kh, before.dst.Hash()))
	}
	d.count(pop, s, c, ch)
	return m
}

// arrive takes in a source that was not seen before, unless it is one of the
// many of a flood.
func (d *Detector) arrive(pop *population, c *contact, k sourceKey, kh uint64, m mark) mark {
	if k.kind != perNet && k.kind != unasked && d.flooded(c) {
		return absorbed
	}
	n := pop.newcomers.add(kh, k)
	n.dst, n.time, n.at, n.number, n.file = c.dst, c.now, c.at, d.frame.number, d.frame.file
	return m | newSource | arrived
}

// glance notes a source at a port that is under no rule, so that the many
// sources of a flood are known to be new.
func (d *Detector) glance(pop *population, c *contact, k sourceKey) mark {
	if pop.newcomers.find(c.kh, k) != nil {
		return 0
	}
	return d.arrive(pop, c, k, c.kh, 0)
}

// count notes a new destination of a source.
func (d *Detector) count(pop *population, s *source, c *contact, ch uint64) {
	if s.key.kind == perNet {
		c.net = s
	} else {
		c.source = s
	}
	if s.begin(c.now); s.burst == 0 {
		d.rings.giveBack(s)
	}
	if s.finding != 0 {
		f := d.findings.get(s.finding)
		c.swept = s.key.kind == perPort && f.kind == sweep
		if pop.remembers(f) {
			pop.contacts.see(ch)
		}
		f.target(d, c.dst, c.hd, c.port)
	} else {
		pop.contacts.see(ch)
	}
	s.count(c.dst, c.now, c.at, d.frame)
	if s.finding == 0 {
		d.learnBaseline(s, c.now)
	}
}

// learnBaseline counts a new destination of a source for the baseline of its port.
func (d *Detector) learnBaseline(s *source, now tick) {
	if s.key.kind != perPort || d.ports.class[s.key.port] != lateral {
		return
	}
	c := d.baselines[s.key.port]
	if c == nil {
		c = &baseline{}
		d.baselines[s.key.port] = c
	}
	if s.tried == 2 { // the newcomer's first
		c.note(s, now)
	}
	c.note(s, now)
}

// settleFirst lets the outcome of a newcomer's only attempt count.
func (d *Detector) settleFirst(s *source, n *newcomer) {
	if n.state == open {
		return
	}
	s.resolve()
	d.weigh(s, n.dst, n.state, n.weight, n.time, sight{n.at, n.frame()})
}

// judgeContact applies the rules that need no outcome to the source of an
// attempt that has just begun.
func (d *Detector) judgeContact(a *attempt, c *contact) {
	if c.swept || d.ports.class[a.port] != lateral {
		return
	}
	d.judgeVolumes(a, c.source)
	d.judgeVolumes(a, c.net)
}

// judgeVolumes alarms if a source went beyond a volume of new destinations. Those
// from outside have a test of their own, which needs to see failures.
func (d *Detector) judgeVolumes(a *attempt, s *source) {
	if s == nil || s.finding != 0 || s.key.kind == allPorts && !d.tap.mute() {
		return
	}
	if v := d.exceeded(s, d.tick(d.now)); v != nil {
		d.alarm(s, a, v.name, d.now)
	}
}

// exceeded returns the volume that a source went beyond, nil when there is
// none.
func (d *Detector) exceeded(s *source, now tick) *volume {
	if s.tried < fewestTried || s.manyHosts() {
		return nil
	}
	factor := s.factor()
	for i := range fanOut {
		if v := &fanOut[i]; s.exceeds(v, now, factor) {
			return v
		}
	}
	usual := uint32(0)
	if c := d.baselines[s.key.port]; c != nil && s.key.kind == perPort {
		usual = c.usual(s)
	}
	for i := range slow {
		v := &slow[i]
		if v.smb && !alert.IsSMB(s.key.port) || v.mixed() && max(v.tried, s.today) <= unusual*usual {
			continue
		}
		if s.exceeds(v, now, factor) {
			return v
		}
	}
	return nil
}

// key returns the key that the attempt's source is tested under.
func (a *attempt) key() sourceKey {
	switch {
	case a.has(pooled):
		return sourceKey{addr: net64(a.src), kind: allPorts}
	case a.has(shadow):
		return sourceKey{addr: a.src, port: a.port, kind: unasked}
	}
	return sourceKey{addr: a.src, port: a.port}
}

// netKey returns the key that the /64 of the attempt's source is tested under.
func (a *attempt) netKey() sourceKey {
	return sourceKey{addr: net64(a.src), port: a.port, kind: perNet}
}

func (d *Detector) population(a *attempt) *population {
	if a.has(inside) {
		return &d.inside
	}
	return &d.outside
}

func (d *Detector) source(a *attempt, k sourceKey) *source {
	return d.population(a).find(k.hash(k.addr.Hash()), k)
}
