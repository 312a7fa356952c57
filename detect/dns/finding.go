package dns

import (
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/dnsmsg"
	"wormscope/detect/dup"
	"wormscope/detect/lru"
	"wormscope/ioc"
)

// findingKey is what there is one alert for.
type findingKey struct {
	host     netip.Addr
	match    ioc.Match // the zero Match with many
	onBehalf bool
	many     bool // stands for all indicators beyond the limit
}

// finding is an open alert.
type finding struct {
	alert    alert.Alert // as last said; evidence and frames stay here
	dns      alert.DNS
	pace     alert.Pace
	active   int64        // packet time of the last message about it
	answers  int          // updates because of an answer, see maxAnswerUpdates
	began    int64        // packet time at which the latest lookup began
	question dup.Hash     // what that one asked first
	said     alert.Lookup // dns.Last as last said
}

const (
	maxFrames = 8
	// maxAnswerUpdates is how many answers are worth an update of their own.
	// Each update that the count brings allows one more.
	maxAnswerUpdates = 8
)

// perHost counts the findings of each host.
type perHost map[netip.Addr]int

// match takes an indicator name in a message.
func (d *Detector) match(m *message, f found) {
	asker, server, ok := d.ends(m)
	if !ok {
		return
	}
	response := d.parser.Response()
	question := d.questionHash(f)
	l, fresh := d.lookup(m, asker, question)
	if response && !l.asked && m.reflected() {
		return
	}
	d.passes(l, f, asker.Addr(), server.Addr())
	key, ok := d.whose(l, f, asker.Addr(), server.Addr(), m.time)
	if !ok {
		d.stats.Forwarded++
		return
	}
	e, isNew := d.finding(key, m.time)
	v := &e.Value
	v.active = m.time
	d.findings.Touch(e)
	l.key = e.Key
	if isNew {
		d.begin(e, m, l, f, asker, server)
		if d.alias(f) {
			d.lead(key, server.Addr(), m.time)
		}
	}
	if fresh = fresh || isNew; fresh {
		v.count(m)
		v.beginLookup(question, d.qtype(f), m.time)
		l.began = v.began
	}
	substantiated := d.substantiate(e, l, f, asker, server.Addr())
	answered := response && d.answer(v, l, f, server.Addr())
	due := fresh && v.pace.Due(v.alert.Count, m.time)
	switch {
	case isNew:
		d.say(v, alert.PhaseStart, m.time)
	case due:
		v.answers = min(v.answers, maxAnswerUpdates-1)
		fallthrough
	case substantiated, answered:
		d.say(v, alert.PhaseUpdate, m.time)
	}
}

// ends returns who asks and who is asked, and whether that is a lookup.
func (d *Detector) ends(m *message) (asker, server netip.AddrPort, ok bool) {
	asker, server = m.src.Netip(), m.dst.Netip()
	if d.parser.Response() {
		asker, server = server, asker
	}
	switch a := asker.Addr(); {
	case server.Port() != port:
		d.stats.Misdirected++
	default:
		ok = !a.IsMulticast() && !a.IsUnspecified()
	}
	return asker, server, ok
}

// whose says whose lookup a message is part of, or that it is plainly that of a
// client, which has an alert of its own.
func (d *Detector) whose(l *lookup, f found, asker, server netip.Addr, now int64) (key findingKey, ok bool) {
	if l.forwarded && d.parser.Response() {
		return key, false
	}
	if d.findings.Get(l.key) != nil {
		return l.key, true
	}
	behalf, forwarded := d.explained(asker, f.match, now)
	if l.forwarded = forwarded; forwarded {
		return key, false
	}
	return d.attribute(asker, server, f, behalf), true
}

// finding returns the open alert for a key, or makes room for a new one.
func (d *Detector) finding(key findingKey, now int64) (e *lru.Entry[findingKey, finding], isNew bool) {
	if e = d.findings.Get(key); e != nil {
		return e, false
	}
	if d.perHost[key.host] >= d.cfg.MaxPerHost && key.match.Class() != ioc.KillSwitch {
		d.stats.OverLimit++
		key.match, key.many = ioc.Match{}, true
		if e = d.findings.Get(key); e != nil {
			return e, false
		}
	}
	if d.findings.Full() {
		d.stats.Evicted++
		d.end(d.findings.Oldest(), now)
	}
	d.perHost[key.host]++
	return d.findings.Add(key), true
}

// begin fills in what an alert begins with.
func (d *Detector) begin(e *lru.Entry[findingKey, finding], m *message, l *lookup, f found, asker, server netip.AddrPort) {
	v := &e.Value
	indicator := d.set.Indicator(f.match)
	at := time.Unix(0, m.time).UTC()
	v.dns = alert.DNS{Resolver: server.Addr(), Client: d.reading.client, OnBehalf: e.Key.onBehalf, Unasked: d.unasked(l, f, asker, server.Addr())}
	d.noteQuestion(v, f)
	v.alert = alert.Alert{
		Rule: alert.RuleDomain, Host: e.Key.host, Orig: asker, Resp: server, Proto: uint8(m.proto), VLAN: m.vlan,
		First: at, Last: at, Indicator: &indicator, Severity: d.severity(e.Key, &indicator, server.Addr(), v.dns.Unasked),
	}
	what := []string{indicator.Value}
	if e.Key.onBehalf {
		what = append(what, "on behalf")
	}
	if e.Key.many {
		v.alert.Name = alert.NameManyIndicators
		what = []string{alert.NameManyIndicators}
	}
	v.alert.ID = alert.Identify(alert.RuleDomain, e.Key.host, at, what...)
}

