package detect

import (
	"math/bits"

	"wormscope/capture/packet"
)

// Engine gives every packet to every detector that wants its kind, and lets
// time pass. It is not safe for use by several goroutines.
type Engine struct {
	all    []Detector
	byKind [kindCount][]Detector
	now    int64 // latest packet time seen
	tick   int64 // when to call Tick next
	back   uint64
}

// tickEvery is the packet time between two calls of Tick, in nanoseconds.
const tickEvery = 1e9

// backTolerance is how far packets may be out of order before it counts as
// time gone back, in nanoseconds.
const backTolerance = 1e9

// NewEngine makes an engine that runs these detectors in this order.
func NewEngine(detectors ...Detector) *Engine {
	e := &Engine{all: detectors}
	e.Refresh()
	return e
}

// Refresh asks the detectors again what they want.
func (e *Engine) Refresh() {
	e.byKind = [kindCount][]Detector{}
	for _, d := range e.all {
		for kind := range kindCount {
			if d.Wants()&(1<<kind) != 0 {
				e.byKind[kind] = append(e.byKind[kind], d)
			}
		}
	}
}

// Now returns the latest packet time, Unix nanoseconds, 0 before the first.
func (e *Engine) Now() int64 { return e.now }

// Packet runs the detectors over one packet.
func (e *Engine) Packet(p *packet.Packet) {
	if p.Time > e.now {
		e.now = p.Time
		if p.Time >= e.tick {
			e.advance()
		}
	} else if p.Time < e.now-backTolerance {
		e.back++
	}
	for _, d := range e.byKind[bits.TrailingZeros8(uint8(kindOf(p)))] {
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
func kindOf(p *packet.Packet) Kind {
	switch p.Proto {
	case packet.ProtoTCP:
		if p.Flags&(packet.SYN|packet.FIN|packet.RST) != 0 {
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
