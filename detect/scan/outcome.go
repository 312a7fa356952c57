package scan

import (
	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// accept looks at a SYN-ACK.
func (d *Detector) accept(p *packet.Packet) {
	d.tap.bare.other = true
	client, server, port := p.Dst.Addr, p.Src.Addr, p.Src.Port
	hc, hs := client.Hash(), server.Hash()
	h := pairHash(hc, hs, port)
	a := d.attempts.find(h, client, server, port)
	asked := a != nil && !a.has(shadow) && a.accepts(p.Dst.Port, p.Ack)
	if !asked {
		d.early.keep(h, p, answered)
	}
	switch {
	case a == nil:
		d.unasked(p, client, server, hc, hs)
	case a.has(shadow): // the same again, or one of another connection
	case !asked:
		d.stats.mismatched++
	case a.waits():
		d.matched(a)
		d.answer(a, answered, p.Time)
	case a.has(unheard):
		d.heard(a)
	case !a.has(completed) && p.Time-a.time > sentAgain:
		a.marks |= aborted
	}
}

// reset looks at an RST: a refusal, or the originator's answer to a SYN-ACK
// that the tap did not see.
func (d *Detector) reset(p *packet.Packet) {
	d.tap.bare.other = true
	client, server, port := p.Dst.Addr, p.Src.Addr, p.Src.Port
	h := pairHash(client.Hash(), server.Hash(), port)
	a := d.attempts.find(h, client, server, port)
	if a == nil {
		if p.Seq == 0 && p.Flags.Has(packet.ACK) { // what answers a SYN (RFC 9293, chapter 3.10.7.1)
			d.early.keep(h, p, refused)
		}
		if d.wantsData {
			d.goOn(p)
		}
		return
	}
	if !a.waits() {
		return
	}
	if !a.has(stealth) && !a.refuses(p) {
		d.stats.mismatched++
		return
	}
	d.answer(a, refused, p.Time)
}

// refuses reports whether an RST may be to this attempt. One that acknowledges
// nothing is to what had an acknowledgement itself, by the standard, but some
// firewalls send no other: it counts by the port that it goes to, for all else is
// the end of a connection from before.
func (a *attempt) refuses(p *packet.Packet) bool {
	if p.Flags.Has(packet.ACK) {
		return a.accepts(p.Dst.Port, p.Ack)
	}
	return p.Dst.Port == a.sport || p.Dst.Port == a.sport2
}

// codeNeighbour is the code of an ICMPv6 unreachable message of the router that a
// network is at, about an address in it that nobody has (RFC 4443, 3.1).
const codeNeighbour = 3

// unreachable looks at an ICMP or ICMPv6 message that a destination, or its
// port, can't be reached.
func (d *Detector) unreachable(p *packet.Packet) {
	in := &p.ICMP
	if in.InnerProto != packet.ProtoTCP || !d.stamp(p) {
		return
	}
	src, dst, port := in.InnerSrc.Addr, in.InnerDst.Addr, in.InnerDst.Port
	a := d.attempts.find(pairHash(src.Hash(), dst.Hash(), port), src, dst, port)
	if a == nil || !a.waits() {
		return
	}
	if in.InnerSeq != 0 && in.InnerSeq != a.seq && in.InnerSeq != a.seq2 {
		d.stats.mismatched++
		return
	}
	d.tap.bare.other = true
	if p.Src.Addr == dst {
		d.answer(a, refused, p.Time)
		return
	}
	if p.Proto == packet.ProtoICMPv6 && in.Code == codeNeighbour {
		d.alive.see(reachableHash(dst))
	}
	d.answer(a, unreached, p.Time)
}

// answer ends an attempt that waits for an answer, or corrects what was made
// of its silence.
func (d *Detector) answer(a *attempt, o outcome, now int64) {
	if a.state == silent {
		d.correct(a, o)
		return
	}
	d.settle(a, o, now)
}

// timeout ends an attempt that had no answer in time. Where the tap does not
// see answers, or where none is due, silence says nothing. Elsewhere it is a
// reason to look at the tap again.
func (d *Detector) timeout(a *attempt) {
	if b := &d.tap.bare; !b.other && !d.tap.segments && a.has(inside) && !a.has(stealth) {
		b.unanswered(a)
		d.reviewInterest()
	}
	if a.has(stealth|shadow) || d.tap.mute() {
		d.stats.unknown++
		d.release(a)
		return
	}
	if d.tap.leak.again(d.now) {
		d.reviewInterest()
	}
	d.settle(a, silent, min(a.time+silentAfter, d.now))
}

// release lets go of an attempt whose outcome stays unknown.
func (d *Detector) release(a *attempt) {
	if a.has(first) {
		if s := d.source(a, a.key()); s != nil {
			s.resolve()
		}
	}
	if a.has(firstNet) {
		if s := d.source(a, a.netKey()); s != nil {
			s.resolve()
		}
	}
}

// settle lets what an attempt came to count. In a sweep that is told already a
// failure weighs nothing, and is none of a vertical scan.
func (d *Detector) settle(a *attempt, o outcome, now int64) {
	a.state = o
	d.attempts.close(a)
	if a.has(swept) && d.settleSwept(a) {
		return
	}
	hd := a.dst.Hash()
	hp := portHash(hd, a.port)
	counts := a.has(first | firstNet)
	weighs := counts && o != answered && !a.has(swept)
	if weighs || o != silent {
		d.alive.fetch(hd, hp)
	}
	served := o != answered && d.alive.has(hp)
	if weighs {
		a.weight = d.weight(a, hd, hp, served)
	}
	if counts {
		d.judgeNet(a, hd, now)
	}
	d.enliven(a.dst, o, hd, hp)
	if o == answered && a.has(first) && a.has(pooled) {
		d.alive.see(publicHash(hp))
	}
	if o == answered && a.has(inside) && a.has(first|arrived) {
		d.alive.see(clientHash(a.src.Hash()))
		d.reached(a)
	}
	if !a.has(swept) {
		d.judgePair(a, hd, served, now)
	}
	if a.has(first) {
		d.conclude(a, a.key(), now)
	}
	if a.has(firstNet) {
		d.conclude(a, a.netKey(), now)
	}
	if !counts && o != answered && a.has(inside) {
		d.again(a)
	}
}

// settleSwept does what settle does for a sweep whose alert is still open, and
// reports whether it is: then all that counts is what the alert counts. Most
// attempts are those of scanners.
func (d *Detector) settleSwept(a *attempt) bool {
	s := d.source(a, a.key())
	if s == nil || s.finding == 0 {
		return false
	}
	if a.state != silent {
		hd := a.dst.Hash()
		hp := portHash(hd, a.port)
		d.alive.fetch(hd, hp)
		d.enliven(a.dst, a.state, hd, hp)
	}
	d.tally(s, a)
	return true
}

// tally lets an outcome count for the alert that is open about its source.
func (d *Detector) tally(s *source, a *attempt) {
	s.resolve()
	if a.state != answered {
		s.burstFailed++
	}
	d.findings.get(s.finding).outcome(d, a)
}

// enliven notes a destination that gave an answer, by its hash and the one of
// its port, too.
func (d *Detector) enliven(dst ip.Addr, o outcome, hd, hp uint64) {
	switch o {
	case answered:
		d.alive.see(hd)
		d.alive.see(hp)
		if !dst.Is4() {
			d.alive.see(routeHash(dst))
		}
	case refused:
		d.alive.see(hd)
		if !dst.Is4() {
			d.alive.see(reachableHash(dst))
		}
	case open, silent, unreached:
	}
}

// publicHash returns the hash under which a port of a destination is remembered as
// one that answers hosts outside, given its portHash.
func publicHash(port uint64) uint64 { return mix(port^seedA, seedB) }

// portHash returns the hash under which a destination is remembered as answering at
// a port, given the hash of its address.
func portHash(host uint64, port uint16) uint64 { return mix(host^seedC, uint64(port)^seedD) }

// weight returns what the failure of an attempt weighs, in tenths. hd and hp are the
// hashes of its destination and of the port there, and served says that the port
// answered before. For an attempt from outside that means: somebody outside.
func (d *Detector) weight(a *attempt, hd, hp uint64, served bool) uint8 {
	switch {
	case served && (!a.has(pooled) || d.alive.has(publicHash(hp))):
		return weightAnswered
	case d.alive.has(hd):
		return weightAlive
	case d.astray(a):
		return weightAstray
	}
	return weightDead
}

// conclude lets an outcome count for a source, and alarms where it is the one
// too many.
func (d *Detector) conclude(a *attempt, k sourceKey, now int64) {
	pop := d.population(a)
	kh := k.hash(k.addr.Hash())
	s := pop.find(kh, k)
	if s == nil {
		pop.newcomers.settle(kh, k, a)
		return
	}
	if s.finding != 0 {
		d.tally(s, a)
		return
	}
	s.resolve()
	if k.kind == allPorts && a.state != answered && d.ports.class[a.port] == ordinary && !s.misses(a.port) {
		a.weight = weightPeer
	}
	t := d.tick(now)
	d.weigh(s, a.dst, a.state, a.weight, t, d.sight())
	if a.state == answered && a.has(inside) {
		d.alive.see(a.src.Hash())
	}
	if d.suspicious(s) {
		d.alarm(s, a, s.testName(), now)
		return
	}
	if a.state != answered && d.ports.class[k.port] == lateral && k.kind != allPorts {
		if v := d.exceeded(s, t); v != nil {
			d.alarm(s, a, v.name, now)
		}
	}
}

// share returns what an outcome weighs in the sequential test of a source.
func (d *Detector) share(s *source) float64 {
	if d.ports.class[s.key.port] == lateral || d.findings.scanning(s.key.addr) {
		return 1
	}
	return watchedShare
}

// weigh adds an outcome to the counts and the test of a source.
func (d *Detector) weigh(s *source, dst ip.Addr, o outcome, weight uint8, now tick, by sight) {
	s.settle(dst, o, by, &d.rings)
	if o != answered {
		s.fail(weight, now)
	}
	if s.key.kind == allPorts {
		s.walk(o, weight)
		return
	}
	s.step(o, d.share(s), weight, now)
}

// suspicious reports whether the test of a source says scanner.
func (d *Detector) suspicious(s *source) bool {
	if s.key.kind == allPorts {
		return s.llr >= trwAlarm-1e-9
	}
	if s.llr < llrAlarm*float64(s.factor()) {
		return false
	}
	return d.share(s) == 1 || s.dead >= watchedDead
}

func (s *source) testName() string {
	if s.key.kind == allPorts {
		return alert.NameExternal
	}
	return alert.NameSequential
}

// correct takes back that an attempt was silent, when its answer comes late.
func (d *Detector) correct(a *attempt, o outcome) {
	d.stats.late++
	a.state = o
	hd := a.dst.Hash()
	d.enliven(a.dst, o, hd, portHash(hd, a.port))
	if a.has(first) {
		d.amend(a, a.key())
	}
	if a.has(firstNet) {
		d.amend(a, a.netKey())
	}
}

// amend lets the late answer to an attempt count for a source.
func (d *Detector) amend(a *attempt, k sourceKey) {
	pop := d.population(a)
	kh := k.hash(k.addr.Hash())
	s := pop.find(kh, k)
	if s == nil {
		pop.newcomers.settle(kh, k, a)
		return
	}
	s.silent -= min(s.silent, 1)
	s.settle(a.dst, a.state, d.sight(), &d.rings)
	if a.state == answered {
		d.exonerate(s, a.weight)
	}
	if s.finding != 0 {
		d.findings.get(s.finding).corrected(d, a)
	}
}

// exonerate takes a failure back that was none.
func (d *Detector) exonerate(s *source, weight uint8) {
	s.failed -= min(s.failed, 1)
	s.burstFailed -= min(s.burstFailed, 1)
	if weight == weightDead {
		s.dead -= min(s.dead, 1)
	}
	if s.key.kind == allPorts {
		s.llr -= trwStep + failedWalk(weight)
	} else {
		s.unstep(d.share(s), weight)
	}
}
