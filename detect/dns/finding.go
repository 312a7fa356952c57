package dns

import (
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/dnsmsg"
	"wormscope/detect/dup"
	"wormscope/detect/lru"
	"wormscope/internal/ip"
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
	alert   alert.Alert // as last said; evidence and frames stay here
	dns     alert.DNS
	pace    alert.Pace
	active  int64 // packet time of the last message about it
	answers int   // updates because of an answer
}

const (
	maxFrames        = 8
	maxAnswerUpdates = 8
	// behalfWindow is how long after a client's query a resolver's own for the
	// same indicator is on its behalf.
	behalfWindow = int64(10 * time.Second)
)

// askedKey is who was asked for what.
type askedKey struct {
	host  netip.Addr
	match ioc.Match
}

// perHost counts the findings of each host.
type perHost map[netip.Addr]int

// match takes an indicator name in a message.
func (d *Detector) match(m *message, f found) {
	asker, server := m.src.Netip(), m.dst.Netip()
	if d.parser.Response() {
		asker, server = server, asker
	}
	if !d.set.Active(f.match, m.time) {
		d.stats.Expired++
		return
	}
	if a := asker.Addr(); a.IsMulticast() || a.IsUnspecified() {
		return
	}
	if !d.parser.Response() {
		d.noteAsked(server.Addr(), f.match, m.time)
	}
	if d.forwarded(asker.Addr(), f.match, m.time) {
		d.stats.Forwarded++
		return
	}
	key := d.attribute(asker.Addr(), f.match)
	e, isNew := d.finding(key, m.time)
	v := &e.Value
	v.active = m.time
	d.findings.Touch(e)
	if isNew {
		d.begin(e, m, f, asker, server)
	}
	fresh := d.fresh(m, f, asker)
	if fresh {
		v.count(m)
	}
	answered := d.parser.Response() && d.answer(v, f, server)
	switch {
	case isNew:
		v.pace.Due(v.alert.Count, m.time)
		d.say(v, alert.PhaseStart, m.time)
	case fresh && v.pace.Due(v.alert.Count, m.time), answered:
		d.say(v, alert.PhaseUpdate, m.time)
	}
}

// forwarded reports whether someone asked this host for the same a moment ago.
func (d *Detector) forwarded(host netip.Addr, match ioc.Match, now int64) bool {
	e := d.asked.Get(askedKey{host, match})
	return e != nil && now-e.Value <= behalfWindow
}

// noteAsked notes that someone was asked for an indicator.
func (d *Detector) noteAsked(host netip.Addr, match ioc.Match, now int64) {
	k := askedKey{host, match}
	e := d.asked.Get(k)
	if e == nil {
		e = d.asked.Add(k)
	}
	e.Value = now
	d.asked.Touch(e)
}

// attribute says who a lookup is of: the asker, or the client that it names.
func (d *Detector) attribute(asker netip.Addr, match ioc.Match) findingKey {
	client := d.reading.client
	if client.IsValid() && client.IsSingleIP() && (client.Addr() == asker || d.zones.Inside(client.Addr())) {
		return findingKey{host: client.Addr(), match: match}
	}
	behalf := client.IsValid() || !d.parser.RecursionDesired() || d.Resolver(asker)
	return findingKey{host: asker, match: match, onBehalf: behalf}
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
func (d *Detector) begin(e *lru.Entry[findingKey, finding], m *message, f found, asker, server netip.AddrPort) {
	v, r := &e.Value, &d.reading
	indicator := d.set.Indicator(f.match)
	at := time.Unix(0, m.time).UTC()
	v.dns = alert.DNS{Resolver: server.Addr(), Client: r.client, OnBehalf: e.Key.onBehalf}
	v.asked(r, f)
	v.alert = alert.Alert{
		Rule: alert.RuleDomain, Host: e.Key.host, Orig: asker, Resp: server, Proto: uint8(m.proto), VLAN: m.vlan,
		First: at, Last: at, Indicator: &indicator, Severity: d.severity(e.Key, &indicator, server.Addr()),
	}
	what := []string{indicator.Value}
	if e.Key.onBehalf {
		what = append(what, "on behalf")
	}
	if e.Key.many {
		v.alert.Name = ManyIndicators
		what = []string{ManyIndicators}
	}
	v.alert.ID = alert.Identify(alert.RuleDomain, e.Key.host, at, what...)
}

// severity says how much a lookup matters.
func (d *Detector) severity(key findingKey, i *ioc.Indicator, server netip.Addr) alert.Severity {
	fromOutside := !d.zones.Inside(key.host) && d.zones.Inside(server)
	switch {
	case key.onBehalf, fromOutside, i.Class == ioc.Anonymizer:
		return alert.Low
	case i.Class == ioc.KillSwitch:
		return alert.Critical
	case i.Class == ioc.Sinkhole, i.Confidence == ioc.HighConfidence:
		return alert.High
	default:
		return alert.Medium
	}
}

// fresh reports whether a message is about a lookup that was not counted yet:
// a query, or an answer whose query was not captured.
func (d *Detector) fresh(m *message, f found, asker netip.AddrPort) bool {
	r := &d.reading
	h := dup.NewHash().AddrPort(ip.FromPort(asker)).Uint64(uint64(d.parser.ID)<<16 | uint64(r.question.Type))
	if r.asked {
		h = h.Bytes(r.question.Name.Bytes())
	}
	if d.repeats.Seen(h.Bytes([]byte(f.name)), m.time) {
		d.stats.Repeated++
		return false
	}
	return true
}

// asked notes what was asked for.
func (v *finding) asked(r *reading, f found) {
	v.dns.Matched = f.name
	v.dns.Question, v.dns.Type = f.name, ""
	if r.asked {
		v.dns.Question, v.dns.Type = r.question.Name.String(), r.question.Type.String()
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

// answer takes what a response says, when it says more than those before it:
// addresses before none, none before NXDOMAIN, that before an error. It reports
// whether that is worth an update.
func (d *Detector) answer(v *finding, f found, server netip.AddrPort) bool {
	r := &d.reading
	code := d.parser.RCode()
	was, is := rank(v.dns.ResponseCode, len(v.dns.Resolved)), rank(code.String(), len(r.addrs))
	if is < was {
		return false
	}
	changed := is > was
	if changed {
		v.asked(r, f)
		v.dns.ResponseCode, v.dns.Resolver = code.String(), server.Addr()
	}
	for _, a := range r.addrs {
		if len(v.dns.Resolved) >= maxAddrs || slices.Contains(v.dns.Resolved, a) {
			continue
		}
		v.dns.Resolved = append(v.dns.Resolved, a)
		if _, ok := d.set.Address(netip.AddrPortFrom(a, 0)); ok {
			v.dns.Listed = append(v.dns.Listed, a)
		}
		changed = true
	}
	if !changed || v.answers >= maxAnswerUpdates {
		return false
	}
	v.answers++
	return true
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
	a.Evidence.DNS = &evidence
	a.Frames = slices.Clone(v.alert.Frames)
	d.emit.Alert(a)
	v.alert.Seq++
}

// end says a last time what an alert counted, and forgets it.
func (d *Detector) end(e *lru.Entry[findingKey, finding], now int64) {
	d.say(&e.Value, alert.PhaseEnd, now)
	if d.perHost[e.Key.host]--; d.perHost[e.Key.host] == 0 {
		delete(d.perHost, e.Key.host)
	}
	d.findings.Remove(e)
}
