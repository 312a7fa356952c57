package smb

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/flow"
	"wormscope/detect/lru"
)

// A findingKey names an alert that is open: what happened to whom, by whom.
type findingKey struct {
	rule       alert.Rule
	host, peer netip.Addr
	name       string        // of the exploit, or of the state of the implant
	outcome    alert.Outcome // of the exploit
	number     uint32        // key of the implant
}

// A finding is an alert that is open.
type finding struct {
	alert    alert.Alert // without its evidence
	evidence evidence
	pace     alert.Pace
	touched  int64 // packet time
	said     bool
}

// evidence is what alert.SMB is made of. The part of the rule counts.
type evidence struct {
	check   alert.SMBCheck
	exploit alert.SMBExploit
	implant alert.SMBImplant
	marks   marks
	oneWay  bool
}

const (
	maxFrames = 8                // of an alert
	idleAfter = int64(time.Hour) // an alert that no longer grows is ended after
)

// finding returns the finding of a key, new where there is none.
func (d *Detector) finding(k findingKey, c *conn, at flow.Segment) *finding {
	e := d.findings.Get(k)
	if e == nil {
		if d.findings.Full() {
			d.stats.AlertsEvicted++
			d.end(d.findings.Oldest())
		}
		e = d.findings.Add(k)
		first := time.Unix(0, at.Time).UTC()
		e.Value.alert = alert.Alert{
			ID: alert.Identify(k.rule, k.host, first,
				k.peer.String(), k.name, string(k.outcome), fmt.Sprintf("%08x", k.number)),
			Rule: k.rule, Host: k.host, Orig: c.client, Resp: c.server,
			Proto: uint8(packet.ProtoTCP), VLAN: c.vlan, First: first,
		}
	}
	d.findings.Touch(e)
	e.Value.evidence.marks |= d.host(c.client.Addr()).marks
	return &e.Value
}

// add counts one more occurrence, which these segments show.
func (f *finding) add(last flow.Segment, at ...flow.Segment) {
	f.alert.Count++
	f.touched = max(f.touched, last.Time)
	f.alert.Time = time.Unix(0, last.Time).UTC()
	if f.alert.Time.After(f.alert.Last) {
		f.alert.Last = f.alert.Time
	}
	for _, s := range at {
		if len(f.alert.Frames) < maxFrames && !slices.Contains(f.alert.Frames, s.Frame) {
			f.alert.Frames = append(f.alert.Frames, s.Frame)
		}
	}
}

// say tells a finding when it is new, when there is news, and as it grows.
func (d *Detector) say(f *finding, news bool, at flow.Segment) {
	due := f.pace.Due(f.alert.Count, at.Time)
	switch {
	case !f.said:
		f.said = true
		d.emit(f, alert.PhaseStart)
	case due || news:
		d.emit(f, alert.PhaseUpdate)
	}
}

// emit gives out a copy of a finding.
func (d *Detector) emit(f *finding, p alert.Phase) {
	a := f.alert
	a.Phase = p
	a.Frames = slices.Clone(a.Frames)
	smb := &alert.SMB{Marks: f.evidence.marks.names(), OneWay: f.evidence.oneWay}
	switch a.Rule {
	case alert.RuleCheck:
		smb.Check = new(f.evidence.check)
	case alert.RuleExploit:
		smb.Exploit = new(f.evidence.exploit)
	case alert.RuleDoublePulsar:
		smb.Implant = new(f.evidence.implant)
	default:
	}
	a.Evidence.SMB = smb
	f.alert.Seq++
	d.out.Alert(a)
}

// end says an alert the last time and forgets it.
func (d *Detector) end(e *lru.Entry[findingKey, finding]) {
	if e.Value.said {
		d.emit(&e.Value, alert.PhaseEnd)
	}
	d.findings.Remove(e)
}

// endIdle ends the alerts that no longer grow.
func (d *Detector) endIdle(now int64) {
	for e := d.findings.Oldest(); e != nil && now-e.Value.touched > idleAfter; e = d.findings.Oldest() {
		d.end(e)
	}
}

// Hurry has the alerts about what some hosts did, or had done to them, said again when
// next they grow.
func (d *Detector) Hurry(hosts map[netip.Addr]bool) {
	for e := d.findings.Oldest(); e != nil; e = d.findings.Newer(e) {
		if hosts[e.Key.host] || hosts[e.Key.peer] {
			e.Value.pace.Hurry()
		}
	}
}

// fact says a fact, seen in a segment.
func (d *Detector) fact(f alert.Fact, at flow.Segment) {
	f.Time, f.Frame = time.Unix(0, at.Time).UTC(), at.Frame
	d.out.Fact(f)
}
