package detect

import "wormscope/capture/packet"

// A packet that comes more than ClockBack before or after those before it is held
// until something tells its time from that of the next packet: whether the clock was
// wrong for it alone, or time has gone on, or back. To believe a single one would end
// whatever is open, and begin anew when time returns.
type held struct {
	packet  packet.Packet
	payload []byte // of it, its own
	who     packet.Takers
	sure    bool // it is given out now
}

// fewRows is in how many rows far older packets may come between others before they
// are known to be by another clock: two sensors, or interfaces, in one capture. Where
// captures were joined in the wrong order, rows do not go on where others ended.
const fewRows = 3

// row notes that far older packets come again.
func (e *Engine) row(at int64) {
	if at < e.strand-backTolerance || at-e.strand > ClockBack {
		e.rows = 0
	}
	e.rows++
	e.strand = at
}

// otherClock takes a far older packet to be as old as those between which it comes,
// where that is known to be the work of another clock.
func (e *Engine) otherClock(p *packet.Packet) {
	e.strand = max(e.strand, p.Time)
	if e.rows > fewRows {
		p.Time = e.now
		e.retimed++
		e.twoClocks = true
	}
}

// holds holds a packet if its time may be wrong.
func (e *Engine) holds(p *packet.Packet, who packet.Takers) bool {
	h := &e.held
	if h.sure || e.tick == 0 || apart(p.Time, e.now) <= uint64(ClockBack) {
		return false
	}
	h.packet, h.who, e.doubt = *p, who, true
	h.payload = append(h.payload[:0], p.Payload...)
	h.packet.Payload = h.payload
	return true
}

// release gives out the packet that is held, now that something is of another time.
// Where that is nearer to what came before, the packet is as old as that.
func (e *Engine) release(at int64) {
	h := &e.held
	if apart(at, e.now) < apart(at, h.packet.Time) {
		h.packet.Time = e.now
		e.retimed++
	}
	e.doubt, h.sure = false, true
	defer func() { h.sure = false }()
	e.PacketFor(&h.packet, h.who)
}

// Settle gives out what is held: nothing follows, or not for a while.
func (e *Engine) Settle() {
	if e.doubt {
		e.release(e.held.packet.Time)
	}
}

// apart returns how far times are from each other.
func apart(a, b int64) uint64 {
	if a < b {
		a, b = b, a
	}
	return uint64(a) - uint64(b) //nolint:gosec // G115: the difference is right, whatever the signs
}

// Retimed returns how many packets were taken to be as old as those before them,
// since their own time was more than a minute from that of those before and behind,
// and whether two clocks in one capture were the reason.
func (e *Engine) Retimed() (n uint64, twoClocks bool) { return e.retimed, e.twoClocks }
