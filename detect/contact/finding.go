package contact

import (
	"net/netip"
	"slices"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/lru"
	"wormscope/ioc"
)

// findingKey is what there is one alert for.
type findingKey struct {
	host  netip.Addr
	match ioc.Match
}

// finding is an open alert.
type finding struct {
	alert   alert.Alert // as last said; evidence and frames stay here
	contact alert.Contact
	pace    alert.Pace
	last    int64 // packet time of the last packet
	began   began
	bytes   [2]uint64
	names   bool // only port 53 of the peer was spoken to
	asks    asks
}

const (
	maxFrames  = 8
	domainPort = 53
)

// report brings the alert of a contact up to date after a packet.
func (d *Detector) report(k connKey, m ioc.Match, p *packet.Packet, c *conn, isNew bool, ch change) {
	c.match = m
	key := findingKey{k.host.Addr.Netip(), m}
	e := d.findings.Get(key)
	start := e == nil
	swept := start && c.passive() && d.sweeping(key, k, p, isNew)
	if ch.answered {
		d.sweepAnswered(key)
	}
	if swept {
		return
	}
	if start {
		e = d.begin(key, k, p, c)
	}
	v := &e.Value
	v.last = max(v.last, p.Time)
	d.findings.Touch(e)
	v.contact.Packets++
	if p.Reassembled {
		v.contact.Packets-- // its beginning was counted
	}
	v.contact.Refused = v.contact.Refused || ch.refused
	if ch.answered && !v.contact.Answered && v.began <= peerBegan && v.alert.Resp.Port() != k.host.Port {
		v.origin(k, p, c) // an address that tries several ports is told by the one that answers
	}
	v.contact.Answered = v.contact.Answered || c.answered()
	forClients := v.names && k.peer.Port != domainPort && d.onBehalf(v) && !start
	v.names = v.names && k.peer.Port == domainPort
	if p.Src == k.host {
		v.asks |= asksOf(p)
	}
	v.addBytes(p, k, ch.bytes)
	if at := time.Unix(0, p.Time).UTC(); at.After(v.alert.Last) {
		v.alert.Last = at
	}
	if isNew || start {
		v.alert.Count++
	}
	if (isNew || start || ch.established) && len(v.alert.Frames) < maxFrames {
		v.alert.Frames = append(v.alert.Frames, alert.FrameRef{File: p.File, Number: p.Number})
	}
	grown := v.raise(k, p, c, forClients)
	switch {
	case start:
		v.pace.Due(v.alert.Count, p.Time)
		d.say(v, alert.PhaseStart, p.Time)
	case grown, isNew && v.pace.Due(v.alert.Count, p.Time):
		d.say(v, alert.PhaseUpdate, p.Time)
	}
}

// begin makes room for an alert and fills in what it begins with.
func (d *Detector) begin(key findingKey, k connKey, p *packet.Packet, c *conn) *lru.Entry[findingKey, finding] {
	if d.findings.Full() {
		d.stats.Evicted++
		d.end(d.findings.Oldest(), p.Time)
	}
	e := d.findings.Add(key)
	indicator := d.set.Indicator(key.match)
	at := time.Unix(0, p.Time).UTC()
	e.Value = finding{
		names:   true,
		last:    p.Time,
		contact: alert.Contact{State: alert.ContactAttempted},
		alert: alert.Alert{
			ID:   alert.Identify(alert.RuleContact, key.host, at, indicator.Value, k.peer.Addr.String()),
			Rule: alert.RuleContact, Host: key.host, First: at, Last: at, Indicator: &indicator,
		},
	}
	e.Value.origin(k, p, c)
	return e
}

// origin takes a connection as the one that the alert shows.
func (v *finding) origin(k connKey, p *packet.Packet, c *conn) {
	v.began = c.says()
	if v.began > peerBegan && v.contact.Called.IsZero() {
		v.contact.Called = time.Unix(0, p.Time).UTC()
	}
	v.alert.Orig, v.alert.Resp = k.host.Netip(), k.peer.Netip()
	if c.orig == peer {
		v.alert.Orig, v.alert.Resp = k.peer.Netip(), k.host.Netip()
	}
	v.alert.Proto, v.alert.VLAN = uint8(k.proto), p.VLAN
}

// raise lets a connection say more about the host than those before it, and
// reports whether it does. What the host did itself comes before what was done to
// it, and before what it did for clients, established or not.
func (v *finding) raise(k connKey, p *packet.Packet, c *conn, forClients bool) bool {
	own := c.says() >= hostGuessed
	switch excused := v.began <= peerBegan || forClients; {
	case own && excused:
		v.contact.State = alert.ContactAttempted
	case c.says() <= peerBegan && v.began >= hostGuessed:
		return false
	case c.established && v.contact.State == alert.ContactAttempted:
	case c.says() <= v.began || v.contact.State == alert.ContactEstablished && !c.established:
		return false
	}
	if c.established {
		v.contact.State = alert.ContactEstablished
	}
	v.origin(k, p, c)
	return true
}

// addBytes counts payload by who sent it.
func (v *finding) addBytes(p *packet.Packet, k connKey, n uint64) {
	if p.Src == k.host {
		v.bytes[host] += n
	} else {
		v.bytes[peer] += n
	}
}

// say emits an alert as it stands.
func (d *Detector) say(v *finding, phase alert.Phase, now int64) {
	evidence := v.contact
	evidence.BytesOrig, evidence.BytesResp = v.bytes[host], v.bytes[peer]
	if v.alert.Orig.Addr() != v.alert.Host {
		evidence.BytesOrig, evidence.BytesResp = evidence.BytesResp, evidence.BytesOrig
	}
	evidence.Initiator = v.began.initiator()
	evidence.TransportGuess = v.began != peerBegan && v.began != hostBegan
	evidence.OnBehalf = d.onBehalf(v)
	a := v.alert
	a.Phase, a.Time = phase, time.Unix(0, now).UTC()
	a.Severity = d.severity(&a, &evidence)
	a.Evidence.Contact = &evidence
	a.Frames = slices.Clone(v.alert.Frames)
	d.emit.Alert(a)
	v.alert.Seq++
}

// onBehalf reports whether a host asked an address, as a name server, for clients.
func (d *Detector) onBehalf(v *finding) bool {
	return v.names && (v.asks == iteratively || d.resolver(v.alert.Host))
}

// severity says how much a contact matters.
func (d *Detector) severity(a *alert.Alert, c *alert.Contact) alert.Severity {
	s := alert.Medium
	switch i := a.Indicator; {
	case i.Class == ioc.KillSwitch:
		s = alert.Critical
	case i.Class == ioc.Anonymizer, i.Confidence == ioc.LowConfidence, i.Confidence == ioc.None:
		s = alert.Low
	case i.Class == ioc.Sinkhole, i.Confidence == ioc.HighConfidence:
		s = alert.High
	}
	switch {
	case c.OnBehalf:
		return alert.Info
	case c.Initiator != alert.InitiatorHost && c.State == alert.ContactAttempted:
		return min(s, alert.Low)
	case c.Initiator == alert.InitiatorPeer:
		return min(s, alert.Medium)
	default:
		return s
	}
}

// end says a last time what an alert counted, and forgets it.
func (d *Detector) end(e *lru.Entry[findingKey, finding], now int64) {
	d.say(&e.Value, alert.PhaseEnd, now)
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
