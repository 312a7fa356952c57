package outbox

import (
	"math"
	"slices"
	"strings"
	"time"

	"wormscope/detect/alert"
)

// patience is how long Append waits for a slow write to the disk if Options.Wait
// does not make it wait longer: the capture's own buffer lasts for about as long.
const patience = time.Second

// makeRoom makes room in the queue for n more events. It is called with b.mu held.
func (b *Outbox) makeRoom(n int) {
	b.awaitSinks()
	full := func() bool { return len(b.queue)+b.held+n > b.opts.maxQueue && len(b.queue) > 0 }
	if len(b.queue)+b.held <= b.opts.maxQueue/2 {
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
	// With Options.Wait, the queue may rather grow beyond its bound than lose
	// events: a run that waits ends when the disk fails.
	if full() && b.opts.Wait == 0 {
		b.slow = true
		b.giveUpQueued()
	}
}

// awaitSinks waits, if Options.Wait says so, until the outbox is below its bound, or
// until no sink is left that is worth waiting for. It is called with b.mu held.
func (b *Outbox) awaitSinks() {
	if b.opts.Wait == 0 {
		return
	}
	began := time.Now()
	told := began
	for b.kept() >= b.opts.MaxBytes && !b.stopped() && !b.closed {
		holders := b.holders()
		if len(holders) == 0 {
			return
		}
		most := b.opts.tellEvery
		if b.opts.Wait > 0 {
			most = min(most, b.opts.Wait)
		}
		b.await(b.opts.Stop, most)
		now := time.Now()
		b.leave(holders, began, now)
		if now.Sub(told) >= b.opts.tellEvery {
			told = now
			b.sayHeld(holders, now.Sub(began))
		}
	}
}

// holders returns the sinks that are worth waiting for: those that are behind the
// ledger or, without a ledger, behind what was appended. If only the ledger is
// behind, waiting is useless, since it is the caller of Append who brings that up to
// date. It is called with b.mu held.
func (b *Outbox) holders() []*shipper {
	last := min(b.ledger, b.position)
	var list []*shipper
	for _, s := range b.shippers {
		if !s.left && s.cursor < last {
			list = append(list, s)
		}
	}
	return list
}

// leave gives up waiting for sinks that have made no progress for Options.Wait since
// Append began to wait for them. It is called with b.mu held.
func (b *Outbox) leave(holders []*shipper, began, now time.Time) {
	for _, s := range holders {
		since := began
		if s.moved.After(since) {
			since = s.moved
		}
		if b.opts.Wait > 0 && now.Sub(since) >= b.opts.Wait {
			s.left = true
			b.unlocked(func() {
				b.warn("outbox: it is full at %d MiB, and sink %s has taken nothing for %s: what it lacks is given up, the oldest of the lowest severity first, until it takes some",
					b.opts.MaxBytes>>20, s.name, now.Sub(since).Round(time.Second))
			})
		}
	}
}

// sayHeld says what Append waits for. It is called with b.mu held.
func (b *Outbox) sayHeld(holders []*shipper, waited time.Duration) {
	names := make([]string, 0, len(holders))
	for _, s := range holders {
		names = append(names, s.name)
	}
	b.unlocked(func() {
		b.warn("outbox: it is full at %d MiB: reading has waited for %s for sink %s", b.opts.MaxBytes>>20, waited.Round(time.Second), strings.Join(names, ", "))
	})
}

// unlocked does something without b.mu, which is held.
func (b *Outbox) unlocked(do func()) {
	b.mu.Unlock()
	defer b.mu.Lock()
	do()
}

// kept returns how many bytes there will be when everything that was appended is
// durable, except segments that are kept only for sinks for which nobody waits. It is
// called with b.mu held.
func (b *Outbox) kept() int64 {
	each := int64(512)
	if b.stats.Appended > 0 {
		each = max(b.written/int64(b.stats.Appended), 1) //nolint:gosec // G115: a count
	}
	size := b.total + int64(len(b.queue)+b.held)*each
	needed := b.ledger
	for _, s := range b.shippers {
		if !s.left {
			needed = min(needed, s.cursor)
		}
	}
	for _, s := range b.segments { // nearly always the first is needed
		if s.last > needed {
			break
		}
		size -= s.size
	}
	return size
}

// stopped reports whether Append should stop waiting.
func (b *Outbox) stopped() bool { return isClosed(b.opts.Stop) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// giveUpQueued takes up to an eighth of maxQueue events out of the queue: first those
// that every sink has; if these are not enough, the oldest of the lowest severity
// that no sink is taking, which are lost. It is called with b.mu held.
func (b *Outbox) giveUpQueued() {
	left := max(b.opts.maxQueue/8, 1)
	left -= b.unqueue(left, func(e *entry) bool { lacking, _ := b.lacking(e); return lacking == 0 })
	if left > 0 {
		b.loseQueued(left)
	}
	// Where a group has lost its end, the event before that is the end now.
	if n := len(b.queue); n > 0 {
		b.queue[n-1].more = false
	}
	for i := range b.queue[:max(len(b.queue)-1, 0)] {
		if e, next := &b.queue[i], &b.queue[i+1]; e.more && e.position+1 != next.position {
			e.more = false
		}
	}
}

// loseQueued gives up n queued events at most. It is called with b.mu held.
func (b *Outbox) loseQueued(n int) {
	lowest := alert.Severity(math.MaxUint8)
	for i := range b.queue {
		lowest = min(lowest, b.queue[i].event.Severity())
	}
	given := make(map[uint64]uint64)
	b.unqueue(n, func(e *entry) bool {
		if e.event.Severity() != lowest {
			return false
		}
		lacking, taking := b.lacking(e)
		if taking {
			return false
		}
		given[e.position] = lacking
		return true
	})
	b.giveUp(given, "too many events wait for a disk that takes none")
}

// unqueue takes up to n events out of the queue. It is called with b.mu held.
func (b *Outbox) unqueue(n int, out func(e *entry) bool) int {
	left := n
	b.queue = slices.DeleteFunc(b.queue, func(e entry) bool {
		if left == 0 || !out(&e) {
			return false
		}
		left--
		return true
	})
	return n - left
}

// lacking returns the bits of the sinks that want an event and do not have it, and
// whether one of them is just taking it. It is called with b.mu held.
func (b *Outbox) lacking(e *entry) (bits uint64, taking bool) {
	for _, s := range b.shippers {
		if e.wanted&s.bit != 0 && s.cursor < e.position {
			bits |= s.bit
			taking = taking || s.taken >= e.position
		}
	}
	return bits, taking
}

// giveUp counts events as lost, and warns. given has the bits of the sinks that lose
// an event, by the event's position. It is called with b.mu held.
func (b *Outbox) giveUp(given map[uint64]uint64, why string) {
	if len(given) == 0 {
		return
	}
	for position, losers := range given {
		b.lose(position, losers)
	}
	b.tail.forget(given)
	b.warnLost(why)
}

// lose counts an event as lost for the sinks whose bits are given. If it was shown
// to them, it was counted as waiting before. It is called with b.mu held.
func (b *Outbox) lose(position, losers uint64) {
	b.stats.Lost++
	for _, s := range b.shippers {
		if losers&s.bit == 0 {
			continue
		}
		s.stats.Lost++
		if position <= b.shown {
			s.waiting = max(s.waiting-1, 0)
		}
	}
}
