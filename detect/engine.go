package detect

import (
	"math/bits"
	"net/netip"

	"wormscope/capture/packet"
)

// Engine gives every packet to every detector that wants it, and lets time
// pass. It is not safe for use by several goroutines.
type Engine struct {
	all    []Detector
	now    int64         // latest packet time seen
	tick   int64         // when to call Tick next
	back   uint64        // see TimeWentBack
	behind bool          // the latest packet was more than a second older than one before it
	doubt  bool          // a packet is held
	reset  int64         // while the clock may have been set back, the first packet time that says so; else 0
	sieve  *packet.Sieve // who wants what; a taker's bit is a detector's place in all

	held      held
	retimed   uint64
	rows      int   // of packets far older than those between which they came, each going on where the one before ended
	strand    int64 // packet time that these have come to
	twoClocks bool
}

// tickEvery is the packet time between two calls of Tick, in nanoseconds.
const tickEvery = 1e9

// backTolerance is how far packets may be out of order before it counts as
// time gone back, in nanoseconds.
const backTolerance = 1e9

// A clock that was set back is followed once packets that are far older than the
// latest, and no others, have come for a while.
const (
	ClockBack  = int64(60e9) // how much older that is, in nanoseconds
	resetAfter = int64(5e9)  // how long that is, in their time
)

// NewEngine makes an engine that runs these detectors in this order. It panics when
// there are more than packet.MaxTakers.
func NewEngine(detectors ...Detector) *Engine {
	if len(detectors) > packet.MaxTakers {
		panic("detect: more detectors than an engine has bits for")
	}
	e := &Engine{all: detectors}
	for _, d := range e.all {
		if c, ok := d.(Changing); ok {
			c.OnChange(e.Refresh)
		}
	}
	e.Refresh()
	return e
}

// Refresh asks the detectors again what they want.
func (e *Engine) Refresh() {
	e.sieve = packet.NewSieve()
	var of [AllKinds + 1]packet.Takers // who wants packets of a kind
	for i, d := range e.all {
		wants, who := d.Wants(), packet.Takers(1)<<i
		for kind := TCPControl; kind <= Other; kind <<= 1 {
			if wants.Kinds&kind != 0 {
				of[kind] |= who
			}
		}
		takePorts(e.sieve, who, &wants)
		if wants.Near != nil {
			e.sieve.TakeNear(who, wants.Near)
		}
	}
	e.sieve.TakeTalk(of[Other])
	e.sieve.TakeKinds(func(p packet.Proto, f packet.Flags) packet.Takers { return of[kindOf(p, f)] })
}

// takePorts notes from and to which ports a detector wants packets.
func takePorts(s *packet.Sieve, who packet.Takers, wants *Interest) {
	for _, port := range wants.From {
		s.TakeFrom(who, port)
	}
	for _, port := range wants.To {
		s.TakeTo(who, port)
	}
	if wants.anyPort() {
		s.TakeAnyPort(who)
	}
}

// Sieve returns what tells the frames that a detector wants from others. It holds
// until the detectors are next asked what they want, see Refresh and Changing.
func (e *Engine) Sieve() *packet.Sieve { return e.sieve }

// Now returns the latest packet time, Unix nanoseconds, 0 before the first.
func (e *Engine) Now() int64 { return e.now }

// Second returns the present second of packet time, from since on and before until,
// Unix nanoseconds. Within it nothing is due: only packets that a detector wants
// make anything happen.
func (e *Engine) Second() (since, until int64) { return e.tick - tickEvery, e.tick }

// Pass lets time go on to that of a packet that no detector wants. It must lie within
// the present Second.
func (e *Engine) Pass(at int64) {
	if e.doubt {
		e.release(at)
	}
	e.now, e.reset = max(e.now, at), 0
}

// Packet runs the detectors over one packet.
func (e *Engine) Packet(p *packet.Packet) { e.PacketFor(p, e.sieve.Who(p)) }

// PacketFor runs over one packet those detectors that the Sieve says want it.
func (e *Engine) PacketFor(p *packet.Packet, who packet.Takers) {
	if e.doubt {
		e.release(p.Time)
	}
	switch at := p.Time; {
	case at > e.now:
		if at >= e.tick && e.holds(p, who) {
			return
		}
		e.now, e.reset, e.behind = at, 0, false
		if at >= e.tick {
			e.advance()
		}
	case at < e.now-backTolerance:
		if e.reset == 0 && e.holds(p, who) {
			return
		}
		e.late(p)
	default:
		e.reset, e.behind = 0, false
	}
	for ; who != 0; who &= who - 1 { // without the lowest bit
		e.all[bits.TrailingZeros8(uint8(who))].Packet(p)
	}
}

// late takes note of a packet that is late, and of a clock that was set back. Where
// such packets come in rows between others, theirs is another clock.
func (e *Engine) late(p *packet.Packet) {
	at := p.Time
	if !e.behind {
		e.behind = true
		e.back++
	}
	switch {
	case at > e.now-ClockBack:
		e.reset = 0
	case e.reset == 0:
		e.row(at)
		e.reset = at
	case at < e.reset:
		e.reset = at
	case at-e.reset >= resetAfter:
		e.now, e.reset, e.behind, e.rows = at, 0, false, 0
		e.advance()
	}
	if e.reset != 0 {
		e.otherClock(p)
	}
}

// Idle lets time pass to now, Unix nanoseconds, while a live source has no packets.
// All packets that come later must be at least as new. Time never goes back by it: a
// now that is older than the latest packet changes nothing.
func (e *Engine) Idle(now int64) {
	if now > e.now && e.now > 0 {
		if e.doubt {
			e.release(now)
		}
		e.now = max(e.now, now)
		if now >= e.tick {
			e.advance()
		}
	}
}

// Hurry lets the next update of each open alert about some hosts through, however
// recent the last one is. It is for hosts that an analyst has just marked: what they do
// from now on is news.
func (e *Engine) Hurry(hosts map[netip.Addr]bool) {
	for _, d := range e.all {
		if h, ok := d.(Hurrying); ok {
			h.Hurry(hosts)
		}
	}
}

// Detectors returns the detectors, in the order in which they are run.
func (e *Engine) Detectors() []Detector { return e.all }

// advance lets time pass to now. A gap in the capture is one tick: what is
// due is due, however long ago.
func (e *Engine) advance() {
	for _, d := range e.all {
		d.Tick(e.now)
	}
	e.tick = e.now + tickEvery
}

// Close says what is still open at the end of the capture.
func (e *Engine) Close() {
	e.Settle()
	for _, d := range e.all {
		d.Tick(e.now)
	}
	for _, d := range e.all {
		d.Close(e.now)
	}
}

// TimeWentBack returns in how many places packets were more than a second older
// than one before them: captures that were joined in the wrong order, or a clock
// that was set.
func (e *Engine) TimeWentBack() uint64 { return e.back }

// kindOf returns the kind of a packet.
func kindOf(proto packet.Proto, flags packet.Flags) Kind {
	switch proto {
	case packet.ProtoTCP:
		switch {
		case flags&(packet.SYN|packet.RST) != 0, !flags.Has(packet.ACK):
			return TCPControl
		case flags.Has(packet.FIN):
			return TCPClose
		default:
			return TCPData
		}
	case packet.ProtoUDP:
		return UDP
	case packet.ProtoICMP, packet.ProtoICMPv6:
		return ICMP
	default:
		return Other
	}
}
