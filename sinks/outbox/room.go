package outbox

import (
	"slices"
	"time"
)

// patience is how long Append waits for one write to the disk when it need not
// wait for room: the capture's own buffer holds packets for about as long.
const patience = time.Second

// makeRoom sees to it that n more events may wait. It is called with b.mu held.
func (b *Outbox) makeRoom(n int) {
	b.awaitSinks()
	full := func() bool { return len(b.queue)+n > b.opts.maxQueue && len(b.queue) > 0 }
	if len(b.queue) <= b.opts.maxQueue/2 {
		b.slow = false
	}
	for full() && b.failing == nil && !b.stopped() && !b.closed {
		if b.opts.Wait != 0 {
			b.await(b.opts.Stop, 0)
			continue
		}
		left := patience
		if !b.writing.IsZero() {
			left -= time.Since(b.writing)
		}
		if b.slow || left <= 0 {
			break
		}
		b.await(nil, left)
	}
	// Who waits for room would rather have a little too much than lose any: the
	// run ends on a disk that fails.
	if full() && b.opts.Wait == 0 {
		b.slow = true
		b.giveUpQueued()
	}
}

// awaitSinks waits, where that is wanted, until the outbox is below its bound.
// It is called with b.mu held.
func (b *Outbox) awaitSinks() {
	if b.opts.Wait == 0 {
		return
	}
	if b.expected() < b.opts.MaxBytes {
		b.yielding = false
		return
	}
	progress, since := b.progress(), time.Now()
	// What only the ledger holds is no sink's fault, and the ledger is told by
	// whoever waits here.
	for b.expected() >= b.opts.MaxBytes && !b.yielding && b.sinksHold() && !b.stopped() && !b.closed {
		if b.opts.Wait < 0 {
			b.await(b.opts.Stop, 0)
			continue
		}
		b.await(b.opts.Stop, b.opts.Wait)
		if now := b.progress(); now != progress {
			progress, since = now, time.Now()
		}
		b.yielding = time.Since(since) >= b.opts.Wait
	}
}

// expected returns how many bytes there will be when everything that was
// appended is durable.
func (b *Outbox) expected() int64 {
	each := int64(512)
	if b.stats.Appended > 0 {
		each = max(b.written/int64(b.stats.Appended), 1) //nolint:gosec // G115: a count
	}
	return b.total + int64(b.position-b.durable)*each //nolint:gosec // G115: what waits is bounded
}

// stopped reports whether Append should wait no more.
func (b *Outbox) stopped() bool {
	select {
	case <-b.opts.Stop:
		return true
	default:
		return false
	}
}

// sinksHold reports whether a sink is behind the ledger, or, where there is
// none, behind what was appended. Otherwise it is of no use to wait: the newest
// segment stays, however large.
func (b *Outbox) sinksHold() bool {
	last := min(b.ledger, b.position)
	return slices.ContainsFunc(b.shippers, func(s *shipper) bool { return s.cursor < last })
}

// progress grows with each event that a sink is done with.
func (b *Outbox) progress() uint64 {
	var sum uint64
	for _, s := range b.shippers {
		sum += s.cursor
	}
	return sum
}

// giveUpQueued gives up an eighth of the events that wait to be made durable:
// the oldest of the lowest severity. It is called with b.mu held.
func (b *Outbox) giveUpQueued() {
	lowest := b.queue[0].event.Severity()
	for i := range b.queue {
		lowest = min(lowest, b.queue[i].event.Severity())
	}
	left := max(b.opts.maxQueue/8, 1)
	b.queue = slices.DeleteFunc(b.queue, func(e entry) bool {
		if left == 0 || e.event.Severity() != lowest {
			return false
		}
		left--
		b.stats.Lost++
		return true
	})
	// A group may have lost its end.
	if n := len(b.queue); n > 0 {
		b.queue[n-1].more = false
	}
	for i := range b.queue[:max(len(b.queue)-1, 0)] {
		if e, next := &b.queue[i], &b.queue[i+1]; e.more && e.position+1 != next.position {
			e.more = false
		}
	}
	b.warnLost("too many events wait for a disk that takes none")
}
