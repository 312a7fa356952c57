package main

import (
	"errors"
	"io"
	"math"

	"wormscope/capture"
	"wormscope/capture/packet"
)

// A merger puts what shards pass on into the order of time and takes it
// through detection, which one goroutine does: so each scan is counted once
// and whole, whichever rings its flows are in.
type merger struct {
	*shards
	queues []queue // one a ring
	more   bool    // there may be packets to take without waiting
}

// A queue is what waits of one ring.
type queue struct {
	parcels []*parcel
	next    int          // packet of the first parcel
	until   moment       // what is still to come of the ring is not older
	decoded packet.Stats // of all that is taken
	ended   bool         // nothing is to come
}

// mergeSize is how many packets are taken between two looks at anything else.
const mergeSize = 4 * batchSize

func newMerger(s *shards) *merger {
	m := &merger{shards: s, queues: make([]queue, len(s.all))}
	for i := range m.queues {
		m.queues[i].until.time = math.MinInt64
	}
	return m
}

// batch takes what has come through p, and returns io.EOF when all rings have
// ended. It waits for a while if there is nothing.
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

// head is the moment of what comes next in a queue that is not empty. The end of
// a parcel has its place as packets do.
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

// low is the moment before which nothing comes any more from rings but one. With
// empty ones it counts what those that have nothing here may still bring.
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

// emit takes the earliest packets as far as they are the earliest for sure, at
// most a parcel. Where a ring has no parcel left it goes on without knowing:
// packets of others may then come late, by what is in their ring. It returns
// how much was done.
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

// full reports whether a ring has sent all the parcels it has.
func (m *merger) full() bool {
	for i := range m.queues {
		if len(m.queues[i].parcels) == parcels {
			return true
		}
	}
	return false
}

// finish ends the first parcel of a queue, and gives it back.
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

// detect runs the detectors over a packet of a parcel. A panic costs the one
// packet.
func (p *pipeline) detect(pkt *packet.Packet, m *merger) {
	defer func() {
		if r := recover(); r != nil {
			p.panicked(&capture.Frame{File: pkt.File, Number: pkt.Number}, m.all[0].ring, r)
		}
	}()
	p.engine.Packet(pkt)
}

// decodedStats is what was counted in decoding, over all shards.
func (p *pipeline) decodedStats() packet.Stats {
	sum := p.decoder.Stats()
	if p.merger != nil {
		for i := range p.merger.queues {
			sum.Add(p.merger.queues[i].decoded)
		}
	}
	return sum
}

// noted notes frames that were looked at elsewhere.
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
