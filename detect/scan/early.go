package scan

import (
	"time"

	"wormscope/capture/packet"
)

const (
	// earlyWithin is how long an answer waits for its question: a tap that
	// takes each direction from another port, or joins two captures, may give
	// them in the wrong order.
	earlyWithin = int64(time.Second)
	earlySlots  = 256 // so few stay in a near cache
)

// early holds the latest answers that nobody had asked for yet. Where two fall
// on one slot, the later stays.
type early struct {
	slots  []earlyAnswer
	latest int64 // time of the latest
}

// earlyAnswer is a SYN-ACK or RST without its SYN.
type earlyAnswer struct {
	pair   uint64 // hash of the client, the server and its port
	time   int64
	ack    uint32
	sport  uint16 // of the client
	answer outcome
}

func newEarly() early { return early{slots: make([]earlyAnswer, earlySlots)} }

// keep notes an answer.
func (e *early) keep(h uint64, p *packet.Packet, o outcome) {
	e.latest = max(e.latest, p.Time)
	e.slots[h%earlySlots] = earlyAnswer{pair: h, time: p.Time, ack: p.Ack, sport: p.Dst.Port, answer: o}
}

// recent reports whether an answer may be waiting. Mostly none is, and a SYN
// need look no further.
func (e *early) recent(now int64) bool { return now-e.latest < earlyWithin }

// find returns what an answer that came before it made of a SYN, open when
// none did. The answer must acknowledge the SYN to the byte.
func (e *early) find(h uint64, p *packet.Packet) outcome {
	s := &e.slots[h%earlySlots]
	if s.pair != h || s.sport != p.Src.Port || p.Time-s.time >= earlyWithin {
		return open
	}
	if s.ack-p.Seq-1 > uint32(p.PayloadLen) { //nolint:gosec // G115: at most that of a datagram.
		return open
	}
	return s.answer
}

// answerEarly settles an attempt where the answer to its latest SYN was
// captured before it.
func (d *Detector) answerEarly(a *attempt, h uint64, p *packet.Packet) {
	if !d.early.recent(p.Time) {
		return
	}
	o := d.early.find(h, p)
	if o == open || !a.waits() {
		return
	}
	if o == answered {
		d.matched(a)
	}
	d.answer(a, o, p.Time)
}
