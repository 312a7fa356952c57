// Package exposure finds who answers on lateral ports, and from where it was
// reached. An inside host that accepts a connection on SMB's ports, 445 or
// 139, is an alert (rule smb-exposed), one for each host and port; on another
// lateral port it is a fact for the ledger (alert.FactExposed).
//
// The alert is raised at the first answer, and updated when the host is first
// reached from outside, or from another zone. It ends with the capture, with
// the number of clients and connections.
//
// An answer is a SYN-ACK. One whose SYN was not captured counts too, since only a
// listening port sends it: a tap of one direction shows nothing else, and even the
// backscatter of a flood on this host answers a SYN. Where the capture began in the
// middle of a connection, data from an SMB port to a port that no server has show as
// much.
package exposure

import (
	"math/bits"
	"slices"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/dup"
	"wormscope/detect/lru"
	"wormscope/detect/zone"
	"wormscope/internal/ip"
)

// Config bounds a Detector. The zero value of a field means its default.
type Config struct {
	// Ports are the lateral ports. Default alert.LateralPorts. SMB's are watched
	// whatever it says: whether they answer is asked of every net.
	Ports []uint16
	// MaxHosts is how many pairs of host and port are kept; at the limit the
	// one that answered longest ago is ended. Default 65,536, about 20 MB, and up
	// to 85 when each has dozens of clients.
	MaxHosts int
}

// Stats counts what a Detector saw.
type Stats struct {
	Answers uint64 // connections accepted on a lateral port by an inside host
	Copies  uint64 // answers that were counted before: copies, retransmissions, data after a SYN-ACK
	Evicted uint64 // hosts forgotten early to make room
}

// Detector finds who answers on lateral ports. Make it with New.
type Detector struct {
	emit    alert.Emitter
	zones   *zone.Map
	ports   []uint16                         // the lateral ones
	lateral [1 << 16 / 64]uint64             // the same, a bit for each port
	hosts   *lru.Table[ip.AddrPort, exposed] // by where they answer
	copies  *dup.Filter
	recent  [recentSize]uint64 // hashes of streams whose data were looked at lately
	alone   []string           // the zone of the last new host's client, see addZone
	stats   Stats
}

const (
	copyWindow = retransmissions
	copySize   = 1 << 14
	recentSize = 1 << 10
)

// New makes a detector that tells emit.
func New(emit alert.Emitter, zones *zone.Map, cfg Config) *Detector {
	if cfg.Ports == nil {
		cfg.Ports = alert.LateralPorts()
	}
	if cfg.MaxHosts == 0 {
		cfg.MaxHosts = 65536
	}
	d := &Detector{
		emit: emit, zones: zones, ports: withSMB(cfg.Ports),
		hosts:  newHosts(cfg.MaxHosts),
		copies: dup.New(copySize, copyWindow),
	}
	for _, p := range d.ports {
		d.lateral[p/64] |= 1 << (p % 64)
	}
	return d
}

// withSMB adds the ports of SMB that are not among some.
func withSMB(ports []uint16) []uint16 {
	for _, p := range [...]uint16{alert.PortNetBIOS, alert.PortSMB} {
		if !slices.Contains(ports, p) {
			ports = append([]uint16{p}, ports...)
		}
	}
	return ports
}

func newHosts(limit int) *lru.Table[ip.AddrPort, exposed] {
	return lru.NewHashed[ip.AddrPort, exposed](limit, ip.NewSecret().AddrPort)
}

// Wants asks for TCP from the lateral ports.
func (d *Detector) Wants() detect.Interest {
	return detect.Interest{Kinds: detect.TCP, From: d.ports}
}

// Stats returns what was counted so far.
func (d *Detector) Stats() Stats { return d.stats }

// Packet looks at one segment; for one that does not come from a lateral port
// it does nothing.
func (d *Detector) Packet(p *packet.Packet) {
	if port := p.Src.Port; d.lateral[port/64]&(1<<(port%64)) != 0 {
		d.fromLateral(p)
	}
}

// fromLateral takes a segment from a lateral port.
func (d *Detector) fromLateral(p *packet.Packet) {
	switch {
	case p.Flags.IsSYNACK():
	case p.Flags&(packet.SYN|packet.RST) != 0: // data may come with these, too, and nobody listens
		return
	case p.PayloadLen > 0 && alert.IsSMB(p.Src.Port) && p.Dst.Port >= ip.SystemPorts:
		if d.lookedAt(p) {
			return
		}
	default:
		return
	}
	own := d.zones.Of(p.Src.Addr)
	if !own.Inside || !unicast(p.Dst.Addr) {
		return
	}
	if d.counted(p) {
		d.stats.Copies++
		return
	}
	d.stats.Answers++
	d.answered(p, own.Zone)
}

// counted reports whether an answer was counted before: a SYN-ACK by its
// sequence number; data when they go to a client that is known, or to one more
// than are told apart.
func (d *Detector) counted(p *packet.Packet) bool {
	if p.Flags.IsSYNACK() {
		return d.copies.Seen(dup.NewHash().AddrPort(p.Src).AddrPort(p.Dst).Uint64(uint64(p.Seq)), p.Time)
	}
	e := d.hosts.Get(p.Src)
	return e != nil && (len(e.Value.clients) >= alert.MaxClients || slices.Contains(e.Value.clients, p.Dst.Addr))
}

// lookedAt notes a stream of which data are seen, and reports whether that was
// done lately. It saves the rest for all but the first segments of a transfer.
// Whoever makes streams collide only keeps their own data from being looked at.
func (d *Detector) lookedAt(p *packet.Packet) bool {
	stream := p.Src.Addr.Hash() ^ bits.RotateLeft64(p.Dst.Addr.Hash(), 32) ^ uint64(p.Src.Port)<<16 ^ uint64(p.Dst.Port)
	r := &d.recent[(p.Dst.Port^p.Src.Port)%recentSize]
	if *r == stream {
		return true
	}
	*r = stream
	return false
}

// unicast reports whether an address can be a client.
func unicast(a ip.Addr) bool {
	if a.Is4() {
		return a.Number4()>>28 != 0xe && a.Number4() != 0
	}
	return a.Hi>>56 != 0xff && a != ip.Addr{}
}

// Tick does nothing: exposure lasts.
func (d *Detector) Tick(int64) {}

// Close ends every alert, in the order of the last answers.
func (d *Detector) Close(now int64) {
	for e := d.hosts.Oldest(); e != nil; e = d.hosts.Newer(e) {
		d.end(e, now)
	}
	d.hosts = newHosts(d.hosts.Limit())
}

// Tables says how full the detector's tables are.
func (d *Detector) Tables() []detect.Table {
	return []detect.Table{{Name: "exposed hosts", Entries: d.hosts.Len(), Limit: d.hosts.Limit(), Evicted: d.stats.Evicted}}
}
