package outbox

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"wormscope/internal/plural"
	"wormscope/sinks/event"
)

// A segment is a part of the log. Its name is the position of its first record
// at the time it was begun. All fields but first are guarded by Outbox.mu.
type segment struct {
	first   uint64
	last    uint64 // position of the last record; first-1 when there is none
	size    int64  // bytes of whole records
	rewrote int    // how often the file was replaced by one with fewer records
	// records counts them by severity; under 0 are those that no sink wants.
	records [256]int
}

const (
	suffix    = ".log"
	temporary = ".tmp"
)

func (s *segment) name() string { return fmt.Sprintf("%020d%s", s.first, suffix) }

// add counts a record; the size of the segment is the caller's to set.
func (s *segment) add(r *record) {
	s.last = r.position
	s.records[r.severity]++
}

// openLog reads the segments that are there. If the program died while it wrote, the
// incomplete records at the end of the last segment are cut off.
func (b *Outbox) openLog() error {
	names, err := b.medium.list()
	if err != nil {
		return err
	}
	var firsts []uint64
	for _, n := range names {
		if strings.HasSuffix(n, temporary) {
			if err := b.medium.remove(n); err != nil {
				return err
			}
		}
		var first uint64
		if _, err := fmt.Sscanf(n, "%d"+suffix, &first); err == nil && (&segment{first: first}).name() == n {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	for i, first := range firsts {
		s := &segment{first: first, last: first - 1}
		if err := b.count(s, i == len(firsts)-1); err != nil {
			return fmt.Errorf("%s: %w", s.name(), err)
		}
		b.segments = append(b.segments, s)
		b.total += s.size
		b.position = max(b.position, s.last)
	}
	b.durable = b.position
	return nil
}

// count reads through a segment to know what is in it. newest says that it is the
// one to which the program may have been writing when it died.
func (b *Outbox) count(s *segment, newest bool) error {
	f, err := b.medium.open(s.name())
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // what is cut is synced
	size, err := f.Size()
	if err != nil {
		return err
	}
	whole := *s // s as it was after the last complete group
	damaged, err := walk(f, size, func(r *record, end int64) error {
		if r.position <= s.last {
			return fmt.Errorf("at byte %d: position %d comes after %d", end, r.position, s.last)
		}
		s.add(r)
		s.size = end
		if !r.more {
			whole = *s
		}
		return nil
	})
	if err != nil {
		return err
	}
	if damaged > 0 {
		b.stats.Damaged += uint64(damaged)
		b.warn("outbox: %s is damaged in %s: the events there are lost", s.name(), plural.Count(damaged, "place", "places"))
	}
	if newest {
		*s = whole
	}
	cut := size - s.size
	switch {
	case cut == 0:
		return nil
	case newest:
		b.stats.Torn += uint64(cut) //nolint:gosec // G115: never negative
		b.warn("outbox: %d bytes at the end of %s, not whole, are cut off: they were being written when the program died, or are damaged", cut, s.name())
		return errors.Join(f.Truncate(s.size), f.Sync())
	default:
		b.stats.Damaged++
		b.warn("outbox: %d bytes at the end of %s are damaged: the events there are lost", cut, s.name())
		return nil
	}
}

// walk calls visit with each record of a segment and the offset of its end. It
// passes over what is damaged, and counts how often, as long as a whole record
// follows.
func walk(f file, size int64, visit func(r *record, end int64) error) (damaged int, err error) {
	from := scanner{from: f, end: size}
	for {
		r, err := from.whole()
		if errors.Is(err, io.EOF) {
			return from.damaged, nil
		}
		if err == nil {
			err = visit(&r, from.offset)
		}
		if err != nil {
			return from.damaged, err
		}
	}
}

// Recover calls visit with each event after a position, in order. It is to be
// called before Start.
func (b *Outbox) Recover(after uint64, visit func(position uint64, e *event.Event) error) error {
	for _, s := range b.segments {
		if s.last <= after {
			continue
		}
		if err := b.recover(s, after, visit); err != nil {
			return fmt.Errorf("outbox: %s: %w", s.name(), err)
		}
	}
	return nil
}

func (b *Outbox) recover(s *segment, after uint64, visit func(position uint64, e *event.Event) error) error {
	f, err := b.medium.open(s.name())
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	_, err = walk(f, s.size, func(r *record, _ int64) error {
		if r.position <= after {
			return nil
		}
		e, failed := event.Decode(r.event)
		if failed != nil {
			b.warn("outbox: event %d is left out: %v", r.position, failed)
			return nil
		}
		return visit(r.position, &e)
	})
	return err
}

// segmentAfter returns the segment that the first record after a position is
// in, nil where there is none. It is called with b.mu held.
func (b *Outbox) segmentAfter(after uint64) *segment {
	i, _ := slices.BinarySearchFunc(b.segments, after, func(s *segment, p uint64) int {
		if s.last <= p {
			return -1
		}
		return 1
	})
	if i == len(b.segments) {
		return nil
	}
	return b.segments[i]
}

// secured returns the position up to which records are no longer needed: neither by a
// sink, absent ones included, nor by the ledger. It is called with b.mu held.
func (b *Outbox) secured() uint64 {
	if !b.started {
		return 0
	}
	p := b.ledger
	for _, s := range b.shippers {
		p = min(p, s.cursor)
	}
	for _, a := range b.absent {
		p = min(p, a.cursor)
	}
	return p
}

// trim removes the segments that are no longer needed, but never the newest.
func (b *Outbox) trim() {
	b.files.Lock()
	defer b.files.Unlock()
	b.mu.Lock()
	secured := b.secured()
	n := 0
	for n < len(b.segments)-1 && b.segments[n].last <= secured {
		b.total -= b.segments[n].size
		n++
	}
	gone := b.segments[:n]
	b.segments = b.segments[n:]
	if n > 0 {
		b.wake()
	}
	b.mu.Unlock()
	for _, s := range gone {
		if err := b.medium.remove(s.name()); err != nil {
			b.warn("outbox: %v", err)
		}
	}
}

// eventsAfter counts the events after a position that a sink may want.
func (b *Outbox) eventsAfter(position uint64) int {
	b.mu.Lock()
	segments := slices.Clone(b.segments)
	b.mu.Unlock()
	n := 0
	for _, s := range segments {
		switch {
		case s.last <= position:
		case s.first > position:
			for i := range s.records[1:] {
				n += s.records[1+i]
			}
		default:
			n += b.recordsAfter(s, position)
		}
	}
	return n
}

// recordsAfter counts the events of a segment after a position.
func (b *Outbox) recordsAfter(s *segment, position uint64) int {
	f, err := b.medium.open(s.name())
	if err != nil {
		return 0 // the reader will say so
	}
	defer f.Close() //nolint:errcheck // only read
	n := 0
	_, _ = walk(f, s.size, func(r *record, _ int64) error {
		if r.position > position && r.severity > 0 {
			n++
		}
		return nil
	})
	return n
}

// everything is beyond every position.
const everything = math.MaxUint64
