package outbox

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"wormscope/sinks/event"
)

// commitSize is how many events are made durable at a time, at the most but
// for the rest of a group.
const commitSize = 2048

// A committed is a chunk of events on its way to the disk.
type committed struct {
	entries []entry
	bytes   []byte   // records
	records []record // of the entries that could be encoded; events are part of bytes
}

// commit makes events durable until the outbox is closed and all are.
func (b *Outbox) commit() {
	var spare []entry
	var c committed
	for {
		queue, open := b.takeQueue(spare)
		for rest := queue; len(rest) > 0; {
			n := groupsWithin(rest, commitSize)
			c.encode(b, rest[:n])
			b.save(&c)
			rest = rest[n:]
		}
		clear(queue)
		spare = queue[:0]
		if !open {
			if b.active != nil {
				if err := b.active.Close(); err != nil {
					b.warn("outbox: %v", err)
				}
			}
			return
		}
	}
}

// takeQueue waits for events and takes all. It reports whether there may be
// more.
func (b *Outbox) takeQueue(spare []entry) ([]entry, bool) {
	for {
		b.mu.Lock()
		queue, closed := b.queue, b.closed
		if len(queue) > 0 {
			b.queue = spare
			b.wake() // there is room again
		}
		b.mu.Unlock()
		if len(queue) > 0 || closed {
			return queue, !closed
		}
		select {
		case <-b.work:
		case <-b.closing:
		}
	}
}

// groupsWithin returns how many entries make the whole groups within n, or the
// one that is longer.
func groupsWithin(list []entry, n int) int {
	end := 0
	for i := range list {
		if !list[i].more {
			end = i + 1
			if end >= n {
				return end
			}
		}
		if i >= n && end > 0 {
			return end
		}
	}
	return len(list)
}

// encode makes records of entries.
func (c *committed) encode(b *Outbox, list []entry) {
	c.entries, c.bytes, c.records = list, c.bytes[:0], c.records[:0]
	var body []byte
	for i := range list {
		e := &list[i]
		e.wanted = b.wanted(&e.event)
		encoded, err := e.event.Append(body[:0])
		body = encoded
		if err == nil && len(body) > maxEvent {
			err = fmt.Errorf("%d bytes are too many", len(body))
		}
		if err != nil {
			// Something must stand there, or the group would have no end.
			b.unfit(e, err)
			e.wanted, body = 0, append(body[:0], 0)
		}
		r := record{position: e.position, seconds: e.seconds, severity: uint8(e.event.Severity()), more: e.more, event: body}
		if e.wanted == 0 {
			r.severity = 0
		}
		c.bytes = r.append(c.bytes)
		c.records = append(c.records, record{position: r.position, severity: r.severity, event: c.bytes[len(c.bytes)-len(body):]})
	}
}

// wanted returns a bit for each sink that wants an event.
func (b *Outbox) wanted(e *event.Event) uint64 {
	var bits uint64
	for i, s := range b.shippers {
		if s.wants(e) {
			bits |= 1 << i
		}
	}
	return bits
}

// unfit counts an event that can't be written: a mistake of this program.
func (b *Outbox) unfit(e *entry, err error) {
	b.mu.Lock()
	b.stats.Lost++
	b.mu.Unlock()
	b.warn("outbox: event %s can't be kept, please report it: %v", e.event.ID(), err)
}

// save makes a chunk durable and says so. While the disk takes nothing it tries
// again, until the outbox is closed.
func (b *Outbox) save(c *committed) {
	wait := b.opts.firstRetry
	for {
		err := b.write(c.bytes)
		b.saved(err)
		if err == nil {
			break
		}
		select {
		case <-time.After(wait):
		case <-b.closing:
			if err = b.write(c.bytes); err != nil {
				b.lostAtEnd(len(c.entries), err)
				return
			}
		}
		if err == nil {
			b.saved(nil)
			break
		}
		wait = min(2*wait, 8*b.opts.firstRetry)
	}
	b.publish(c)
}

