package crossing

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/lru"
)

// A pair is who went where.
type pair struct {
	from, to netip.Addr
	port     uint16
}

// An attempt is what is known of a pair.
type attempt struct {
	waiting bool  // for an answer
	until   int64 // when to stop waiting, Unix nanoseconds
	counted bool  // among the targets of its source
	first   seen
	seq     uint32   // of first
	latest  uint16   // port that a SYN came from while waiting
	open    *finding // nil until a connection was accepted
}

// A wait is an attempt whose answer is due.
type wait struct {
	pair  pair
	until int64
}

// seen is a segment as it is kept: when, where and how.
type seen struct {
	at         int64
	frame      alert.FrameRef
	orig, resp netip.AddrPort
	vlan       uint16
}

// A source is who tried a port of a zone.
type source struct {
	from netip.Addr
	zone string
	port uint16
}

// A finding is an alert that grows.
type finding struct {
	alert    alert.Alert // as last said; frames stay here
	evidence alert.Crossing
	pace     alert.Pace
}

// tried takes a SYN over a closed border.
func (d *Detector) tried(k pair, p *packet.Packet) {
	e := d.pair(k, p.Time)
	v := &e.Value
	if !v.waiting && v.repeated(p) {
		return
	}
	if v.latest = p.Src.Port; v.waiting {
		return
	}
	v.waiting, v.until, v.first, v.seq = true, p.Time+int64(patience), look(p, false), p.Seq
	if len(d.waiting) >= d.maxWait {
		d.due(p.Time)
	}
	d.waiting = append(d.waiting, wait{k, v.until})
}

// repeated reports whether a SYN is the one that the attempt began with: Windows
// says it again when it is refused, twice within a second, and Linux for two
// minutes when nothing answers.
func (v *attempt) repeated(p *packet.Packet) bool {
	return p.Seq == v.seq && p.Src.Port == v.first.orig.Port() && p.Time-v.first.at < int64(repeats)
}

// look keeps of a segment what an alert needs.
func look(p *packet.Packet, fromResponder bool) seen {
	s := seen{at: p.Time, frame: alert.FrameRef{File: p.File, Number: p.Number}, orig: p.Src.Netip(), resp: p.Dst.Netip(), vlan: p.VLAN}
	if fromResponder {
		s.orig, s.resp = s.resp, s.orig
	}
	return s
}

// pair returns what is known of a pair, and makes room for it.
func (d *Detector) pair(k pair, now int64) *lru.Entry[pair, attempt] {
	e := d.pairs.Get(k)
	if e == nil {
		if d.pairs.Full() {
			d.stats.PairsEvicted++
			oldest := d.pairs.Oldest()
			if oldest.Value.waiting {
				d.silent(oldest, now)
			}
			d.endPair(oldest, now)
		}
		e = d.pairs.Add(k)
	}
	d.pairs.Touch(e)
	return e
}

// accepted takes what shows that a connection was accepted.
func (d *Detector) accepted(k pair, p *packet.Packet) {
	d.stats.Accepted++
	v := &d.pair(k, p.Time).Value
	v.waiting = false
	s := look(p, p.Flags.IsSYNACK())
	if v.open == nil {
		v.open = d.begin(s, k.from, k.to, alert.NameOpen, alert.High, k.to.String())
		v.open.evidence.Open, v.open.evidence.Targets = true, 1
	}
	d.grow(v.open, s)
}

// refused takes an RST from where an attempt went to, or a firewall's word that it
// can't be reached, and to which port of the originator's. One to another port ends a
// connection from before, as Windows ends those over SMB.
func (d *Detector) refused(k pair, to uint16, now int64) {
	e := d.pairs.Get(k)
	if e == nil || !e.Value.waiting {
		return
	}
	if to != e.Value.latest && to != e.Value.first.orig.Port() {
		return
	}
	d.stats.Refused++
	f := d.source(e, now)
	f.evidence.Refused++
	d.fail(e, f, now)
}

// silent gives up waiting for an answer.
func (d *Detector) silent(e *lru.Entry[pair, attempt], now int64) {
	d.stats.Silent++
	f := d.source(e, now)
	f.evidence.Silent++
	d.fail(e, f, now)
}

