package exposure

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/lru"
)

// key is what there is one alert, or one fact, for.
type key struct {
	host netip.Addr
	port uint16
}

// exposed is a host that answers on a port. The alert of another port than
// SMB's is never said.
type exposed struct {
	alert    alert.Alert // as last said; frames stay here
	said     uint64      // the alert's count when it was last said
	exposure alert.Exposure
	reached  reach
	clients  []netip.Addr // distinct ones, at most maxClients
}

// reach is from how far a host was reached.
type reach uint8

const (
	nowhere reach = iota
	sameZone
	otherZone
	outside
)

const (
	maxFrames  = 8
	maxClients = 64
	maxZones   = 16
	// retransmissions is how long a SYN-ACK with the same sequence number is
	// the same answer.
	retransmissions = time.Minute
)

// answered takes an answer that was not counted yet.
func (d *Detector) answered(p *packet.Packet) {
	k := key{p.Src.Addr.Netip(), p.Src.Port}
	e := d.hosts.Get(k)
	isNew := e == nil
	if isNew {
		e = d.begin(k, p)
	}
	d.hosts.Touch(e)
	v := &e.Value
	a := &v.alert
	a.Count++
	if at := time.Unix(0, p.Time).UTC(); at.After(a.Last) {
		a.Last = at
	}
	client := p.Dst.Addr.Netip()
	v.addClient(client)
	farther, newZone := v.from(d.zones.Name(k.host), d.zones.Name(client), d.zones.Inside(client))
	if farther {
		v.exposure.By = client
		a.Orig, a.Resp, a.VLAN = p.Dst.Netip(), p.Src.Netip(), p.VLAN
	}
	if (farther || newZone) && len(a.Frames) < maxFrames {
		a.Frames = append(a.Frames, alert.FrameRef{File: p.File, Number: p.Number})
	}
	switch {
	case !smb(k.port):
		if isNew || farther && v.reached == outside {
			d.fact(k, p)
		}
	case isNew:
		d.say(v, alert.PhaseStart, p.Time)
	case farther || newZone:
		d.say(v, alert.PhaseUpdate, p.Time)
	}
}

// begin makes room for a host and fills in what its alert begins with.
func (d *Detector) begin(k key, p *packet.Packet) *lru.Entry[key, exposed] {
	if d.hosts.Full() {
		d.stats.Evicted++
		d.end(d.hosts.Oldest(), p.Time)
	}
	e := d.hosts.Add(k)
	at := time.Unix(0, p.Time).UTC()
	e.Value.exposure.Port = k.port
	e.Value.alert = alert.Alert{
		ID:   alert.Identify(alert.RuleExposure, k.host, at, strconv.Itoa(int(k.port))),
		Rule: alert.RuleExposure, Host: k.host, Proto: uint8(packet.ProtoTCP), First: at, Last: at,
	}
	return e
}

// addClient counts distinct clients, up to a bound.
func (v *exposed) addClient(client netip.Addr) {
	if len(v.clients) < maxClients && !slices.Contains(v.clients, client) {
		v.clients = append(v.clients, client)
		v.exposure.Clients++
	}
}

// from notes the zone of a client. It reports whether the client came from
// farther than those before it, and whether its zone is a new one.
func (v *exposed) from(own, client string, inside bool) (farther, newZone bool) {
	r := sameZone
	switch {
	case !inside:
		r = outside
		v.exposure.FromOutside = true
	case client != own:
		r = otherZone
	}
	farther = r > v.reached
	v.reached = max(v.reached, r)
	newZone = len(v.exposure.Zones) < maxZones && !slices.Contains(v.exposure.Zones, client)
	if newZone {
		v.exposure.Zones = append(v.exposure.Zones, client)
	}
	return farther, newZone
}

// fact tells the ledger of a port that is not SMB's.
func (d *Detector) fact(k key, p *packet.Packet) {
	d.emit.Fact(alert.Fact{
		Kind: alert.FactExposed, Host: k.host, Peer: p.Dst.Addr.Netip(), Port: k.port,
		Time: time.Unix(0, p.Time).UTC(), Frame: alert.FrameRef{File: p.File, Number: p.Number},
	})
}

// severity says how much it matters from where a host was reached.
func severity(port uint16, r reach) alert.Severity {
	switch {
	case r == outside && port == smbPort:
		return alert.Critical
	case r == outside:
		return alert.High
	case r == otherZone:
		return alert.Medium
	default:
		return alert.Info
	}
}

// say emits an alert as it stands.
func (d *Detector) say(v *exposed, phase alert.Phase, now int64) {
	a := v.alert
	a.Phase, a.Time = phase, time.Unix(0, now).UTC()
	a.Severity = severity(v.exposure.Port, v.reached)
	evidence := v.exposure
	evidence.Zones = slices.Clone(v.exposure.Zones)
	a.Evidence.Exposure = &evidence
	a.Frames = slices.Clone(v.alert.Frames)
	d.emit.Alert(a)
	v.alert.Seq++
	v.said = a.Count
}

// end says a last time what an alert counted, unless that was said already,
// and forgets the host.
func (d *Detector) end(e *lru.Entry[key, exposed], now int64) {
	if smb(e.Key.port) && e.Value.alert.Count != e.Value.said {
		d.say(&e.Value, alert.PhaseEnd, now)
	}
	d.hosts.Remove(e)
}
