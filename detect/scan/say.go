package scan

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// alarm opens an alert about a source, decided by an attempt.
func (d *Detector) alarm(s *source, a *attempt, name string, now int64) {
	if sc := d.lives.of(a.src); sc != nil && sc.sweeps >= sweepsEach && s.key.kind != allPorts && !alert.IsSMB(s.key.port) {
		d.joinSeveral(sc, s, a, name, now)
		return
	}
	run := s.recent(d)
	l := d.newLife(a, sweep, name, a.src, run.firstAt)
	l.adopt(s, &run)
	l.atAlarm, l.llr, l.since = uint64(run.tried), s.llr, s.since(d, &run, name)
	if name != nameSequential && name != nameExternal {
		l.llr = 0
	}
	if s.key.kind == allPorts {
		l.port = 0
	}
	d.start(l, s, run.firstAt, now)
}

// joinSeveral lets a further port of a scanner join the alert that the ports
// beyond the first few share.
func (d *Detector) joinSeveral(sc *scanner, s *source, a *attempt, name string, now int64) {
	run := s.recent(d)
	if sc.several == 0 {
		l := d.newLife(a, several, name, a.src, run.firstAt)
		l.adopt(s, &run)
		l.port = 0
		l.atAlarm, l.since = uint64(run.tried), s.since(d, &run, name)
		d.start(l, s, run.firstAt, now)
		return
	}
	l := d.lives.get(sc.several)
	l.adopt(s, &run)
	l.addPort(s.key.port)
	s.life = sc.several
	d.tellTargets(l, s, run.firstAt)
}

// adopt takes the counts of a source's run of attempts over. Several ports may
// have been tried at the same destinations.
func (l *life) adopt(s *source, run *span) {
	l.keys = append(l.keys, s.key)
	if l.kind == several {
		l.known = max(l.known, uint64(run.tried))
	} else {
		l.known += uint64(run.tried)
	}
	l.attempts += uint64(run.tried)
	l.aged += uint64(run.tried - run.young)
	l.aging = l.aged
	l.answered += uint64(run.answered)
	l.refused += uint64(run.refused)
	l.silent += uint64(run.silent)
	l.last = max(l.last, s.lastAt)
	gap := (s.lastAt - run.firstAt) / int64(max(run.tried, 2)-1)
	l.quiet = max(l.quiet, min(quietGaps*gap, quietMost))
	for n := min(run.tried, keepTargets); n > 0; n-- {
		dst := s.targets[(s.tried-n)%keepTargets]
		if l.kind == several {
			l.meet(dst, dst.Hash())
		} else {
			l.remember(dst)
		}
	}
}

// start says the first word of an alert about a source, and the facts that are
// known by then of its run since begin.
func (d *Detector) start(l *life, s *source, begin, now int64) {
	place := d.lives.open(l)
	if place == 0 {
		d.stats.unsaid++
		return
	}
	s.life = place
	if c := d.customs[s.key.port]; c != nil && s.key.kind == perPort {
		s.learnDay()
		c.leave(s)
	}
	for i := range s.nframes {
		l.frames = append(l.frames, s.frames[i].ref())
	}
	d.say(l, alert.PhaseStart, now)
	d.tellTargets(l, s, begin)
}

// newLife makes an alert that a decision about an attempt opens.
func (d *Detector) newLife(a *attempt, kind lifeKind, name string, host ip.Addr, begin int64) *life {
	l := &life{
		rule: alert.RuleScan, name: name, kind: kind, host: host, port: a.port, pop: d.population(a),
		inside: a.has(inside), lateral: d.ports.class[a.port] == lateral, vlan: a.vlan,
		first: begin, last: max(a.time, begin), quiet: quietAfter,
		orig:  netip.AddrPortFrom(a.src.Netip(), a.sport),
		resp:  netip.AddrPortFrom(a.dst.Netip(), a.port),
		ports: []uint16{a.port},
		told:  verdict{doubted: true},
	}
	key := strconv.Itoa(int(a.port))
	if kind == several || kind == vertical || a.has(pooled) {
		key = ""
	}
	l.id = alert.Identify(alert.RuleScan, host.Netip(), time.Unix(0, begin).UTC(), name, key)
	return l
}

// target adds a destination to a scan under way.
func (l *life) target(d *Detector, dst ip.Addr, hash uint64, port uint16) {
	l.attempts++
	l.last = d.now
	l.addPort(port)
	if l.sampled && l.pace.Quiet(l.known+l.targets.most()+1, d.now) && l.targets.later(hash) {
		return // whether it is new makes no difference yet
	}
	if !l.meet(dst, hash) && l.kind != several { // of which a port is news, too
		return
	}
	if l.pace.Due(l.count(), d.now) {
		d.say(l, alert.PhaseUpdate, d.now)
	}
}

// meet adds a destination, and reports whether it was new.
func (l *life) meet(dst ip.Addr, hash uint64) bool {
	isNew := l.targets.add(hash)
	if isNew {
		l.remember(dst)
	}
	return isNew
}

