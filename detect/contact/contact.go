// Package contact finds traffic between a host and an indicator address (rule
// ioc-ip), over any protocol. Of a tunnel only the packet inside is seen, not
// the tunnel's ends.
//
// The host that an alert is about is the other end, wherever it is. The alert
// is raised at the first packet, as an attempt or as an established contact,
// updated when an attempt becomes established or turns out to be the host's
// own, and as connections grow in number; it ends with totals when there was
// nothing for a while, or with the capture.
//
// Established means, for TCP, that the originator acknowledged an answer, that both
// ends acknowledged something, that the host sent data, or that the peer sent three
// segments with data; for UDP, ICMP and all else, that both ends sent something. ICMP
// errors are no contact: one that quotes an attempt says that it was refused.
//
// # Who began
//
//   - A SYN or SYN-ACK tells, and so does an echo request, or the first packet of
//     another protocol.
//   - Where the opening of a TCP connection was not captured, the ports tell, if one
//     end has a port that is known to be served and the other has not. The alert then
//     has TransportGuess set.
//   - Without TCP, an echo reply looks like an answer, and so does what comes from a
//     port below 1024 to one above, unless that is one of a service, as 1900. If such a packet is the first and comes from the
//     peer, the host is taken to have asked (TransportGuess). If it comes from the host,
//     the peer is taken to have asked, provided that it called upon that port before: so
//     a tunnel goes on after a pause. Otherwise it is unknown who began: the question
//     may be lost, or the host called from an odd port.
//   - While nothing of the host is seen, nothing shows that it began: a SYN-ACK or a
//     datagram may be an answer, a reflection or backscatter. Who began is unknown.
//
// What a resolver asks name servers is on behalf of its clients (OnBehalf). It is taken
// for that when all traffic is with port 53 of the address, and the host is known as a
// resolver or sends nothing but queries that desire no recursion.
//
// # Addresses that try many hosts
//
// An address that tries many hosts, which is what indicator addresses do all
// day, is one alert and not thousands: after SweepAfter hosts that it tried and
// did not get through to, further ones are counted in an alert about the address
// (alert.NameInboundSweep, Evidence.Contact.Hosts). A host that it does get
// through to has its own alert.
package contact

import (
	"net/netip"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/dup"
	"wormscope/detect/lru"
	"wormscope/internal/ip"
	"wormscope/ioc"
)

// Config bounds a Detector. The zero value of a field means its default.
type Config struct {
	// MaxFindings is how many alerts may be open; at the limit the one that is
	// quiet longest is ended. Default 65,536.
	MaxFindings int
	// MaxConns is how many connections are told apart; at the limit the one
	// that is quiet longest is forgotten, and counts anew if it goes on.
	// Default 131,072, about 40 MB.
	MaxConns int
	// SweepAfter is how many hosts an address may try before it is one alert
	// for all further ones. Default 20.
	SweepAfter int
	// Quiet is how long after its last packet an alert ends. Default 10 min.
	Quiet time.Duration
}

// Stats counts what a Detector saw.
type Stats struct {
	Packets uint64 // from or to an indicator address
	Copies  uint64 // of Packets, second copies
	Evicted uint64 // alerts ended early to make room
	Dropped uint64 // connections forgotten early to make room
	Swept   uint64 // hosts counted in an alert about the address that tried them
}

// Detector finds traffic with indicator addresses. Make it with New.
type Detector struct {
	emit     alert.Emitter
	set      *ioc.Set
	resolver func(netip.Addr) bool
	cfg      Config
	stats    Stats

	findings *lru.Table[findingKey, finding]
	conns    *lru.Table[connKey, conn]
	sweeps   *lru.Table[ioc.Match, sweep]
	begun    uint64 // sweeps so far, numbers them
	swept    *lru.Table[findingKey, trial]
	copies   *dup.Filter
}

const (
	maxSweeps  = 4096
	maxSwept   = 65536
	copyWindow = 100 * time.Millisecond
	copySize   = 1 << 14
	// udpBin is how long a tuple of UDP, ICMP or another protocol without
	// connections may be quiet and still be the same one.
	udpBin = int64(time.Minute)
)

// New makes a detector that looks addresses up in set and tells emit. resolver
// reports who is known to resolve names for others, and may be nil.
func New(emit alert.Emitter, set *ioc.Set, resolver func(netip.Addr) bool, cfg Config) *Detector {
	if cfg.MaxFindings == 0 {
		cfg.MaxFindings = 65536
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 131072
	}
	if cfg.SweepAfter == 0 {
		cfg.SweepAfter = 20
	}
	if cfg.Quiet == 0 {
		cfg.Quiet = 10 * time.Minute
	}
	if resolver == nil {
		resolver = func(netip.Addr) bool { return false }
	}
	return &Detector{
		emit: emit, set: set, resolver: resolver, cfg: cfg,
		findings: lru.New[findingKey, finding](cfg.MaxFindings),
		conns:    lru.New[connKey, conn](cfg.MaxConns),
		sweeps:   lru.New[ioc.Match, sweep](maxSweeps),
		swept:    lru.New[findingKey, trial](maxSwept),
		copies:   dup.New(copySize, copyWindow),
	}
}

// Wants asks for the packets an end of which may be an indicator, and for ICMP,
// unless there is nothing to look for.
func (d *Detector) Wants() detect.Interest {
	if !d.set.HasAddresses() {
		return detect.Interest{}
	}
	return detect.Interest{Kinds: detect.ICMP, Near: d.set.Blocks()}
}

// Stats returns what was counted so far.
func (d *Detector) Stats() Stats { return d.stats }

