package detect

import (
	"math/bits"

	"wormscope/capture/packet"
)

// Engine gives every packet to every detector that wants it, and lets time
// pass. It is not safe for use by several goroutines.
type Engine struct {
	all  []Detector
	now  int64 // latest packet time seen
	tick int64 // when to call Tick next
	back uint64
	of   [256][controls + 1]choice // who wants packets of a protocol and with these flags, of any port
	from [portSlots]choice         // who wants packets from a port, of any kind
	to   [portSlots]choice
}

// A choice is a set of detectors, a bit for each by its place in Engine.all.
type choice uint8

const maxDetectors = 8

// controls are the flags by which TCP's two kinds are told apart, the lowest.
const controls = packet.SYN | packet.FIN | packet.RST

// portSlots is how many slots the ports share, a power of two. So few stay in
// the first-level cache whatever ports the traffic has; a table of all ports
// would not.
const portSlots = 1 << 10

// tickEvery is the packet time between two calls of Tick, in nanoseconds.
const tickEvery = 1e9

// backTolerance is how far packets may be out of order before it counts as
// time gone back, in nanoseconds.
const backTolerance = 1e9

// NewEngine makes an engine that runs these detectors in this order. There may
// be eight of them.
func NewEngine(detectors ...Detector) *Engine {
	if len(detectors) > maxDetectors {
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
	var of [AllKinds + 1]choice // who wants packets of a kind
	clear(e.from[:])
	clear(e.to[:])
	for i, d := range e.all {
		wants, bit := d.Wants(), choice(1)<<i
		for kind := TCPControl; kind <= Other; kind <<= 1 {
			if wants.Kinds&kind != 0 {
				of[kind] |= bit
			}
		}
		e.enterPorts(bit, &wants)
	}
	for proto := range e.of {
		for flags := range e.of[proto] {
			e.of[proto][flags] = of[kindOf(packet.Proto(proto), packet.Flags(flags))]
		}
	}
}

// enterPorts notes from and to which ports a detector wants packets.
func (e *Engine) enterPorts(d choice, wants *Interest) {
	for _, port := range wants.From {
		e.from[port%portSlots] |= d
	}
	for _, port := range wants.To {
		e.to[port%portSlots] |= d
	}
	if wants.anyPort() {
		for slot := range e.from {
			e.from[slot] |= d
		}
	}
}

// Now returns the latest packet time, Unix nanoseconds, 0 before the first.
func (e *Engine) Now() int64 { return e.now }

// Packet runs the detectors over one packet.
func (e *Engine) Packet(p *packet.Packet) {
	if at := p.Time; at > e.now {
		e.now = at
		if at >= e.tick {
			e.advance()
		}
	} else if at < e.now-backTolerance {
		e.back++
	}
	who := e.of[p.Proto][p.Flags&controls] & (e.from[p.Src.Port%portSlots] | e.to[p.Dst.Port%portSlots])
	for who != 0 {
		d := e.all[bits.TrailingZeros8(uint8(who))]
		who &= who - 1 // without the lowest bit
		d.Packet(p)
	}
}

// Idle lets time pass to now while no packets come, on a live source. Time
// never goes back by it: what is older than a packet seen changes nothing. Now
// must be so old that no packet is still to come that is older.
func (e *Engine) Idle(now int64) {
	if now > e.now && e.now > 0 {
		e.now = now
		if now >= e.tick {
			e.advance()
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
	for _, d := range e.all {
		d.Tick(e.now)
	}
	for _, d := range e.all {
		d.Close(e.now)
	}
}

// TimeWentBack returns how many packets were more than a second older than
// one before them: captures that were joined in the wrong order, or a clock
// that was set.
func (e *Engine) TimeWentBack() uint64 { return e.back }

// kindOf returns the kind of a packet.
func kindOf(proto packet.Proto, flags packet.Flags) Kind {
	switch proto {
	case packet.ProtoTCP:
		if flags&controls != 0 {
			return TCPControl
		}
		return TCPData
	case packet.ProtoUDP:
		return UDP
	case packet.ProtoICMP, packet.ProtoICMPv6:
		return ICMP
	default:
		return Other
	}
}
