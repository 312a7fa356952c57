package scan

import (
	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// maxSent bounds what an originator sends while its attempt is remembered, as
// far as that tells the answers to it from segments of another connection.
const maxSent = 1 << 24

// goOn looks at a segment of a connection that may be under way, while those of
// all ports are asked for: for the tap's sake, or for that of a target that may
// be flooded.
func (d *Detector) goOn(p *packet.Packet) {
	if d.tap.settled() && !d.targets.watches(p.Dst.Addr) {
		return
	}
	if !d.progress(p) {
		d.reply(p)
	}
}

// progress looks at what may be a segment that an originator sends after its
// SYN, and reports whether it is to where its sender tried to connect to. It
// tells that a handshake was completed, and whether the tap saw the other half
// of it.
func (d *Detector) progress(p *packet.Packet) bool {
	src, dst, port := p.Src.Addr, p.Dst.Addr, p.Dst.Port
	a := d.attempts.find(pairHash(src.Hash(), dst.Hash(), port), src, dst, port)
	if a == nil {
		return false
	}
	if a.has(completed|stealth) || a.sport != p.Src.Port && a.sport2 != p.Src.Port {
		return true
	}
	if a.has(shadow) {
		a.marks |= completed
		d.tap.see(&d.tap.responded)
		return true
	}
	if p.Flags&packet.RST != 0 && a.waits() && (p.Flags&packet.ACK == 0 || p.Ack == 0) {
		return true // one who gives up
	}
	d.complete(a, p)
	return true
}

// reply looks at what may be a segment of a responder: none sends any but a
// SYN-ACK or RST before the handshake is complete.
func (d *Detector) reply(p *packet.Packet) {
	if p.Flags&(packet.ACK|packet.RST) != packet.ACK {
		return
	}
	client, server, port := p.Dst.Addr, p.Src.Addr, p.Src.Port
	a := d.attempts.find(pairHash(client.Hash(), server.Hash(), port), client, server, port)
	if a != nil && !a.has(completed|stealth|shadow) && a.wasSent(p.Dst.Port, p.Ack) {
		d.complete(a, p)
	}
}

// wasSent reports whether a segment to port sport acknowledges what may have
// been sent after the SYN.
func (a *attempt) wasSent(sport uint16, ack uint32) bool {
	return sport == a.sport && ack-(a.seq+1) <= maxSent || sport == a.sport2 && ack-(a.seq2+1) <= maxSent
}

// complete notes that the handshake of an attempt is complete, as a segment
// after it shows.
func (d *Detector) complete(a *attempt, p *packet.Packet) {
	if !d.stamp(p) {
		return
	}
	a.marks |= completed
	if p.Flags&packet.RST != 0 { // the true owners of spoofed sources send RST
		a.marks |= aborted
	} else if a.has(arrived) {
		d.targets.complete(a.dst)
	}
	switch {
	case a.waits():
		if d.tap.counts(a.dst, p.Time) {
			a.marks |= unheard
			d.tap.see(&d.tap.missing)
			d.tap.leak.note(true)
			d.reviewInterest()
		}
		d.answer(a, answered, p.Time)
	case a.state == answered && !a.has(aborted) && d.ports.class[a.port] != lateral:
		d.tap.leak.note(false)
		d.reviewInterest()
	}
}

// heard takes back that the SYN-ACK of an attempt was not seen: it comes later
// than what it let the originator send.
func (d *Detector) heard(a *attempt) {
	a.marks &^= unheard
	d.tap.missing -= min(d.tap.missing, 1)
	d.tap.leak.heard()
	d.tap.see(&d.tap.matched)
	d.reviewInterest()
}

// Lateral returns the part of the detector that looks at lateral ports once a
// connection is open. It is to be run by the same engine, beside the detector, since
// it wants other packets: the segments that servers send from these ports and, on
// the ports of SMB, those that clients send. Others have them decoded anyway, and
// they tell what became of an attempt where its SYN-ACK was lost, however whole the
// tap seems. Where the tap does not show what servers send, it wants what clients
// send to any of these ports: nothing else tells a worm from a server that pushes to
// its clients, who all answer.
func (d *Detector) Lateral() detect.Detector {
	l := &lateralSegments{of: d}
	for n, c := range d.ports.class {
		if port := uint16(n); c == lateral {
			l.from = append(l.from, port)
			if alert.IsSMB(port) {
				l.to = append(l.to, port)
			}
		}
	}
	return l
}

// lateralSegments is what Lateral returns.
type lateralSegments struct {
	of       *Detector
	from, to []uint16
}

// Wants asks for these segments.
func (l *lateralSegments) Wants() detect.Interest {
	to := l.to
	if l.of.oneSided {
		to = l.from
	}
	return detect.Interest{Kinds: detect.TCPData | detect.TCPClose, From: l.from, To: to}
}

// Packet looks at one segment.
func (l *lateralSegments) Packet(p *packet.Packet) {
	d := l.of
	switch {
	case !d.tap.settled(): // then those of all ports are looked at
	case alert.IsSMB(p.Dst.Port), d.oneSided && d.ports.class[p.Dst.Port] == lateral:
		if d.unanswered.has(p.Src.Addr, p.Src.Port) {
			d.progress(p)
		}
	case d.unanswered.has(p.Dst.Addr, p.Dst.Port):
		d.reply(p)
	}
}

// Tick does nothing: time is the other's.
func (l *lateralSegments) Tick(int64) {}

// Close does nothing.
func (l *lateralSegments) Close(int64) {}

// callers are the ends from which attempts at lateral ports were made lately that
// have no answer yet. Hardly any segment is to or from one of them, and only the
// attempts of those need to be looked up. Two ends may share a bit: then the answer to
// one may let the other wait for its SYN-ACK.
type callers struct {
	bits     [callerBits / 64]struct{ young, old uint64 } // since turnedAt and in the time before
	turnedAt int64
}

// callerBits is how many bits there are of each, a power of two: 64 KB in all. All
// ports of a host have bits of their own, side by side.
const callerBits = 1 << 18

// bitOf returns the place of a host's port.
func (c *callers) bitOf(host ip.Addr, port uint16) (word int, bit uint64) {
	at := (host.Hash() + uint64(port)) % callerBits
	return int(at / 64), 1 << (at % 64)
}

func (c *callers) add(host ip.Addr, port uint16) {
	word, bit := c.bitOf(host, port)
	c.bits[word].young |= bit
}

func (c *callers) remove(host ip.Addr, port uint16) {
	word, bit := c.bitOf(host, port)
	w := &c.bits[word]
	w.young, w.old = w.young&^bit, w.old&^bit
}

func (c *callers) has(host ip.Addr, port uint16) bool {
	word, bit := c.bitOf(host, port)
	w := &c.bits[word]
	return (w.young|w.old)&bit != 0
}

// turn forgets those of attempts that are no longer remembered.
func (c *callers) turn(now int64) {
	if now-c.turnedAt < lateAfter {
		return
	}
	for i := range c.bits {
		w := &c.bits[i]
		w.old, w.young = w.young, 0
	}
	c.turnedAt = now
}