// Tables says how full the detector's tables are.
func (d *Detector) Tables() []detect.Table {
	return []detect.Table{
		{Name: "contact alerts", Entries: d.findings.Len(), Limit: d.findings.Limit(), Evicted: d.stats.Evicted},
		{Name: "contact connections", Entries: d.conns.Len(), Limit: d.conns.Limit(), Evicted: d.stats.Dropped},
	}
}

// Packet looks both ends of a packet up.
func (d *Detector) Packet(p *packet.Packet) {
	d.lookUp(p)
	if icmpError(p) {
		d.unreachable(p)
	}
}

// lookUp takes a packet one end of which may be an indicator.
func (d *Detector) lookUp(p *packet.Packet) {
	if d.set.Neither(p.Src.Addr, p.Dst.Addr) {
		return
	}
	if m, ok := d.set.Address(p.Src.Netip(), p.Time); ok {
		d.packet(p, m, peer)
	}
	if m, ok := d.set.Address(p.Dst.Netip(), p.Time); ok {
		d.packet(p, m, host)
	}
}

// Tick ends the alerts, and forgets the connections, that are quiet.
func (d *Detector) Tick(now int64) {
	quiet := now - int64(d.cfg.Quiet)
	for e := d.conns.Oldest(); e != nil && e.Value.last < quiet; e = d.conns.Oldest() {
		d.conns.Remove(e)
	}
	for e := d.findings.Oldest(); e != nil && e.Value.last < quiet; e = d.findings.Oldest() {
		d.end(e, now)
	}
	for e := d.sweeps.Oldest(); e != nil && e.Value.last < quiet; e = d.sweeps.Oldest() {
		d.endSweep(e, now)
	}
}

// Close ends every alert, in the order of their last packets.
func (d *Detector) Close(now int64) {
	for e := d.findings.Oldest(); e != nil; e = d.findings.Oldest() {
		d.end(e, now)
	}
	for e := d.sweeps.Oldest(); e != nil; e = d.sweeps.Oldest() {
		d.endSweep(e, now)
	}
}

// packet takes a packet that one end, the peer, is an indicator of.
func (d *Detector) packet(p *packet.Packet, m ioc.Match, from end) {
	d.stats.Packets++
	k := connKey{host: p.Src, peer: p.Dst, proto: p.Proto}
	if from == peer {
		k.host, k.peer = p.Dst, p.Src
	}
	switch {
	case !isHost(k.host.Addr) || !isHost(k.peer.Addr) || icmpError(p):
		return
	case !p.Reassembled && d.copies.Seen(identity(p).Uint64(uint64(from)), p.Time):
		d.stats.Copies++
		return
	}
	c, isNew := d.conn(k, p, from)
	c.called = isNew && d.called(k, m)
	d.report(k, m, p, c, isNew, c.take(p, from))
}

// icmpError reports whether a packet is an ICMP error that quotes another
// packet. The ICMP part of a packet of another protocol means nothing.
func icmpError(p *packet.Packet) bool {
	return (p.Proto == packet.ProtoICMP || p.Proto == packet.ProtoICMPv6) && p.ICMP.HasInner
}

// isHost reports whether an address can be one end of a contact.
func isHost(a ip.Addr) bool {
	n := a.Netip()
	return !n.IsMulticast() && !n.IsUnspecified() && n != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// Told is how many bytes of a payload are looked at, to tell datagrams without an
// identification apart.
const Told = 64

// identity sums up what the copies of one packet share: neither its time to
// live nor its tag, which differ behind a router.
func identity(p *packet.Packet) dup.Hash {
	h := dup.NewHash().AddrPort(p.Src).AddrPort(p.Dst)
	h = h.Uint64(uint64(p.Seq)<<32 | uint64(p.Ack)).Uint64(uint64(p.IPID)<<32 | uint64(p.Proto)<<8 | uint64(p.Flags))
	return h.Uint64(uint64(p.PayloadLen)).Bytes(p.Payload[:min(len(p.Payload), Told)]) //nolint:gosec // never negative
}

// conn returns the connection of a packet, and whether it begins with it.
func (d *Detector) conn(k connKey, p *packet.Packet, from end) (c *conn, isNew bool) {
	e := d.conns.Get(k)
	switch {
	case e == nil:
		if d.conns.Full() {
			d.stats.Dropped++
		}
		e, isNew = d.conns.Add(k), true
	case e.Value.over(p, from):
		e.Value, isNew = conn{}, true
	}
	d.conns.Touch(e)
	return &e.Value, isNew
}

// called reports whether the last that was said of the peer is that it called
// upon this port of the host.
func (d *Detector) called(k connKey, m ioc.Match) bool {
	e := d.findings.Get(findingKey{k.host.Addr.Netip(), m})
	return e != nil && e.Value.began <= peerBegan && e.Value.alert.Resp == k.host.Netip()
}

// unreachable notes that an attempt was refused, by whoever says so: one of the
// host's, or one of the peer's.
func (d *Detector) unreachable(p *packet.Packet) {
	if !p.Unreachable() {
		return
	}
	in := &p.ICMP
	for _, k := range [...]connKey{{in.InnerSrc, in.InnerDst, in.InnerProto}, {in.InnerDst, in.InnerSrc, in.InnerProto}} {
		e := d.conns.Get(k)
		if e == nil || e.Value.established {
			continue
		}
		if f := d.findings.Get(findingKey{k.host.Addr.Netip(), e.Value.match}); f != nil {
			f.Value.contact.Refused = true
		}
	}
}
