package main

import (
	"errors"
	"io"
	"math"

	"wormscope/capture"
	"wormscope/capture/packet"
)

// A merger puts what shards pass on into the order of time and runs the
// detectors over it, in one goroutine: so each scan is counted once and whole,
// whichever rings its flows are in.
type merger struct {
	*shards
	queues []queue // one for each ring
	more   bool    // there may be packets to take without waiting
}

// A queue holds the parcels of one ring that wait for the detectors.
type queue struct {
	parcels []*parcel
	next    int          // index in the first parcel of the packet to take next
	until   moment       // parcels that the ring still sends have nothing older
	decoded packet.Stats // of the parcels that are done
	ended   bool         // the ring sends no more parcels
}

// mergeSize is about how many packets are taken before the caller gets its turn.
const mergeSize = 4 * batchSize

func newMerger(s *shards) *merger {
	m := &merger{shards: s, queues: make([]queue, len(s.all))}
	for i := range m.queues {
		m.queues[i].until.time = math.MinInt64
	}
	return m
}

// batch runs the detectors of p over up to about mergeSize of the packets that
// have come. If there are none, it waits for a parcel, which every shard sends at
// least each idleShard. It returns io.EOF when all rings have ended.
func (m *merger) batch(p *pipeline) error {
	m.receive()
	m.more = true
	for taken := 0; taken < mergeSize; {
		n, err := m.emit(p)
		if err != nil {
			return err
		}
		if n == 0 {
			m.more = false
			break
		}
		taken += n
	}
	low := m.low(-1, true)
	if low == never {
		return io.EOF
	}
	p.engine.Idle(low.time)
	return nil
}

// receive takes in what the shards have sent, and waits unless there is
// something to do: a shard always sends something before long.
func (m *merger) receive() {
	if !m.more {
		m.enqueue(<-m.out)
	}
	for {
		select {
		case b := <-m.out:
			m.enqueue(b)
		default:
			return
		}
	}
}

func (m *merger) enqueue(b *parcel) {
	q := &m.queues[b.from]
	q.parcels = append(q.parcels, b)
}

// head is the moment of what comes next in a queue that is not empty: a packet, or
// the end of the parcel, which takes its place in the order as packets do.
func (q *queue) head() moment {
	b := q.parcels[0]
	if q.next < len(b.packets) {
		return b.at(q.next)
	}
	return b.until
}

// at is the moment of a packet.
func (b *parcel) at(i int) moment { return moment{b.until.turn, b.packets[i].Time} }

// never is after all moments.
var never = moment{math.MaxInt, math.MaxInt64} //nolint:gochecknoglobals // a constant

// low returns the earliest moment that any ring except number but has next, or never
// if there is none. If empty is set, rings without a parcel here count, too, with the
// earliest moment that they may still send.
func (m *merger) low(but int, empty bool) moment {
	low := never
	for i := range m.queues {
		at := never
		switch q := &m.queues[i]; {
		case i == but:
		case len(q.parcels) > 0:
			at = q.head()
		case empty && !q.ended:
			at = q.until
		}
		if at.before(low) {
			low = at
		}
	}
	return low
}

// emit takes the packets, of one parcel at most, that are surely no later than all
// others. When a shard has sent all its parcels and would have to wait, it goes on
// without the rings that have sent nothing: their packets may then come late. It
// returns how many packets and ends of parcels it has taken.
func (m *merger) emit(p *pipeline) (int, error) {
	first := -1
	for i := range m.queues {
		if q := &m.queues[i]; len(q.parcels) > 0 && (first < 0 || q.head().before(m.queues[first].head())) {
			first = i
		}
	}
	if first < 0 {
		return 0, nil
	}
	q := &m.queues[first]
	limit := m.low(first, !m.full())
	b, before := q.parcels[0], q.next
	for q.next < len(b.packets) && !limit.before(b.at(q.next)) {
		q.next++
		p.detect(&b.packets[q.next-1], m)
	}
	n := q.next - before
	if q.next < len(b.packets) || limit.before(b.until) {
		return n, nil
	}
	return n + 1, m.finish(p, q)
}

// full reports whether all parcels of some ring wait here.
func (m *merger) full() bool {
	for i := range m.queues {
		if len(m.queues[i].parcels) == parcels {
			return true
		}
	}
	return false
}

// finish takes the end of the first parcel of a queue and gives the parcel back to
// its shard, unless it was the last. It returns the error that the ring failed with, if any.
func (m *merger) finish(p *pipeline, q *queue) error {
	b := q.parcels[0]
	q.parcels, q.next = append(q.parcels[:0], q.parcels[1:]...), 0
	q.until, q.decoded = b.until, b.decoded
	p.traffic.add(&b.traffic)
	p.state.noted(b.notes)
	if err := b.err; err != nil {
		q.ended = true
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	}
	b.reset()
	m.all[b.from].free <- b
	return nil
}

// detect runs the detectors over a packet of a parcel. A panic costs only this
// packet.
func (p *pipeline) detect(pkt *packet.Packet, m *merger) {
	defer func() {
		if r := recover(); r != nil {
			p.panicked(&capture.Frame{File: pkt.File, Number: pkt.Number}, m.all[0].ring, r)
		}
	}()
	p.engine.Packet(pkt)
}

// decodedStats returns what was counted in decoding, summed over all shards.
func (p *pipeline) decodedStats() packet.Stats {
	sum := p.decoder.Stats()
	if p.merger != nil {
		for i := range p.merger.queues {
			sum.Add(p.merger.queues[i].decoded)
		}
	}
	return sum
}

// noted adds what shards have noted about frames.
func (k *state) noted(notes []frameNotes) {
	if k == nil {
		return
	}
	for file := range notes {
		n := &notes[file]
		if n.frames == 0 {
			continue
		}
		c := k.capture(file)
		if c.frames == 0 {
			c.first, c.last = n.first, n.last
			c.frames = 1 // no frame is in the print of an interface, which goes by its name
		}
		c.first, c.last = min(c.first, n.first), max(c.last, n.last)
		for reason, times := range n.undecoded {
			c.undecoded[reason] += times
		}
		c.notIP += n.notIP
	}
}