// fail notes an attempt that led nowhere.
func (d *Detector) fail(e *lru.Entry[pair, attempt], f *finding, now int64) {
	v := &e.Value
	v.waiting = false
	if !v.counted {
		v.counted = true
		f.evidence.Targets++
	}
	s := v.first
	s.at = max(s.at, f.alert.Last.UnixNano())
	f.note(s)
	if f.pace.Due(f.alert.Count, now) {
		d.say(f, f.phase(), now)
	}
}

// source returns the finding of blocked attempts that an attempt belongs to.
func (d *Detector) source(e *lru.Entry[pair, attempt], now int64) *finding {
	k := source{e.Key.from, d.zones.Name(e.Key.to), e.Key.port}
	s := d.sources.Get(k)
	if s == nil {
		if d.sources.Full() {
			d.stats.SourcesEvicted++
			d.endSource(d.sources.Oldest(), now)
		}
		s = d.sources.Add(k)
		s.Value = d.begin(e.Value.first, k.from, e.Key.to, alert.NameBlocked, alert.Low, k.zone)
	}
	d.sources.Touch(s)
	return s.Value
}

// begin makes a finding that nothing was counted of yet.
func (d *Detector) begin(s seen, from, to netip.Addr, name string, severity alert.Severity, key string) *finding {
	at := time.Unix(0, s.at).UTC()
	port := s.resp.Port()
	return &finding{
		alert: alert.Alert{
			ID:   alert.Identify(alert.RuleCrossing, from, at, name, key, strconv.Itoa(int(port))),
			Rule: alert.RuleCrossing, Name: name, Severity: severity, Host: from,
			Orig: s.orig, Resp: s.resp, Proto: uint8(packet.ProtoTCP), VLAN: s.vlan, First: at, Last: at,
		},
		evidence: alert.Crossing{Port: port, FromZone: d.zones.Name(from), ToZone: d.zones.Name(to)},
	}
}

// grow counts a connection and says so when it is due.
func (d *Detector) grow(f *finding, s seen) {
	f.note(s)
	if f.pace.Due(f.alert.Count, s.at) {
		d.say(f, f.phase(), s.at)
	}
}

// note counts one more.
func (f *finding) note(s seen) {
	a := &f.alert
	a.Count++
	if at := time.Unix(0, s.at).UTC(); at.After(a.Last) {
		a.Last = at
	}
	if len(a.Frames) < maxFrames {
		a.Frames = append(a.Frames, s.frame)
	}
}

// phase returns the phase of the next word.
func (f *finding) phase() alert.Phase {
	if f.alert.Seq == 0 {
		return alert.PhaseStart
	}
	return alert.PhaseUpdate
}

// say emits a finding as it stands.
func (d *Detector) say(f *finding, phase alert.Phase, now int64) {
	a := f.alert
	a.Phase, a.Time = phase, time.Unix(0, now).UTC()
	evidence := f.evidence
	a.Evidence.Crossing = &evidence
	a.Frames = slices.Clone(a.Frames)
	d.emit.Alert(a)
	f.alert.Seq++
}

// endPair says a last time what was counted of a pair, and forgets it.
func (d *Detector) endPair(e *lru.Entry[pair, attempt], now int64) {
	if e.Value.open != nil {
		d.say(e.Value.open, alert.PhaseEnd, now)
	}
	d.pairs.Remove(e)
}

// endSource says a last time what was counted of a source, and forgets it.
func (d *Detector) endSource(e *lru.Entry[source, *finding], now int64) {
	d.say(e.Value, alert.PhaseEnd, now)
	d.sources.Remove(e)
}

// Hurry has the alerts about some hosts said again when next they grow.
func (d *Detector) Hurry(hosts map[netip.Addr]bool) {
	for e := d.pairs.Oldest(); e != nil; e = d.pairs.Newer(e) {
		if e.Value.open != nil && hosts[e.Key.from] {
			e.Value.open.pace.Hurry()
		}
	}
	for e := d.sources.Oldest(); e != nil; e = d.sources.Newer(e) {
		if hosts[e.Key.from] {
			e.Value.pace.Hurry()
		}
	}
}
