// Package crossing checks that closed borders are closed: it finds connections,
// and attempts, on ports that policy closes between zones (rule zone-crossing).
//
// A connection that was accepted is an alert of its own for each pair of hosts
// and port, named "open": the border does not hold. Attempts that were refused
// or that nothing answered are one alert for each originator, zone and port,
// named "blocked", of less severity: there the border holds.
//
// Accepted means a SYN-ACK, or on a tap that sees one direction only, the
// originator's FIN after its SYN: who closes a connection had one. On such a
// tap a connection that is never closed looks blocked.
package crossing

import (
	"net/netip"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/dup"
	"wormscope/detect/lru"
	"wormscope/detect/zone"
)

// Any stands for any zone in a Rule.
const Any = "*"

// A Rule closes ports from one zone to another. Zones are those of a zone.Map,
// zone.Internal and zone.Internet among them, or Any, which does not mean the
// same zone on both sides.
type Rule struct {
	From, To string
	Ports    []uint16 // Config.Ports when empty
	// Except are originators that policy lets through.
	Except []netip.Prefix
}

// Config is the policy, and bounds a Detector. The zero value of a field means
// its default.
type Config struct {
	Closed []Rule
	// Ports are those of a Rule that names none.
	Ports []uint16
	// MaxPairs is how many pairs of hosts and port are kept; at the limit the one
	// not heard of for the longest time is judged and ended. Default 65,536.
	MaxPairs int
	// MaxSources is how many originators of blocked attempts are kept, by zone
	// and port; likewise. Default 16,384.
	MaxSources int
}

// Stats counts what a Detector saw.
type Stats struct {
	Accepted uint64 // connections over a closed border
	Refused  uint64 // attempts
	Silent   uint64 // attempts

	PairsEvicted, SourcesEvicted uint64 // forgotten early to make room
}

// Detector checks borders. Make it with New.
type Detector struct {
	emit    alert.Emitter
	zones   *zone.Map
	closed  []Rule
	rules   rules
	ports   [1 << 16 / 64]uint64 // a bit for each port of any rule
	pairs   *lru.Table[pair, attempt]
	sources *lru.Table[source, *finding] // whose attempts were blocked
	waiting []wait                       // in the order of their deadlines, at most maxWait
	maxWait int
	copies  *dup.Filter
	stats   Stats
}

const (
	// patience is how long an attempt may stay without an answer. It is as long
	// as systems repeat a SYN.
	patience = 21 * time.Second
	// repeats is how long a SYN with the same sequence number is the same one.
	repeats = 3 * time.Minute
	// A SYN-ACK with the same sequence number within copyWindow is the same one.
	copyWindow = time.Minute
	copySize   = 1 << 12
	maxFrames  = 8
)

// New makes a detector that tells emit.
func New(emit alert.Emitter, zones *zone.Map, cfg Config) *Detector {
	if cfg.MaxPairs == 0 {
		cfg.MaxPairs = 65536
	}
	if cfg.MaxSources == 0 {
		cfg.MaxSources = 16384
	}
	d := &Detector{
		emit: emit, zones: zones, maxWait: 2 * cfg.MaxPairs,
		pairs:   lru.New[pair, attempt](cfg.MaxPairs),
		sources: lru.New[source, *finding](cfg.MaxSources),
		copies:  dup.New(copySize, copyWindow),
	}
	for _, r := range cfg.Closed {
		if len(r.Ports) == 0 {
			r.Ports = cfg.Ports
		}
		for _, p := range r.Ports {
			d.ports[p/64] |= 1 << (p % 64)
		}
		d.closed = append(d.closed, r)
	}
	d.rules = newRules(d.closed)
	return d
}

// Wants asks for the segments that open and close connections on closed ports, and
// for errors of ICMP, which have no ports: theirs is 0.
func (d *Detector) Wants() detect.Interest {
	ports := []uint16{0}
	for i := range d.closed {
		ports = append(ports, d.closed[i].Ports...)
	}
	return detect.Interest{Kinds: detect.TCPControl | detect.TCPClose | detect.ICMP, From: ports, To: ports}
}

// Stats returns what was counted so far.
func (d *Detector) Stats() Stats { return d.stats }

