package flow

import (
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/lru"
)

// half is one direction of a connection. Sequence numbers wrap: they are only
// ever compared by their difference.
type half struct {
	next  uint32 // sequence number of the next byte to give out
	first uint32 // sequence number of the first byte
	fin   uint32 // sequence number behind the last byte, valid when hasFin
}

// mark says what is known of a direction.
type mark uint8

const (
	started mark = 1 << iota // next and first are valid
	hasAck
	hasFin
	bored // the consumer is, see Config.Bored
)

// any reports whether one of these is known.
func (m mark) any(of mark) bool { return m&of != 0 }

const (
	ackedWait   = int64(100 * time.Millisecond) // for bytes that the receiver has
	unackedWait = int64(5 * time.Second)
	// farBack is how far behind the stream a segment with data can be a
	// retransmission. Farther back, another connection must have taken the ports.
	farBack = 1 << 24
)

// ahead returns how far sequence number a is ahead of b, and less than 0 when
// it is behind: numbers wrap, so what is ahead is less than half the circle.
func ahead(a, b uint32) int64 {
	return int64(int32(a - b)) //nolint:gosec // the wrap is meant
}

// start says where a direction begins.
func (f *flow) start(from side, seq uint32) {
	h := &f.halves[from&1]
	h.next, h.first = seq, seq
	f.has[from&1] |= started
}

// acknowledge notes what the receiver has of what an end sent.
func (f *flow) acknowledge(from side, ack uint32) {
	if !f.has[from&1].any(hasAck) || ahead(ack, f.acked[from&1]) > 0 {
		f.acked[from&1] = ack
		f.has[from&1] |= hasAck
	}
}

// done reports whether all bytes of both directions were given out.
func (f *flow) done() bool {
	const ended = started | hasFin
	return f.has[0]&f.has[1]&ended == ended && f.halves[0].done() && f.halves[1].done()
}

// done reports whether all bytes of the direction were given out, of which the
// end is known. Behind a FIN are none: one that others follow was not believed.
func (h *half) done() bool { return h.next == h.fin }

// segment takes a segment of a connection that is in the table.
func (t *Table) segment(e *lru.Entry[key, flow], from side, p *packet.Packet) {
	f := &e.Value
	if p.Flags.Has(packet.ACK) {
		f.acknowledge(1-from, p.Ack)
	}
	reset := p.Flags.Has(packet.RST)
	if !reset && (p.PayloadLen > 0 || p.Flags&(packet.SYN|packet.FIN) != 0) {
		t.bytes(e, from, p)
	}
	if f.waitAt != 0 {
		t.giveUp(e, p.Time)
	}
	if reset && f.accepts(from, p.Seq) || f.done() {
		t.finish(e, p.Time)
	}
}

// bytes takes the bytes of a segment; SYN and FIN take a number like one.
func (t *Table) bytes(e *lru.Entry[key, flow], from side, p *packet.Packet) {
	f := &e.Value
	seq, n := p.Seq, uint32(p.PayloadLen) //nolint:gosec // a payload is shorter than 4 GiB
	if p.Flags.Has(packet.SYN) {
		seq++
	}
	if !f.has[from&1].any(started) {
		if keepsAlive(p) {
			seq, n = seq+1, 0
		}
		f.start(from, seq)
	}
	switch next := &f.halves[from&1].next; {
	case n == 0:
	case seq != *next || f.queues[from&1] != nil:
		t.take(e, from, chunk{seq: seq, n: n, data: p.Payload, at: segmentOf(p)})
	case f.has[from&1].any(bored) && len(p.Payload) == p.PayloadLen && t.cfg.Dull(p.Payload):
		*next += n
	default:
		t.deliver(e, from, &chunk{seq: seq, n: n, data: p.Payload, at: segmentOf(p)})
	}
	if p.Flags.Has(packet.FIN) {
		f.halves[from&1].fin = seq + n
		f.has[from&1] |= hasFin
	}
}

// keepsAlive reports whether a segment is as Windows sends them to see if the
// other end is still there: with one byte of no meaning, a zero, in the place of
// the one before the next (RFC 9293, chapter 3.8.4). Where the beginning of a
// stream is not known, it would be taken for that.
func keepsAlive(p *packet.Packet) bool {
	return p.PayloadLen == 1 && p.Flags == packet.ACK && len(p.Payload) == 1 && p.Payload[0] == 0
}

// segmentOf says where a packet's bytes come from.
func segmentOf(p *packet.Packet) Segment {
	s := Segment{Time: p.Time}
	s.Frame.File, s.Frame.Number = p.File, p.Number
	return s
}

// take takes a piece of a direction's bytes, which is borrowed.
func (t *Table) take(e *lru.Entry[key, flow], from side, c chunk) {
	h := &e.Value.halves[from]
	for {
		by := ahead(c.seq, h.next)
		switch {
		case by < -farBack:
			t.resync(e, from, c.seq)
			continue
		case by <= 0 && -by >= int64(c.n):
			t.stats.Repeated++
			return
		case by <= 0:
			t.inOrder(e, from, c.from(h.next-c.seq))
			return
		case t.wait(e, from, c):
			return
		}
		// There is no room for it to wait: the stream goes on behind the loss.
		t.stats.OverLimit++
		if e.Value.queues[from] != nil {
			t.skip(e, from)
		} else {
			t.gap(e, from, c.seq-h.next)
		}
	}
}