// severity says how much a lookup matters.
func (d *Detector) severity(key findingKey, i *ioc.Indicator, server netip.Addr, unasked bool) alert.Severity {
	fromOutside := !d.zones.Inside(key.host) && d.zones.Inside(server)
	switch {
	case key.onBehalf, fromOutside, i.Class == ioc.Anonymizer:
		return alert.Low
	case unasked:
		return alert.Medium
	case i.Class == ioc.KillSwitch:
		return alert.Critical
	case i.Class == ioc.Sinkhole, i.Confidence == ioc.HighConfidence:
		return alert.High
	default:
		return alert.Medium
	}
}

// substantiate notes that a finding no longer rests on answers to nothing, and
// reports whether that is news.
func (d *Detector) substantiate(e *lru.Entry[findingKey, finding], l *lookup, f found, asker netip.AddrPort, server netip.Addr) bool {
	v := &e.Value
	if !v.dns.Unasked || d.unasked(l, f, asker, server) {
		return false
	}
	d.trust(e)
	return true
}

// trust takes a finding for a lookup of the host's.
func (d *Detector) trust(e *lru.Entry[findingKey, finding]) {
	v := &e.Value
	v.dns.Unasked = false
	v.alert.Severity = d.severity(e.Key, v.alert.Indicator, v.alert.Resp.Addr(), false)
}

// noteQuestion notes what was asked for.
func (d *Detector) noteQuestion(v *finding, f found) {
	v.dns.Matched = f.name
	v.dns.Question, v.dns.Type = f.name, d.qtype(f)
	if d.alias(f) {
		v.dns.Question = d.reading.question.Name.String()
	}
}

// qtype names the type of the question that led to what was found.
func (d *Detector) qtype(f found) string {
	switch {
	case f.asked:
		return f.qtype.String()
	case d.reading.asked:
		return d.reading.question.Type.String()
	default:
		return ""
	}
}

// count counts a lookup.
func (v *finding) count(m *message) {
	v.alert.Count++
	if at := time.Unix(0, m.time).UTC(); at.After(v.alert.Last) {
		v.alert.Last = at
	}
	if len(v.alert.Frames) < maxFrames {
		v.alert.Frames = append(v.alert.Frames, m.frame)
	}
}

// answer takes what a response says, and reports whether that is worth an
// update.
func (d *Detector) answer(v *finding, l *lookup, f found, server netip.Addr) bool {
	r := &d.reading
	if len(r.addrs) == 0 && !rcodeTells(&d.parser.Header) {
		return false
	}
	merged := d.merge(v, f, server)
	latest := l.began == v.began && v.latest(d.parser.RCode(), d.qtype(f), r)
	if !merged && !latest || v.answers >= maxAnswerUpdates {
		return false
	}
	v.answers++
	return true
}

// merge takes what a response says, when it says more than those before it:
// addresses before none, none before NXDOMAIN, that before an error. It reports
// whether it does.
func (d *Detector) merge(v *finding, f found, server netip.Addr) bool {
	r, code := &d.reading, d.parser.RCode().String()
	was, is := rank(v.dns.ResponseCode, len(v.dns.Resolved)), rank(code, len(r.addrs))
	if is < was {
		return false
	}
	changed := is > was
	if changed {
		d.noteQuestion(v, f)
		v.dns.ResponseCode, v.dns.Resolver = code, server
	}
	for _, a := range r.addrs {
		if len(v.dns.Resolved) >= maxAddrs || slices.Contains(v.dns.Resolved, a) {
			continue
		}
		v.dns.Resolved = append(v.dns.Resolved, a)
		if _, ok := d.set.Address(netip.AddrPortFrom(a, 0), r.time); ok {
			v.dns.Listed = append(v.dns.Listed, a)
		}
		changed = true
	}
	return changed
}

// rank orders answers by what they tell.
func rank(code string, addrs int) int {
	switch {
	case code == "":
		return 0
	case addrs > 0:
		return 4
	case code == dnsmsg.NoError.String():
		return 3
	case code == dnsmsg.NXDomain.String():
		return 2
	default:
		return 1
	}
}

// say emits an alert as it stands.
func (d *Detector) say(v *finding, phase alert.Phase, now int64) {
	a := v.alert
	a.Phase, a.Time = phase, time.Unix(0, now).UTC()
	evidence := v.dns
	evidence.Resolved, evidence.Listed = slices.Clone(v.dns.Resolved), slices.Clone(v.dns.Listed)
	evidence.Last.Resolved = slices.Clone(v.dns.Last.Resolved)
	v.said = evidence.Last
	a.Evidence.DNS = &evidence
	a.Frames = slices.Clone(v.alert.Frames)
	d.emit.Alert(a)
	v.alert.Seq++
}

// end says a last time what an alert counted, and forgets it.
func (d *Detector) end(e *lru.Entry[findingKey, finding], now int64) {
	if e.Value.dns.Unasked && d.answersOnly() { // which was not known before
		d.trust(e)
	}
	d.say(&e.Value, alert.PhaseEnd, now)
	if d.perHost[e.Key.host]--; d.perHost[e.Key.host] == 0 {
		delete(d.perHost, e.Key.host)
	}
	d.findings.Remove(e)
}

// Hurry has the alerts about some hosts said again when next they grow.
func (d *Detector) Hurry(hosts map[netip.Addr]bool) {
	for e := d.findings.Oldest(); e != nil; e = d.findings.Newer(e) {
		if hosts[e.Key.host] {
			e.Value.pace.Hurry()
		}
	}
}
