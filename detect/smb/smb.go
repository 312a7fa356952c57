// Package smb reads SMB on ports 445 and 139 and says what happened between
// two hosts: a check for MS17-010 and what it tells about the patch, the
// exploits that MS17-010 and CVE-2020-0796 are about, the DoublePulsar
// implant, what is peculiar to WannaCry, and what a server says about itself.
//
// What was attempted and what the server's replies show to have worked are
// kept apart. Requests and replies are matched whichever is seen first; where
// a tap shows only replies, some of them are proof enough and say so
// (alert.SMB.OneWay).
//
// # Where to begin
//
// conn.message, in conn.go, takes each message of a connection. It leads to checks
// (check.go), to exploits (exploit.go) and the transactions that they span
// (transaction.go), to DoublePulsar (pulsar.go, by the messages of pulsarmsg.go), to
// the marks of WannaCry (mark.go), and to what a server says of itself (asset.go,
// product.go). A request that waits for its reply, or the other way round, does so in
// session.go. Alerts and facts leave through finding.go.
//
// # Bounds
//
// Connections and bytes that wait are bounded by package flow; heads of
// messages by Config.MaxHeads buffers of one kilobyte, where the one that waits
// longest makes room; hosts and open alerts by Config.MaxHosts and
// Config.MaxAlerts, where the one used longest ago makes room (an alert is ended
// by it). For each connection the latest six requests of interest are remembered,
// and 32 open transactions of 56 bytes.
// What is lost is counted in Stats.
//
// With 200,000 connections open this takes 85 MB, the flow table included, and
// 246 MB where each of them waits for the reply to a check and has stopped in
// the middle of a message (BenchmarkOpenFlows).
package smb

import (
	"net/netip"
	"slices"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/flow"
	"wormscope/detect/lru"
	"wormscope/detect/smb1"
)

// Config bounds a Detector. The zero value of a field means its default.
type Config struct {
	MaxFlows  int // connections; default 200,000
	MaxHeads  int // incomplete messages, one kilobyte each; default 16,384
	MaxHosts  int // hosts remembered; default 65,536
	MaxAlerts int // alerts open at a time; default 65,536

	// BothWays reports whether the tap is known to show both directions of
	// connections. Nil for what SMB itself shows of that.
	BothWays func() bool
}

// withDefaults returns the configuration with its defaults filled in.
func (c Config) withDefaults() Config {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&c.MaxFlows, 200_000)
	set(&c.MaxHeads, 16_384)
	set(&c.MaxHosts, 65_536)
	set(&c.MaxAlerts, 65_536)
	return c
}

// Stats counts what the detector read and what it lost.
type Stats struct {
	Flow            flow.Stats
	Messages        smb1.Stats
	SMB1            uint64 // SMB1 messages
	SMB2            uint64 // SMB2 and SMB3 messages in the clear
	Sealed          uint64 // encrypted messages, which nobody can read here
	HostsEvicted    uint64 // hosts forgotten to make room
	AlertsEvicted   uint64 // alerts ended early to make room
	RequestsDropped uint64 // requests of interest given up to make room for later ones
	ChangesLeftOut  uint64 // changes of what servers say of themselves that were not told, because there were too many
}

// Detector finds checks, exploits, implants and assets. Make it with New.
type Detector struct {
	out      alert.Emitter
	flows    *flow.Table
	pool     *smb1.Pool
	hosts    *lru.Table[netip.Addr, host]
	findings *lru.Table[findingKey, finding]
	waiting  []*conn     // connections with requests or replies that wait for their match
	bothWays bool        // both ends of a connection were seen to talk
	tapShows func() bool // Config.BothWays
	stats    Stats
}

var _ detect.Detector = (*Detector)(nil)

