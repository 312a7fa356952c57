package scan

import (
	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// tap is what is known of the place the packets are copied from: whether it
// sees both directions, and all of them. A sweep that nobody answers is no
// evidence; what counts is connections that went on though their SYN-ACK was
// never seen, and SYN-ACKs that nobody was seen to ask for.
type tap struct {
	syns        uint32 // attempts seen
	matched     uint32 // SYN-ACKs that answered one
	missing     uint32 // attempts that went on without a SYN-ACK
	lone        uint32 // SYN-ACKs without an attempt
	responded   uint32 // of these, the client was then seen to send something
	segments    bool   // any were seen that neither open nor end a connection
	bare        bare
	leak        leak
	witnesses   [maxWitnesses]witness // those for which missing was counted lately
	witnessedAt int64                 // since when that is, Unix nanoseconds
}

const (
	// oneWay is how many times as much evidence must speak for a tap of one direction
	// as against it: 98 % of all.
	oneWay = 49
	// fewest of each kind of evidence.
	fewestMissing, fewestLone = 3, 8
	// enough matched answers settle that the tap shows both directions, and as
	// many connections that are seen to go on whether it leaks.
	enough = 20
	// forgetTap is where all counts are halved, so that a tap that changes is
	// noticed.
	forgetTap = 1 << 16
)

// A witness is a destination whose answers are missing, and how often that was
// counted since tap.witnessedAt.
type witness struct {
	of    uint32 // the upper half of its hash
	times uint8
}

const (
	// maxWitnesses is how many witnesses are told apart. Where there are more, the tap
	// is one-sided for certain.
	maxWitnesses = 64
	// maxTimes is how often one witness counts in lookEvery. The answers of a
	// load-balanced address may go another way, and anyone can send the two packets
	// that look like a handshake without an answer.
	maxTimes = 8
)

// counts reports whether a missing answer of a destination is to be counted: that of
// one destination is so only a few times.
func (t *tap) counts(dst ip.Addr, now int64) bool {
	if by := now - t.witnessedAt; by >= lookEvery || by < 0 {
		t.witnesses, t.witnessedAt = [maxWitnesses]witness{}, now
	}
	h := dst.Hash()
	s := &t.witnesses[h%maxWitnesses]
	if of := uint32(h >> 32); s.of != of {
		*s = witness{of: of}
	}
	if s.times == maxTimes {
		return false
	}
	s.times++
	return true
}

// see adds to one of the counts.
func (t *tap) see(count *uint32) {
	*count++
	if *count < forgetTap {
		return
	}
	for _, c := range []*uint32{&t.syns, &t.matched, &t.missing, &t.lone, &t.responded} {
		*c /= 2
	}
}

// clientOnly reports whether the tap shows only the clients' half of the connections
// whose SYN it shows. Of others it may show the servers' half: what comes into a
// network is made of both.
func (t *tap) clientOnly() bool {
	return t.missing >= fewestMissing && t.missing >= oneWay*t.matched || t.bare.sure() && !t.segments
}

// serverOnly reports whether only what servers send is seen.
func (t *tap) serverOnly() bool {
	return t.lone >= fewestLone && t.lone >= oneWay*(t.matched+t.responded) && t.lone >= oneWay*t.syns
}

// BothWays reports whether the tap is known to show both directions of connections.
func (d *Detector) BothWays() bool {
	t := &d.tap
	return t.matched >= fewestMissing && !t.clientOnly() && !t.serverOnly()
}

// settled reports whether there is nothing more to learn from segments with
// data.
func (t *tap) settled() bool { return t.leak.looked() || t.clientOnly() }

// mute reports whether silence says nothing: answers are not seen, or most of
// them.
func (t *tap) mute() bool { return t.clientOnly() || t.leak.most() }

// matched counts a SYN-ACK that answered an attempt.
func (d *Detector) matched(a *attempt) {
	d.tap.see(&d.tap.matched)
	if d.ports.class[a.port] == lateral {
		d.unanswered.remove(a.src, a.sport)
		d.unanswered.remove(a.src, a.sport2)
		d.tap.leak.note(false)
	}
	d.reviewInterest() // a flood may be over
}

// reviewInterest says anew which segments with data are of interest.
func (d *Detector) reviewInterest() {
	wantsData := !d.tap.settled() || d.targets.suspects > 0
	oneSided := d.tap.clientOnly()
	if wantsData != d.wantsData || oneSided != d.oneSided {
		d.wantsData, d.oneSided = wantsData, oneSided
		d.changed()
	}
}

// unasked looks at a SYN-ACK that answers no attempt: backscatter of a flood
// with spoofed sources, or the half of a handshake that a half-duplex tap
// shows. One whose SYN would be ignored says nothing of the tap: those of connections
// within a host, which a capture of all its devices has both halves of.
func (d *Detector) unasked(p *packet.Packet, client, server ip.Addr, hc, hs uint64) {
	if client == server || !server.Single() {
		return
	}
	d.stats.backscatter++
	d.tap.see(&d.tap.lone)
	d.reviewInterest()
	if d.tap.matched >= enough && !d.tap.serverOnly() || !client.Single() {
		return
	}
	port := p.Src.Port
	c := contact{src: client, dst: server, port: port, hs: hc, hd: hs, now: d.tick(p.Time), at: p.Time, packet: p}
	m, asker := shadow, d.roles.of(client)
	pop := &d.outside
	if asker == isInside {
		m |= inside
		pop = &d.inside
	}
	if d.ports.class[port] == lateral && asker != isAllowed {
		k := sourceKey{addr: client, port: port, kind: unasked}
		m |= d.note(pop, &c, k, k.hash(hc), first) & first
	}
	a := d.attempts.push(pairHash(hc, hs, port))
	d.wake = min(d.wake, p.Time+silentAfter)
	a.src, a.dst, a.port, a.time, a.vlan, a.marks = client, server, port, p.Time, p.VLAN, m
	a.sport, a.sport2, a.state = p.Dst.Port, p.Dst.Port, answered
	d.attempts.close(a)
	if m&first != 0 {
		d.judgeUnasked(pop, a, c.source)
	}
}

// judgeUnasked alarms if a client inside was accepted by too many servers,
// and the tap is one that shows the servers' half only.
func (d *Detector) judgeUnasked(pop *population, a *attempt, s *source) {
	if s == nil {
		k := a.key()
		pop.newcomers.settle(k.hash(k.addr.Hash()), k, a)
		return
	}
	s.resolve()
	s.settle(a.dst, answered, d.sight(), &d.rings)
	if s.finding != 0 {
		d.findings.get(s.finding).outcome(d, a)
		return
	}
	if !d.tap.serverOnly() {
		return
	}
	for i := range fanOut {
		if s.exceeds(&fanOut[i], d.tick(d.now), 1) {
			d.alarm(s, a, alert.NameHalfDuplex, d.now)
			return
		}
	}
}
