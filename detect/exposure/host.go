package exposure

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/lru"
	"wormscope/detect/zone"
	"wormscope/internal/ip"
)

// exposed is a host that answers on a port, with what its alert says. The alert
// of another port than SMB's is never said, and has no id.
type exposed struct {
	id          string
	first, last int64       // packet times of answers, Unix nanoseconds
	count, said uint64      // answers, and how many there were when the alert was last said
	by          ip.AddrPort // who was answered first from as far as reached
	seq         int32       // of the alert's next word
	vlan        uint16      // of the answer to by
	reached     reach
	hurried     bool             // the next answer is to be said
	zones       []string         // of the clients, distinct, at most maxZones
	frames      []alert.FrameRef // at most maxFrames
	clients     []ip.Addr        // distinct, at most alert.MaxClients

	// Where frames and clients begin. Few hosts have more.
	fewFrames  [1]alert.FrameRef
	fewClients [2]ip.Addr
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
	maxFrames = 8
	maxZones  = 16
	// retransmissions is how long a SYN-ACK with the same sequence number is
	// the same answer.
	retransmissions = time.Minute
)

// answered takes an answer that was not counted yet, of a host in the zone own.
func (d *Detector) answered(p *packet.Packet, own string) {
	e := d.hosts.Get(p.Src)
	isNew := e == nil
	if isNew {
		e = d.begin(p)
	}
	d.hosts.Touch(e)
	v := &e.Value
	v.count++
	v.last = max(v.last, p.Time)
	v.addClient(p.Dst.Addr)
	client := d.zones.Of(p.Dst.Addr)
	farther := v.from(own, client)
	newZone := d.addZone(v, client.Zone)
	if farther {
		v.by, v.vlan = p.Dst, p.VLAN
	}
	if (farther || newZone) && len(v.frames) < maxFrames {
		v.frames = append(v.frames, alert.FrameRef{File: p.File, Number: p.Number})
	}
	hurried := v.hurried
	v.hurried = false
	switch {
	case !alert.IsSMB(p.Src.Port):
		if isNew || hurried || farther && v.reached == outside {
			d.fact(p)
		}
	case isNew:
		d.say(e, alert.PhaseStart, p.Time)
	case farther || newZone || hurried:
		d.say(e, alert.PhaseUpdate, p.Time)
	}
}

// Hurry has it said at once when some hosts answer again.
func (d *Detector) Hurry(hosts map[netip.Addr]bool) {
	for host := range hosts {
		for _, port := range d.ports {
			if e := d.hosts.Get(ip.AddrPort{Addr: ip.From(host), Port: port}); e != nil {
				e.Value.hurried = true
			}
		}
	}
}

// begin makes room for a host and fills in what its alert begins with.
func (d *Detector) begin(p *packet.Packet) *lru.Entry[ip.AddrPort, exposed] {
	if d.hosts.Full() {
		d.stats.Evicted++
		d.end(d.hosts.Oldest(), p.Time)
		d.hosts.Remove(d.hosts.Oldest())
	}
	e := d.hosts.Add(p.Src)
	v := &e.Value
	v.first, v.last = p.Time, p.Time
	v.frames, v.clients = v.fewFrames[:0], v.fewClients[:0]
	if alert.IsSMB(p.Src.Port) {
		at := time.Unix(0, p.Time).UTC()
		v.id = alert.Identify(alert.RuleExposure, p.Src.Addr.Netip(), at, strconv.Itoa(int(p.Src.Port)))
	}
	return e
}

// addClient notes distinct clients, up to a bound.
func (v *exposed) addClient(client ip.Addr) {
	if len(v.clients) < alert.MaxClients && !slices.Contains(v.clients, client) {
		v.clients = append(v.clients, client)
	}
}

// from notes from how far a client came to a host in the zone own. It reports
// whether that is farther than those before it.
func (v *exposed) from(own string, client zone.Place) (farther bool) {
	r := sameZone
	switch {
	case !client.Inside:
		r = outside
	case client.Zone != own:
		r = otherZone
	}
	farther = r > v.reached
	v.reached = max(v.reached, r)
	return farther
}

// addZone notes the zone of a client, and reports whether it is a new one. Most
// hosts have clients in one zone, the same as the host before: they share the
// list of it.
func (d *Detector) addZone(v *exposed, name string) bool {
	switch {
	case len(v.zones) == 0:
		if len(d.alone) == 0 || d.alone[0] != name {
			d.alone = []string{name}
		}
		v.zones = d.alone
	case len(v.zones) < maxZones && !slices.Contains(v.zones, name):
		v.zones = append(v.zones, name)
	default:
		return false
	}
	return true
}

// fact tells the ledger of a port that is not SMB's.
func (d *Detector) fact(p *packet.Packet) {
	d.emit.Fact(alert.Fact{
		Kind: alert.FactExposed, Host: p.Src.Addr.Netip(), Peer: p.Dst.Addr.Netip(), Port: p.Src.Port,
		Time: time.Unix(0, p.Time).UTC(), Frame: alert.FrameRef{File: p.File, Number: p.Number},
	})
}

// severity says how much it matters from where a host was reached.
func severity(port uint16, r reach) alert.Severity {
	switch {
	case r == outside && port == alert.PortSMB:
		return alert.Critical
	case r == outside:
		return alert.High
	case r == otherZone:
		return alert.Medium
	default:
		return alert.Info
	}
}

// say emits the alert of a host as it stands.
func (d *Detector) say(e *lru.Entry[ip.AddrPort, exposed], phase alert.Phase, now int64) {
	v := &e.Value
	host, by := e.Key.Netip(), v.by.Netip()
	d.emit.Alert(alert.Alert{
		ID: v.id, Seq: int(v.seq), Phase: phase, Rule: alert.RuleExposure, Severity: severity(e.Key.Port, v.reached),
		Time: time.Unix(0, now).UTC(), Host: host.Addr(), Orig: by, Resp: host,
		Proto: uint8(packet.ProtoTCP), VLAN: v.vlan,
		First: time.Unix(0, v.first).UTC(), Last: time.Unix(0, v.last).UTC(), Count: v.count,
		Evidence: alert.Evidence{Exposure: &alert.Exposure{
			Port: e.Key.Port, By: by.Addr(), FromOutside: v.reached == outside,
			Clients: uint64(len(v.clients)), Zones: slices.Clip(v.zones),
		}},
		Frames: slices.Clone(v.frames),
	})
	v.seq++
	v.said = v.count
}

// end says a last time what an alert counted, unless that was said already.
func (d *Detector) end(e *lru.Entry[ip.AddrPort, exposed], now int64) {
	if alert.IsSMB(e.Key.Port) && e.Value.count != e.Value.said {
		d.say(e, alert.PhaseEnd, now)
	}
}
