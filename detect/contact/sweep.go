package contact

import (
	"slices"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/lru"
	"wormscope/ioc"
)

// sweep is an address that tries hosts and does not get through.
type sweep struct {
	alert  alert.Alert // of the address, once it is said
	pace   alert.Pace
	number uint64 // tells it from earlier ones, from 1
	hosts  uint64 // distinct ones, as far as the table of swept hosts reaches back
	conns  uint64
	last   int64

	answered uint64 // of hosts
}

// trial is what a host did that an address tried.
type trial struct {
	sweep    uint64 // the number of the latest sweep that it was counted in
	answered bool   // then
}

// sweeping counts a host that an address tries and has not got through to, and
// reports whether it is counted in the alert about the address: it is one of
// too many to have an alert of its own.
func (d *Detector) sweeping(key findingKey, k connKey, p *packet.Packet, isNew bool) bool {
	e := d.sweeps.Get(key.match)
	if e == nil {
		if d.sweeps.Full() {
			d.endSweep(d.sweeps.Oldest(), p.Time)
		}
		e = d.sweeps.Add(key.match)
		d.begun++
		e.Value.number = d.begun
	}
	v := &e.Value
	v.last = max(v.last, p.Time)
	d.sweeps.Touch(e)
	host := d.swept.Get(key)
	if host == nil {
		host = d.swept.Add(key)
	}
	d.swept.Touch(host)
	if host.Value.sweep != v.number {
		host.Value = trial{sweep: v.number}
		v.hosts++
	}
	if v.hosts <= uint64(d.cfg.SweepAfter) { //nolint:gosec // a setting, positive
		return false
	}
	if isNew {
		v.conns++
	}
	d.growSweep(v, key.match, k, p)
	return true
}

// sweepAnswered notes that a host answered an address that tries hosts.
func (d *Detector) sweepAnswered(key findingKey) {
	swept, e := d.swept.Get(key), d.sweeps.Get(key.match)
	if swept == nil || e == nil || swept.Value.sweep != e.Value.number || swept.Value.answered {
		return
	}
	swept.Value.answered = true
	e.Value.answered++
}

// growSweep raises or updates the alert about an address that tries many hosts.
func (d *Detector) growSweep(v *sweep, m ioc.Match, k connKey, p *packet.Packet) {
	at := time.Unix(0, p.Time).UTC()
	phase := alert.PhaseUpdate
	if v.alert.ID == "" {
		phase = alert.PhaseStart
		indicator := d.set.Indicator(m)
		v.alert = alert.Alert{
			ID:   alert.Identify(alert.RuleContact, k.peer.Addr.Netip(), at, alert.NameInboundSweep, indicator.Value),
			Rule: alert.RuleContact, Name: alert.NameInboundSweep, Severity: alert.Low, Host: k.peer.Addr.Netip(),
			Orig: k.peer.Netip(), Resp: k.host.Netip(), Proto: uint8(k.proto), VLAN: p.VLAN, First: at, Indicator: &indicator,
		}
	}
	v.alert.Last, v.alert.Count = at, v.conns
	if len(v.alert.Frames) < maxFrames {
		v.alert.Frames = append(v.alert.Frames, alert.FrameRef{File: p.File, Number: p.Number})
	}
	if v.pace.Due(v.hosts, p.Time) || phase == alert.PhaseStart {
		d.saySweep(v, phase, p.Time)
	}
}

// saySweep emits the alert about an address. The address is who began, but to
// the ledger it is the peer of hosts that did nothing.
func (d *Detector) saySweep(v *sweep, phase alert.Phase, now int64) {
	a := v.alert
	a.Phase, a.Time = phase, time.Unix(0, now).UTC()
	a.Frames = slices.Clone(v.alert.Frames)
	a.Evidence.Contact = &alert.Contact{State: alert.ContactAttempted, Initiator: alert.InitiatorPeer, Hosts: v.hosts, HostsAnswered: v.answered, Packets: v.conns}
	d.emit.Alert(a)
	v.alert.Seq++
}

// endSweep forgets an address, and says a last time how many hosts it tried.
func (d *Detector) endSweep(e *lru.Entry[ioc.Match, sweep], now int64) {
	if e.Value.alert.ID != "" {
		d.stats.Swept += e.Value.hosts - uint64(d.cfg.SweepAfter) //nolint:gosec // said only above it
		d.saySweep(&e.Value, alert.PhaseEnd, now)
	}
	d.sweeps.Remove(e)
}