// remember takes a destination into the sample, as long as that is not full.
func (l *life) remember(dst ip.Addr) {
	if !l.sampled {
		l.sample = append(l.sample, dst.Netip())
		l.sampled = len(l.sample) == samplePart
	}
}

func (l *life) addPort(port uint16) {
	if port == l.port && port != 0 { // in from the start
		return
	}
	if len(l.ports) < samplePart && !slices.Contains(l.ports, port) {
		l.ports = append(l.ports, port)
	}
}

// outcome adds what an attempt came to.
func (l *life) outcome(d *Detector, a *attempt) {
	switch a.state {
	case answered:
		l.answered++
	case refused, unreached:
		l.refused++
	default:
		l.silent++
		return
	}
	d.tellTarget(a.src, a.dst, a.port, a.state, d.sight())
}

// corrected takes back that an attempt was silent.
func (l *life) corrected(d *Detector, a *attempt) {
	l.silent -= min(l.silent, 1)
	l.outcome(d, a)
}

// tellTargets says which of the destinations of a new scanner are known to be
// there, but for those that it used before it began to scan.
func (d *Detector) tellTargets(l *life, s *source, begin int64) {
	port := s.key.port
	if s.key.kind == allPorts {
		port = l.ports[0]
	}
	n, ring := s.answered+s.refused, d.rings.of(s)
	size := uint32(len(ring)) //nolint:gosec // G115: rings are small.
	for i := n - min(n, size); i < n; i++ {
		if k := &ring[i%size]; k.at >= begin {
			d.tellTarget(l.host, k.host, port, k.came, k.sight())
		}
	}
	d.rings.giveBack(s) // from now on they are told at once
}

// tellTarget says, once, that a destination inside answered or refused a
// scanner.
func (d *Detector) tellTarget(src, dst ip.Addr, port uint16, o outcome, by sight) {
	hd := dst.Hash()
	if o != answered && o != refused || d.roles.of(dst) == isOutside {
		return
	}
	if d.facts.see(pairHash(src.Hash(), hd, port)) {
		return
	}
	f := alert.Fact{
		Kind: alert.FactTargeted, Host: dst.Netip(), Peer: src.Netip(), Port: port,
		Time: time.Unix(0, by.at).UTC(), Frame: by.frame.ref(),
	}
	if o == refused {
		f.Detail = alert.Refused
	}
	d.emit.Fact(f)
}

// count is how much there is of what the alert is about: destinations, of
// floods and distributed scans sources.
func (l *life) count() uint64 {
	if l.kind == network {
		return l.sources
	}
	return l.destinations()
}

// destinations is how many distinct ones there are. Of several ports together
// it is at least as many as one of them was tried at.
func (l *life) destinations() uint64 {
	if l.kind == several {
		return max(l.known, l.targets.count())
	}
	return l.known + l.targets.count()
}

// say emits the alert in its present state.
func (d *Detector) say(l *life, phase alert.Phase, now int64) {
	if phase == alert.PhaseStart {
		l.pace.Due(l.count(), now)
	}
	l.told = d.judge(l)
	a := alert.Alert{
		ID: l.id, Seq: l.seq, Phase: phase, Rule: l.rule, Name: l.name, Severity: l.told.severity,
		Time: time.Unix(0, now).UTC(), Host: l.host.Netip(), Orig: l.orig, Resp: l.resp,
		Proto: uint8(packet.ProtoTCP), VLAN: l.vlan,
		First: time.Unix(0, l.first).UTC(), Last: time.Unix(0, l.latest()).UTC(),
		Count: l.attempts, Frames: slices.Clone(l.frames),
	}
	l.seq++
	if l.kind == flood {
		a.Count = l.packets
		a.Evidence.Flood = &alert.Flood{
			Port: l.port, Sources: min(l.count(), l.packets), Packets: l.packets, Rate: l.rate(l.packets),
		}
	} else {
		a.Evidence.Scan = l.scan()
	}
	d.emit.Alert(a)
}

func (l *life) scan() *alert.Scan {
	s := &alert.Scan{
		Port: l.port, Lateral: l.lateral, Targets: min(l.destinations(), max(l.attempts, 1)), Estimated: l.targets.estimated(),
		Answered: l.answered, Refused: l.refused, Silent: l.silent, Pending: l.told.pending,
		Attempts: l.atAlarm, LLR: l.llr, Sources: l.sources, Sample: slices.Clone(l.sample),
	}
	if l.since != 0 {
		s.Since = time.Unix(0, l.since).UTC()
	}
	s.Rate = l.rate(s.Targets)
	if l.kind == vertical {
		s.Rate = l.rate(l.attempts)
	}
	if l.port == 0 && len(l.ports) == 1 {
		s.Port = l.ports[0]
	} else if len(l.ports) > 1 {
		s.Ports = slices.Clone(l.ports)
	}
	return s
}

// rate returns so many a second, 0 where all came at the same time.
func (l *life) rate(n uint64) float64 {
	seconds := float64(l.last-l.first) / 1e9
	if seconds <= 0 || n < 2 {
		return 0
	}
	return float64(n-1) / seconds
}
