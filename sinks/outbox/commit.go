package outbox

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"wormscope/sinks/event"
)

// commitSize is how many events are made durable at a time: at most so many, and the
// rest of the group that the last is in.
const commitSize = 2048

// A committed is a chunk of events on its way to the disk.
type committed struct {
	entries []entry
	bytes   []byte   // records
	records []record // of the entries that could be encoded; events are part of bytes
}

// commit is the committer: it makes events durable until the outbox is closed, and
// then those that are left, unless the disk takes none.
func (b *Outbox) commit() {
	var c committed
	ticker := time.NewTicker(b.opts.lookEvery)
	defer ticker.Stop()
	for b.takeChunk(&c, ticker.C) {
		c.encode(b)
		if !b.save(&c) {
			break
		}
	}
	if b.active == nil {
		return
	}
	b.look()
	if err := b.active.Close(); err != nil {
		b.warn("outbox: %v", err)
	}
}

// takeChunk waits for events and takes the oldest of the queue, and looks after the
// file meanwhile. It returns false when the queue is empty and the outbox is closed.
func (b *Outbox) takeChunk(c *committed, look <-chan time.Time) bool {
	for {
		b.mu.Lock()
		n, closed := groupsWithin(b.queue, min(commitSize, max(b.opts.maxQueue/4, 1))), b.closed
		if n > 0 {
			c.entries = append(c.entries[:0], b.queue[:n]...)
			b.queue = slices.Delete(b.queue, 0, n)
			b.held = n
		}
		b.mu.Unlock()
		if n > 0 || closed {
			return n > 0
		}
		select {
		case <-b.work:
		case <-b.closing:
		case <-look:
			b.look()
		}
	}
}

// groupsWithin returns how many entries the groups have that are complete within n
// entries; if the first group is longer, how many that one has.
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

// encode makes records of the entries.
func (c *committed) encode(b *Outbox) {
	c.bytes, c.records = c.bytes[:0], c.records[:0]
	var body []byte
	for i := range c.entries {
		e := &c.entries[i]
		encoded, err := e.event.Append(body[:0])
		body = encoded
		if err == nil && len(body) > maxEvent {
			err = fmt.Errorf("%d bytes are too many", len(body))
		}
		if err != nil {
			// A record must stand here all the same: it may be the end of the group.
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
	for _, s := range b.shippers {
		if s.wants(e) {
			bits |= s.bit
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

// save makes a chunk durable and reports whether it is. When the disk takes nothing
// it tries again, until the outbox is closed, and meanwhile shows the sinks what
// waits.
func (b *Outbox) save(c *committed) bool {
	for wait := b.opts.firstRetry; ; wait = min(2*wait, 8*b.opts.firstRetry) {
		last := isClosed(b.closing)
		err := b.write(c.bytes)
		b.saved(err)
		if err == nil {
			b.publish(c)
			return true
		}
		if last {
			b.putBack(c)
			return false
		}
		b.showFor(wait, c)
	}
}

// showFor shows the sinks the events that are not durable, those that come meanwhile
// included, until it is time to try again.
func (b *Outbox) showFor(wait time.Duration, c *committed) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		b.mu.Lock()
		b.show(c.entries)
		b.show(b.queue)
		b.wake()
		b.mu.Unlock()
		select {
		case <-b.work:
		case <-b.closing:
			return
		case <-timer.C:
			return
		}
	}
}

// show lets the sinks deliver events. It is called with b.mu held.
func (b *Outbox) show(list []entry) {
	seen := sort.Search(len(list), func(i int) bool { return list[i].position > b.shown })
	if list = list[seen:]; len(list) == 0 {
		return
	}
	b.tail.add(list, b.durable)
	for _, s := range b.shippers {
		for i := range list {
			if list[i].wanted&s.bit != 0 {
				s.waiting++
			}
		}
	}
	b.shown = list[len(list)-1].position
}

// putBack puts a chunk that could not be saved back into the queue, for Close.
func (b *Outbox) putBack(c *committed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = slices.Concat(c.entries, b.queue)
	b.held = 0
	b.show(b.queue)
	b.wake()
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
		b.warn("outbox: %v: events wait in memory, and go to the sinks from there, until it works again", err)
	case err == nil && was != nil:
		b.warn("outbox: events are kept on the disk again")
	}
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
	if err := b.keepName(); err != nil {
		return err
	}
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

// publish notes that a chunk is durable, and shrinks the outbox if it is beyond its
// bound.
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
	b.held = 0
	b.stats.Appended += uint64(len(c.records))
	b.show(c.entries)
	over := b.total > b.opts.MaxBytes && b.gives() && b.durable >= b.shrinkAt
	b.wake()
	b.mu.Unlock()
	if over {
		b.shrink()
	}
}

// gives reports whether events may be given up at the bound. It is called with b.mu
// held.
func (b *Outbox) gives() bool {
	return b.opts.Wait == 0 || len(b.absent) > 0 || slices.ContainsFunc(b.shippers, func(s *shipper) bool { return s.left })
}
