package flow

import (
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/lru"
)

// The end of a connection proves little. Bytes from before it can be captured
// behind it, copies of segments can follow, and anyone can send a RST that the
// receiver ignores or never gets. So a connection that is over stays in the
// table for a while, and is no longer over when it goes on.

const (
	overWait  = int64(time.Minute)
	overLimit = 65536
)

// accepts reports whether a RST is where the stream is. A receiver ignores all
// others (RFC 5961, chapter 3).
func (f *flow) accepts(from side, seq uint32) bool {
	next := f.halves[from&1].next
	if q := f.queues[from&1]; q != nil {
		next = q.chunks[len(q.chunks)-1].end()
	}
	by := ahead(seq, next) // by one for a FIN, or a segment that keeps alive
	return !f.has[from&1].any(started) || by >= -1 && by <= 1 ||
		f.has[from&1].any(hasAck) && seq == f.acked[from&1] // what is before was lost
}

// finish notes that a connection is over.
func (t *Table) finish(e *lru.Entry[key, flow], now int64) {
	if e.Value.over {
		return
	}
	if t.over.Full() {
		t.end(t.flows.Get(t.over.Oldest().Key))
	}
	e.Value.over = true
	t.over.Add(e.Key).Value = now
}

// afterEnd takes a segment with data on a connection that is over, and returns
// the connection, or nil when the segment begins another on its ports.
func (t *Table) afterEnd(e *lru.Entry[key, flow], k *key, h uint64, from side, p *packet.Packet) *lru.Entry[key, flow] {
	if t.openers.follows(k, h, from, p) {
		t.end(e)
		return nil
	}
	f, n := &e.Value, uint32(p.PayloadLen) //nolint:gosec // a payload is shorter than 4 GiB
	late := f.has[from&1].any(started) && ahead(p.Seq+n, f.halves[from&1].next) <= 0
	if !late && !p.Flags.Has(packet.RST) {
		t.stats.Revived++
		f.over = false
		t.over.Remove(t.over.Get(e.Key))
	}
	return e
}

// endOver ends the connections that have been over for long enough.
func (t *Table) endOver(now int64) {
	for o := t.over.Oldest(); o != nil; o = t.over.Oldest() {
		if by := now - o.Value; by <= overWait && by >= -clockBack {
			return
		}
		t.end(t.flows.Get(o.Key))
	}
}
