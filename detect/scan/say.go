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
	if sc := d.findings.of(a.src); sc != nil && sc.sweeps >= sweepsEach && s.key.kind != allPorts && !alert.IsSMB(s.key.port) {
		d.joinSeveral(sc, s, a, name, now)
		return
	}
	run := s.recent(d)
	f := d.newFinding(a, sweep, name, a.src, run.firstAt)
	f.adopt(s, &run)
	f.atAlarm, f.llr, f.since = uint64(run.tried), s.llr, s.since(d, &run, name)
	if name != alert.NameSequential && name != alert.NameExternal {
		f.llr = 0
	}
	if s.key.kind == allPorts {
		f.port = 0
	}
	d.start(f, s, run.firstAt, now)
}

// joinSeveral lets a further port of a scanner join the alert that the ports
// beyond the first few share.
func (d *Detector) joinSeveral(sc *scanner, s *source, a *attempt, name string, now int64) {
	run := s.recent(d)
	if sc.several == 0 {
		f := d.newFinding(a, several, name, a.src, run.firstAt)
		f.adopt(s, &run)
		f.port = 0
		f.atAlarm, f.since = uint64(run.tried), s.since(d, &run, name)
		d.start(f, s, run.firstAt, now)
		return
	}
	f := d.findings.get(sc.several)
	f.adopt(s, &run)
	f.addPort(s.key.port)
	s.finding = sc.several
	d.tellTargets(f, s, run.firstAt)
}

// adopt takes the counts of a source's run of attempts over. Several ports may
// have been tried at the same destinations.
func (f *finding) adopt(s *source, run *span) {
	f.keys = append(f.keys, s.key)
	if f.kind == several {
		f.known = max(f.known, uint64(run.tried))
	} else {
		f.known += uint64(run.tried)
	}
	f.attempts += uint64(run.tried)
	f.aged += uint64(run.tried - run.young)
	f.aging = f.aged
	f.answered += uint64(run.answered)
	f.refused += uint64(run.refused)
	f.silent += uint64(run.silent)
	f.last = max(f.last, s.lastAt)
	gap := (s.lastAt - run.firstAt) / int64(max(run.tried, 2)-1)
	f.quiet = max(f.quiet, min(quietGaps*gap, quietMost))
	for n := min(run.tried, keepTargets); n > 0; n-- {
		dst := s.targets[(s.tried-n)%keepTargets]
		if f.kind == several {
			f.meet(dst, dst.Hash())
		} else {
			f.remember(dst)
		}
	}
}

// start says the first word of an alert about a source, and the facts that are
// known by then of its run since begin.
func (d *Detector) start(f *finding, s *source, begin, now int64) {
	place := d.findings.open(f)
	if place == 0 {
		d.stats.unsaid++
		return
	}
	s.finding = place
	if c := d.baselines[s.key.port]; c != nil && s.key.kind == perPort {
		s.learnDay()
		c.leave(s)
	}
	for i := range s.nframes {
		f.frames = append(f.frames, s.frames[i].ref())
	}
	d.say(f, alert.PhaseStart, now)
	d.tellTargets(f, s, begin)
}