// Packet looks at one segment, or ICMP error; for one of a port that no rule closes
// it does nothing.
func (d *Detector) Packet(p *packet.Packet) {
	if p.Proto != packet.ProtoTCP {
		if in := &p.ICMP; p.Unreachable() && in.HasInner && in.InnerProto == packet.ProtoTCP && d.has(in.InnerDst.Port) {
			d.refused(pair{in.InnerSrc.Addr.Netip(), in.InnerDst.Addr.Netip(), in.InnerDst.Port}, in.InnerSrc.Port, p.Time)
		}
		return
	}
	from, to := p.Src, p.Dst
	fromResponder := p.Flags.IsSYNACK() || p.Flags.Has(packet.RST) && !d.has(to.Port)
	if fromResponder {
		from, to = p.Dst, p.Src
	}
	if d.has(to.Port) {
		d.segment(p, pair{from.Addr.Netip(), to.Addr.Netip(), to.Port}, fromResponder)
	}
}

// has reports whether any rule closes a port.
func (d *Detector) has(port uint16) bool { return d.ports[port/64]&(1<<(port%64)) != 0 }

// segment takes a segment of a connection to a closed port.
func (d *Detector) segment(p *packet.Packet, k pair, fromResponder bool) {
	switch {
	case p.Flags.IsSYN():
		if d.isClosed(k) {
			d.tried(k, p)
		}
	case p.Flags.IsSYNACK():
		if d.isClosed(k) && !d.copies.Seen(dup.NewHash().AddrPort(p.Src).AddrPort(p.Dst).Uint64(uint64(p.Seq)), p.Time) {
			d.accepted(k, p)
		}
	case p.Flags.Has(packet.RST):
		if fromResponder {
			d.refused(k, p.Dst.Port, p.Time)
		}
	case p.Flags.Has(packet.FIN|packet.ACK) && !fromResponder: // without ACK it is a probe
		if e := d.pairs.Get(k); e != nil && e.Value.waiting {
			d.accepted(k, p)
		}
	}
}

// isClosed reports whether a rule closes the port between the zones of a pair.
func (d *Detector) isClosed(k pair) bool {
	if !isHost(k.from) || !isHost(k.to) {
		return false
	}
	from, to := d.zones.Name(k.from), d.zones.Name(k.to)
	return d.rules.close(from, to, k)
}

// isHost reports whether an address can be a host.
func isHost(a netip.Addr) bool { return a.IsValid() && !a.IsMulticast() && !a.IsUnspecified() }

// Tick judges the attempts that have waited for too long.
func (d *Detector) Tick(now int64) {
	if len(d.waiting) > 0 && d.waiting[0].until-now > int64(patience)+detect.ClockBack {
		d.waitAnew(now)
	}
	for len(d.waiting) > 0 && d.waiting[0].until <= now {
		d.due(now)
	}
}

// waitAnew moves the deadlines of attempts that wait to a clock that was set back.
// Attempts are judged in order, so that later ones would else have to wait until the
// clock has caught up with these.
func (d *Detector) waitAnew(now int64) {
	for i := range d.waiting {
		w := &d.waiting[i]
		until := min(w.until, now+int64(patience))
		if e := d.pairs.Get(w.pair); e != nil && e.Value.until == w.until {
			e.Value.until = until
		}
		w.until = until
	}
}

// due judges the attempt that has waited longest.
func (d *Detector) due(now int64) {
	w := d.waiting[0]
	d.waiting = d.waiting[1:]
	if e := d.pairs.Get(w.pair); e != nil && e.Value.waiting && e.Value.until == w.until {
		d.silent(e, now)
	}
}

// Close judges what is left, as if all answers were due, and ends every alert
// in the order of last use.
func (d *Detector) Close(now int64) {
	for len(d.waiting) > 0 {
		d.due(now)
	}
	for e := d.pairs.Oldest(); e != nil; e = d.pairs.Oldest() {
		d.endPair(e, now)
	}
	for e := d.sources.Oldest(); e != nil; e = d.sources.Oldest() {
		d.endSource(e, now)
	}
}

// Tables says how full the detector's tables are.
func (d *Detector) Tables() []detect.Table {
	return []detect.Table{
		{Name: "crossing pairs", Entries: d.pairs.Len(), Limit: d.pairs.Limit(), Evicted: d.stats.PairsEvicted},
		{Name: "crossing sources", Entries: d.sources.Len(), Limit: d.sources.Limit(), Evicted: d.stats.SourcesEvicted},
	}
}
