package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"wormscope/sinks/event"
)

// A batch is what a sink is handed at a time.
type batch struct {
	events []event.Event
	upTo   uint64    // the sink's cursor once the batch is delivered
	oldest time.Time // when the first of it was appended
	bytes  int64     // as encoded; 0 where that is not known
	passed int       // events of earlier runs that were counted as waiting, but are not wanted
	bad    [][]byte  // records that are not events, from the disk
}

// The bounds of a batch. Kafka is some ten times as fast with thousands of
// messages at a time as with a hundred.
const (
	batchEvents = 2048
	batchBytes  = 2 << 20
)

// A reader reads the log for one sink.
type reader struct {
	box     *Outbox
	shipper *shipper
	at      uint64 // up to which was read
	segment *segment
	rewrote int // segment.rewrote when its file was opened
	file    file
	from    scanner
}

// next waits for events and returns the next batch.
func (r *reader) next(ctx context.Context) (batch, error) {
	for {
		got, err := r.read(ctx)
		if err != nil || got.upTo > 0 {
			return got, err
		}
	}
}

// read returns the next batch. If upTo of that is 0, it has to be called again.
func (r *reader) read(ctx context.Context) (batch, error) {
	b := r.box
	b.mu.Lock()
	for b.shown <= r.at {
		if ctx.Err() != nil {
			b.mu.Unlock()
			return batch{}, ctx.Err()
		}
		b.await(ctx.Done(), 0)
	}
	if entries, ok := b.tail.after(r.at, batchEvents); ok {
		got := r.fromTail(entries)
		b.mu.Unlock()
		r.drop()
		return got, ctx.Err()
	}
	b.mu.Unlock()
	if ctx.Err() != nil {
		return batch{}, ctx.Err()
	}
	return r.fromDisk()
}

// fromTail makes a batch of events in memory. It is called with the lock held.
func (r *reader) fromTail(entries []entry) batch {
	got := batch{events: make([]event.Event, 0, len(entries))}
	for i := range entries {
		e := &entries[i]
		if e.wanted&r.shipper.bit == 0 {
			continue
		}
		if len(got.events) == 0 {
			got.oldest = time.Unix(int64(e.seconds), 0)
		}
		got.events = append(got.events, e.event)
	}
	if len(entries) > 0 {
		r.at = entries[len(entries)-1].position
	} else {
		r.at = r.box.shown // the events between were given up
	}
	r.taken(&got)
	return got
}

// taken notes that everything that was read is in memory, to be delivered from
// there. It is called with the lock held.
func (r *reader) taken(got *batch) {
	got.upTo = r.at
	r.shipper.taken = r.at
}

// fromDisk makes a batch of records on the disk.
func (r *reader) fromDisk() (batch, error) {
	size, durable, err := r.locate()
	if err != nil {
		return batch{}, err
	}
	if r.segment == nil { // what came after was given up
		return r.skipTo(durable), nil
	}
	r.from.end = size
	var got batch
	at := r.at
	for len(got.events) < batchEvents && got.bytes < batchBytes {
		found, err := r.from.whole()
		if errors.Is(err, io.EOF) {
			at = max(at, r.segmentEnd())
			r.drop()
			break
		}
		if err != nil {
			r.drop()
			return batch{}, fmt.Errorf("outbox: %w", err)
		}
		if found.position > at {
			at = found.position
			r.take(&got, &found)
		}
	}
	r.at = at
	r.box.mu.Lock()
	r.taken(&got)
	r.box.mu.Unlock()
	return got, nil
}

// take adds a record to a batch if the sink wants it.
func (r *reader) take(got *batch, found *record) {
	if found.severity == 0 {
		return
	}
	e, err := event.Decode(found.event)
	switch {
	case err != nil:
		got.bad = append(got.bad, append([]byte(nil), found.event...))
	case r.shipper.wants(&e):
		got.events = append(got.events, e)
		got.bytes += int64(len(found.event))
	case found.position <= r.shipper.opened:
		got.passed++
		return
	default:
		return
	}
	if got.oldest.IsZero() {
		got.oldest = time.Unix(int64(found.seconds), 0)
	}
}

// skipTo returns an empty batch that moves the cursor to a position.
func (r *reader) skipTo(position uint64) batch {
	r.at = position
	r.box.mu.Lock()
	defer r.box.mu.Unlock()
	got := batch{}
	r.taken(&got)
	return got
}

// segmentEnd returns the last position of the segment as it is now, or where
// the reader is when the segment has grown or was replaced meanwhile.
func (r *reader) segmentEnd() uint64 {
	r.box.mu.Lock()
	defer r.box.mu.Unlock()
	if r.segment.rewrote != r.rewrote || r.segment.size > r.from.end {
		return 0
	}
	return r.segment.last
}

// locate opens the segment that the next record is in, unless it is open already,
// and returns its size. If there is no such segment, r.segment is nil afterwards,
// and there is nothing to read up to the position durable.
func (r *reader) locate() (size int64, durable uint64, err error) {
	b := r.box
	b.files.RLock()
	defer b.files.RUnlock()
	b.mu.Lock()
	s := b.segmentAfter(r.at)
	durable = b.durable
	rewrote := 0
	if s != nil {
		size, rewrote = s.size, s.rewrote
	}
	b.mu.Unlock()
	if s != nil && s == r.segment && rewrote == r.rewrote {
		return size, durable, nil
	}
	r.drop()
	if s == nil {
		return 0, durable, nil
	}
	f, err := b.medium.open(s.name())
	if err != nil {
		return 0, 0, fmt.Errorf("outbox: %w", err)
	}
	r.segment, r.rewrote, r.file = s, rewrote, f
	r.from = scanner{from: f, buf: r.from.buf[:0]}
	return size, durable, nil
}

// drop closes the segment.
func (r *reader) drop() {
	if r.file != nil {
		_ = r.file.Close() // only read
	}
	r.segment, r.file = nil, nil
}