// newFinding makes an alert that a decision about an attempt opens.
func (d *Detector) newFinding(a *attempt, kind findingKind, name string, host ip.Addr, begin int64) *finding {
	f := &finding{
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
	f.id = alert.Identify(alert.RuleScan, host.Netip(), time.Unix(0, begin).UTC(), name, key)
	return f
}

// target adds a destination to a scan under way.
func (f *finding) target(d *Detector, dst ip.Addr, hash uint64, port uint16) {
	f.attempts++
	f.last = d.now
	f.addPort(port)
	if f.sampled && f.pace.Quiet(f.known+f.targets.most()+1, d.now) && f.targets.later(hash) {
		return // whether it is new makes no difference yet
	}
	if !f.meet(dst, hash) && f.kind != several { // of which a port is news, too
		return
	}
	if f.pace.Due(f.count(), d.now) {
		d.say(f, alert.PhaseUpdate, d.now)
	}
}

// meet adds a destination, and reports whether it was new.
func (f *finding) meet(dst ip.Addr, hash uint64) bool {
	isNew := f.targets.add(hash)
	if isNew {
		f.remember(dst)
	}
	return isNew
}

// remember takes a destination into the sample, as long as that is not full.
func (f *finding) remember(dst ip.Addr) {
	if !f.sampled {
		f.sample = append(f.sample, dst.Netip())
		f.sampled = len(f.sample) == samplePart
	}
}

func (f *finding) addPort(port uint16) {
	if port == f.port && port != 0 { // in from the start
		return
	}
	if len(f.ports) < samplePart && !slices.Contains(f.ports, port) {
		f.ports = append(f.ports, port)
	}
}

// outcome adds what an attempt came to.
func (f *finding) outcome(d *Detector, a *attempt) {
	if f.turning {
		f.turnsBy(a)
	}
	switch a.state {
	case answered:
		f.answered++
	case refused, unreached:
		f.refused++
	default:
		f.silent++
		return
	}
	d.tellTarget(a.src, a.dst, a.port, a.state, d.sight())
}

// corrected takes back that an attempt was silent.
func (f *finding) corrected(d *Detector, a *attempt) {
	f.silent -= min(f.silent, 1)
	f.outcome(d, a)
}

// tellTargets says which of the destinations of a new scanner are known to be
// there, but for those that it used before it began to scan.
func (d *Detector) tellTargets(f *finding, s *source, begin int64) {
	port := s.key.port
	if s.key.kind == allPorts {
		port = f.ports[0]
	}
	n, ring := s.answered+s.refused, d.rings.of(s)
	size := uint32(len(ring)) //nolint:gosec // G115: rings are small.
	for i := n - min(n, size); i < n; i++ {
		if k := &ring[i%size]; k.at >= begin {
			d.tellTarget(f.host, k.host, port, k.came, k.sight())
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
func (f *finding) count() uint64 {
	if f.kind == network {
		return f.sources
	}
	return f.destinations()
}

// destinations is how many distinct ones there are. Of several ports together
// it is at least as many as one of them was tried at.
func (f *finding) destinations() uint64 {
	if f.kind == several {
		return max(f.known, f.targets.count())
	}
	return f.known + f.targets.count()
}

// say emits the alert in its present state.
func (d *Detector) say(f *finding, phase alert.Phase, now int64) {
	if phase == alert.PhaseStart {
		f.pace.Due(f.count(), now)
	}
	f.told = d.judge(f)
	f.watchTurn()
	a := alert.Alert{
		ID: f.id, Seq: f.seq, Phase: phase, Rule: f.rule, Name: f.name, Severity: f.told.severity,
		Time: time.Unix(0, now).UTC(), Host: f.host.Netip(), Orig: f.orig, Resp: f.resp,
		Proto: uint8(packet.ProtoTCP), VLAN: f.vlan,
		First: time.Unix(0, f.first).UTC(), Last: time.Unix(0, f.latest()).UTC(),
		Count: f.attempts, Frames: slices.Clone(f.frames),
	}
	f.seq++
	if f.kind == flood {
		a.Count = f.packets
		a.Evidence.Flood = &alert.Flood{
			Port: f.port, Sources: min(f.count(), f.packets), Packets: f.packets, Rate: f.rate(f.packets),
		}
	} else {
		a.Evidence.Scan = f.scan()
	}
	d.emit.Alert(a)
}

func (f *finding) scan() *alert.Scan {
	s := &alert.Scan{
		Port: f.port, Lateral: f.lateral, Targets: min(f.destinations(), max(f.attempts, 1)), Estimated: f.targets.estimated(),
		Answered: f.answered, Refused: f.refused, Silent: f.silent, Pending: f.told.pending,
		Attempts: f.atAlarm, LLR: f.llr, Sources: f.sources, Sample: slices.Clone(f.sample),
	}
	if f.since != 0 {
		s.Since = time.Unix(0, f.since).UTC()
	}
	s.Rate = f.rate(s.Targets)
	if f.kind == vertical {
		s.Rate = f.rate(f.attempts)
	}
	s.Silent -= f.recounted(s)
	if f.port == 0 && len(f.ports) == 1 {
		s.Port = f.ports[0]
	} else if len(f.ports) > 1 {
		s.Ports = slices.Clone(f.ports)
	}
	return s
}

// recounted returns how much of the silence was counted more than once: beyond what is
// remembered of a scan's contacts, a SYN that a system repeats after it was given up
// here is one more, and Linux repeats it for a minute.
func (f *finding) recounted(s *alert.Scan) uint64 {
	came := s.Answered + s.Refused + s.Silent
	if f.kind != sweep || len(f.ports) != 1 || f.pop.remembers(f) || came <= s.Targets+s.Targets/estimateOff {
		return 0
	}
	return min(came-s.Targets, s.Silent)
}

// estimateOff is what part of it an estimate may be off by, see sketch.
const estimateOff = 20

// rate returns so many a second, 0 where all came at the same time.
func (f *finding) rate(n uint64) float64 {
	seconds := float64(f.last-f.first) / 1e9
	if seconds <= 0 || n < 2 {
		return 0
	}
	return float64(n-1) / seconds
}