// inOrder gives out a piece that begins at the next byte.
func (t *Table) inOrder(e *lru.Entry[key, flow], from side, c chunk) {
	q := e.Value.queues[from]
	if q == nil {
		t.deliver(e, from, &c)
		return
	}
	// What waits was captured before, so where it overlaps it wins.
	t.stats.Waiting += q.insert(c)
	q.since = c.at.Time
	t.drain(e, from)
}

// wait lets a piece wait for the bytes before it, if there is room.
func (t *Table) wait(e *lru.Entry[key, flow], from side, c chunk) bool {
	f := &e.Value
	cost := chunkCost + len(c.data)
	waiting := 0
	if f.queues[from] != nil {
		waiting = f.queues[from].cost
	}
	if waiting+cost > t.cfg.MaxWait || t.stats.Waiting+cost > t.cfg.MaxWaitAll {
		return false
	}
	if f.queues[from] == nil {
		f.queues[from] = &queue{since: c.at.Time}
		if f.waitAt == 0 {
			t.waiting = append(t.waiting, e)
			f.waitAt = int32(len(t.waiting)) //nolint:gosec // at most MaxFlows
		}
	}
	added := f.queues[from].insert(c)
	t.stats.Waiting += added
	if added == 0 {
		t.stats.Repeated++
	} else {
		t.stats.OutOfOrder++
	}
	return true
}

// giveUp goes on behind bytes that are awaited for too long.
func (t *Table) giveUp(e *lru.Entry[key, flow], now int64) {
	f := &e.Value
	for s := range f.queues {
		for q := f.queues[s]; q != nil; q = f.queues[s] {
			waited := now - q.since
			acked := f.has[s].any(hasAck) && ahead(f.acked[s], q.chunks[0].seq) >= 0
			if waited < ackedWait || !acked && waited < unackedWait {
				break
			}
			since := q.since
			t.skip(e, side(s))
			q.since = since // the next loss is as old
		}
	}
}

// skip goes on at the first piece that waits, which there must be.
func (t *Table) skip(e *lru.Entry[key, flow], from side) {
	t.gap(e, from, e.Value.queues[from].chunks[0].seq-e.Value.halves[from].next)
	t.drain(e, from)
}

// drain gives out what no longer needs to wait.
func (t *Table) drain(e *lru.Entry[key, flow], from side) {
	f := &e.Value
	h, q := &f.halves[from], f.queues[from]
	i := 0
	for ; i < len(q.chunks) && q.chunks[i].seq == h.next; i++ {
		t.deliver(e, from, &q.chunks[i])
		t.stats.Waiting -= q.drop(i)
	}
	if q.chunks = append(q.chunks[:0], q.chunks[i:]...); len(q.chunks) > 0 {
		return
	}
	f.queues[from] = nil
	if f.queues[1-from] == nil {
		t.waitsNoMore(e)
	}
}

// waitsNoMore takes a connection off the list of those that wait.
func (t *Table) waitsNoMore(e *lru.Entry[key, flow]) {
	at, last := e.Value.waitAt-1, len(t.waiting)-1
	t.waiting[at] = t.waiting[last]
	t.waiting[at].Value.waitAt = at + 1
	t.waiting[last] = nil
	t.waiting = t.waiting[:last]
	e.Value.waitAt = 0
}

// deliver gives the next bytes of a direction to the consumer.
func (t *Table) deliver(e *lru.Entry[key, flow], from side, c *chunk) {
	f := &e.Value
	f.halves[from&1].next = c.seq + c.n
	if len(c.data) > 0 {
		t.tell(f, from, c)
	}
	if cut := int(c.n) - len(c.data); cut > 0 { // by the snapshot length
		t.lost(e, from, cut)
	}
}

// tell gives bytes to the consumer.
func (t *Table) tell(f *flow, from side, c *chunk) {
	dir := f.dir(from)
	f.consumer.Data(dir, c.data, c.at)
	f.has[from&1] &^= bored
	if t.cfg.Bored != nil && t.cfg.Bored(f.consumer, dir) {
		f.has[from&1] |= bored
	}
}

// gap goes on n bytes further.
func (t *Table) gap(e *lru.Entry[key, flow], from side, n uint32) {
	e.Value.halves[from].next += n
	t.lost(e, from, int(n))
}

// lost counts lost bytes and tells the consumer; 0 when it is not known how many.
func (t *Table) lost(e *lru.Entry[key, flow], from side, n int) {
	t.stats.Gaps++
	t.stats.GapBytes += uint64(n) //nolint:gosec // never negative
	e.Value.consumer.Gap(e.Value.dir(from), n)
	e.Value.has[from&1] &^= bored
}

// resync begins a direction anew at seq.
func (t *Table) resync(e *lru.Entry[key, flow], from side, seq uint32) {
	f := &e.Value
	for f.queues[from] != nil {
		t.skip(e, from)
	}
	t.stats.Resyncs++
	t.lost(e, from, 0)
	f.has[from] = 0
	f.start(from, seq)
}

// dir returns the direction of what an end sends.
func (f *flow) dir(from side) Dir {
	if from == f.orig {
		return FromOrig
	}
	return FromResp
}