// saved notes whether the disk takes events.
func (b *Outbox) saved(err error) {
	b.mu.Lock()
	was := b.failing
	b.failing = err
	if err != nil {
		b.stats.Errors++
	}
	b.wake()
	b.mu.Unlock()
	switch {
	case err != nil && was == nil:
		b.warn("outbox: %v: events wait in memory until it works again", err)
	case err == nil && was != nil:
		b.warn("outbox: events are kept on the disk again")
	}
}

func (b *Outbox) lostAtEnd(events int, err error) {
	n := uint64(events) //nolint:gosec // G115: a count
	b.mu.Lock()
	b.stats.Lost += n
	b.stats.Unsaved += n
	b.mu.Unlock()
	b.warn("outbox: %v: %d events could not be kept", err, events)
}

// write appends bytes to the newest segment and waits until they are on the
// disk. After a failure the segment is as it was, or no longer written to.
func (b *Outbox) write(bytes []byte) error {
	b.setWriting(time.Now())
	defer b.setWriting(time.Time{})
	if err := b.makeActive(int64(len(bytes))); err != nil {
		return err
	}
	_, err := b.active.Write(bytes)
	if err == nil {
		err = b.active.Sync()
	}
	if err == nil {
		return nil
	}
	// After a sync that failed nobody knows what is on the disk.
	b.mu.Lock()
	size := b.segments[len(b.segments)-1].size
	b.mu.Unlock()
	err = errors.Join(err, b.active.Truncate(size), b.active.Close())
	b.active = nil
	return errors.New(oneLine(err))
}

func (b *Outbox) setWriting(since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writing = since
}

// oneLine puts an error of several lines on one.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// makeActive opens the newest segment, or begins a new one where there is none
// that takes so many bytes more.
func (b *Outbox) makeActive(more int64) error {
	b.mu.Lock()
	var newest *segment
	if n := len(b.segments); n > 0 {
		newest = b.segments[n-1]
	}
	first := b.durable + 1
	b.mu.Unlock()
	if newest != nil && (newest.size == 0 || newest.size+more <= b.opts.segmentSize) && newest.first <= first {
		if b.active != nil {
			return nil
		}
		return b.reopen(newest)
	}
	if b.active != nil {
		if err := b.active.Close(); err != nil {
			return err
		}
		b.active = nil
	}
	return b.begin(first)
}

// reopen opens a segment that ends where it is known to end.
func (b *Outbox) reopen(s *segment) error {
	f, err := b.medium.open(s.name())
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil && size > s.size {
		err = f.Truncate(s.size)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	b.active = f
	return nil
}

// begin begins a segment.
func (b *Outbox) begin(first uint64) error {
	s := &segment{first: first, last: first - 1}
	f, err := b.medium.create(s.name())
	if err != nil {
		return err
	}
	b.active = f
	b.mu.Lock()
	b.segments = append(b.segments, s)
	b.mu.Unlock()
	return nil
}

// publish says that a chunk is durable, and sees to the bound.
func (b *Outbox) publish(c *committed) {
	b.mu.Lock()
	newest := b.segments[len(b.segments)-1]
	for i := range c.records {
		newest.add(&c.records[i])
	}
	newest.size += int64(len(c.bytes))
	b.total += int64(len(c.bytes))
	b.written += int64(len(c.bytes))
	b.durable = c.entries[len(c.entries)-1].position
	b.stats.Appended += uint64(len(c.records))
	b.tail.add(c.entries)
	for i, s := range b.shippers {
		for j := range c.entries {
			if c.entries[j].wanted&(1<<i) != 0 {
				s.waiting++
			}
		}
	}
	over := b.total > b.opts.MaxBytes && (b.opts.Wait == 0 || b.yielding) && b.durable >= b.shrinkAt
	b.wake()
	b.mu.Unlock()
	if over {
		b.shrink()
	}
}