// New makes a detector that tells out what it finds.
func New(out alert.Emitter, cfg Config) *Detector {
	cfg = cfg.withDefaults()
	d := &Detector{
		out:      out,
		tapShows: cfg.BothWays,
		pool:     smb1.NewPool(cfg.MaxHeads),
		hosts:    lru.New[netip.Addr, host](cfg.MaxHosts),
		findings: lru.New[findingKey, finding](cfg.MaxAlerts),
	}
	d.flows = flow.New(flow.Config{
		MaxFlows: cfg.MaxFlows, Ports: ports(), Bored: bored, Dull: smb1.Dull,
	}, d.open)
	return d
}

// Wants asks for TCP on the ports of SMB.
func (d *Detector) Wants() detect.Interest {
	return detect.Interest{Kinds: detect.TCP, From: ports(), To: ports()}
}

// Packet takes a TCP segment.
func (d *Detector) Packet(p *packet.Packet) {
	if alert.IsSMB(p.Dst.Port) || alert.IsSMB(p.Src.Port) {
		d.flows.Packet(p)
	}
}

// ports returns the ports of SMB.
func ports() []uint16 { return []uint16{alert.PortSMB, alert.PortNetBIOS} }

// Tick lets time pass.
func (d *Detector) Tick(now int64) {
	d.flows.Tick(now)
	d.expire(now)
	d.endIdle(now)
}

// Close says what is still open.
func (d *Detector) Close(int64) {
	d.flows.Close()
	for e := d.findings.Oldest(); e != nil; e = d.findings.Oldest() {
		d.end(e)
	}
}

// shows reports whether the tap is known to show both directions of connections.
func (d *Detector) shows() bool { return d.bothWays || d.tapShows != nil && d.tapShows() }

// Stats returns what was counted so far.
func (d *Detector) Stats() Stats {
	s := d.stats
	s.Flow, s.Messages = d.flows.Stats(), d.pool.Stats
	return s
}

// expire resolves requests that were not answered in time.
func (d *Detector) expire(now int64) {
	kept := d.waiting[:0]
	for _, c := range d.waiting {
		if c.session == nil {
			continue
		}
		if c.session.expire(c, now); c.session.waits() {
			kept = append(kept, c)
		} else {
			c.session.listed = false
		}
	}
	clear(d.waiting[len(kept):])
	d.waiting = kept
}

// makeWaitingRoom makes room for one more connection that waits. Before it takes more
// memory it forgets those that were closed since the last Tick: in a flood, and in a
// capture without times, there are many.
func (d *Detector) makeWaitingRoom() {
	if len(d.waiting) < cap(d.waiting) {
		return
	}
	d.waiting = slices.DeleteFunc(d.waiting, func(c *conn) bool { return c.session == nil })
	if n := len(d.waiting); 2*n >= cap(d.waiting) { // else it would soon be done again
		d.waiting = slices.Grow(d.waiting, n+1)
	}
}

// host returns the memory of a host, as the one used last.
func (d *Detector) host(a netip.Addr) *host {
	e := d.hosts.Get(a)
	if e == nil {
		if d.hosts.Full() {
			d.stats.HostsEvicted++
		}
		e = d.hosts.Add(a)
	}
	d.hosts.Touch(e)
	return &e.Value
}

// host is what is remembered of a host from one connection to the next.
type host struct {
	asset     *alert.Asset    // nil for nothing
	read      [sources]uint64 // hashes of what was read into asset, by source
	changed   int64           // up to which packet time changes of asset that were told have used up, see mayTell
	key       uint32          // of the implant last seen
	unpatched bool            // asset as last told is
	marks     marks           // what it sent of WannaCry's
	instance  int             // how many implants were seen
}

// Tables says how full the detector's tables are.
func (d *Detector) Tables() []detect.Table {
	flows, most := d.flows.Open()
	stats := d.flows.Stats()
	return []detect.Table{
		{Name: "smb hosts", Entries: d.hosts.Len(), Limit: d.hosts.Limit(), Evicted: d.stats.HostsEvicted},
		{Name: "smb alerts", Entries: d.findings.Len(), Limit: d.findings.Limit(), Evicted: d.stats.AlertsEvicted},
		{Name: "smb connections", Entries: flows, Limit: most, Evicted: stats.Evicted},
	}
}
