package outbox

import (
	"errors"
	"fmt"
	"time"

	"wormscope/internal/plural"
	"wormscope/sinks/event"
)

// shrink makes the outbox smaller than its bound again. First goes what every sink
// has, oldest first, even if absent sinks lack it; then what no sink wants; then,
// severity by severity from the lowest, the oldest events that some sink lacks. What
// the ledger has not taken stays, and so does what is being delivered. Only the
// committer may call it, since that writes to the newest segment.
func (b *Outbox) shrink() {
	b.dismiss()
	b.trim()
	b.shrinkAt = b.durable + tailSize              // if nothing can go, do not try again at once
	target := b.opts.MaxBytes - b.opts.MaxBytes/16 // below the bound, so that not each event shrinks it again
	for severity := range 256 {
		spared := false
		for _, s := range b.holding(uint8(severity)) {
			if b.size() <= b.opts.MaxBytes && severity == 0 || b.size() <= target {
				return
			}
			p := b.newPurge(s, uint8(severity), b.size()-target)
			if err := b.rewrite(s, p); err != nil {
				b.warn("outbox: can't be made smaller: %v", err)
				return
			}
			spared = spared || p.soon
		}
		if spared { // events that can go in a moment: wait for that rather than lose more severe ones
			b.shrinkAt = b.durable + batchEvents
			return
		}
	}
	b.leaveLedger()
}

// leaveLedger stops keeping events for a ledger that takes nothing. One that makes
// progress never lags by maxLag.
func (b *Outbox) leaveLedger() {
	b.mu.Lock()
	stuck := b.ledger < b.durable && b.total > b.opts.MaxBytes+b.opts.maxLag
	if stuck {
		b.ledger, b.shrinkAt = b.durable, 0
	}
	b.mu.Unlock()
	if stuck {
		b.warn("outbox: it is full at %d MiB, and the state takes nothing: what it has not taken is kept no longer, and is missing there after a crash", b.opts.MaxBytes>>20)
	}
}

// size returns how many bytes all segments take.
func (b *Outbox) size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
}

// holding returns the segments that hold records of a severity, oldest first.
func (b *Outbox) holding(severity uint8) []*segment {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []*segment
	for _, s := range b.segments {
		if s.records[severity] > 0 {
			list = append(list, s)
		}
	}
	return list
}

// A purge decides which records of a segment stay. It collects these, and what is
// given up.
type purge struct {
	box      *Outbox
	severity uint8
	excess   int64 // bytes that are still to go
	secured  uint64
	ledger   uint64
	spared   [][2]uint64 // for each sink, the positions after which and up to which it is delivering, or will be in a moment

	kept  segment
	bytes []byte
	gone  bool              // at least one record is left out
	soon  bool              // at least one more could be, as soon as a sink has it
	given map[uint64]uint64 // the bits of the sinks that lose an event, by its position
}

// rewrite replaces a segment by one without the records that the purge p lets go:
// those that are no longer needed, and the oldest of a severity.
func (b *Outbox) rewrite(s *segment, p *purge) error {
	f, err := b.medium.open(s.name())
	if err != nil {
		return err
	}
	_, err = walk(f, s.size, p.visit)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if !p.gone {
		return nil
	}
	return b.replace(s, p)
}

func (b *Outbox) newPurge(s *segment, severity uint8, excess int64) *purge {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &purge{
		box: b, severity: severity, excess: excess, secured: b.secured(), ledger: b.ledger,
		kept:  segment{first: s.first, last: s.first - 1, rewrote: s.rewrote + 1},
		given: make(map[uint64]uint64),
	}
	for _, sh := range b.shippers {
		until := sh.taken
		keepsUp := until >= b.tail.from && !sh.left // it reads what is in memory soon
		if keepsUp || b.opts.Wait != 0 && !sh.left {
			until = everything
		}
		p.spared = append(p.spared, [2]uint64{sh.cursor, until})
	}
	return p
}

// visit keeps a record or lets it go.
func (p *purge) visit(r *record, _ int64) error {
	if r.position > p.secured && (r.position > p.ledger || r.severity != p.severity || p.excess <= 0 || p.onItsWay(r.position)) {
		p.bytes = r.append(p.bytes)
		p.kept.add(r)
		return nil
	}
	p.excess -= int64(headSize + len(r.event))
	p.gone = true
	if r.position <= p.secured || r.severity == 0 {
		return nil
	}
	e, err := event.Decode(r.event)
	if err != nil {
		return nil //nolint:nilerr // nobody would have taken it
	}
	var losers uint64
	for i, s := range p.box.shippers {
		if r.position > p.spared[i][1] && s.wants(&e) {
			losers |= s.bit
		}
	}
	if losers != 0 {
		p.given[r.position] = losers
	}
	return nil
}

// onItsWay reports whether a sink is delivering the record, or will have it in a
// moment.
func (p *purge) onItsWay(position uint64) bool {
	for _, s := range p.spared {
		if s[0] < position && position <= s[1] {
			p.soon = p.soon || s[1] == everything
			return true
		}
	}
	return false
}

// replace replaces a segment by what is left of it.
func (b *Outbox) replace(s *segment, p *purge) error {
	name := s.name()
	f, err := b.medium.create(name + temporary)
	if err != nil {
		return err
	}
	_, err = f.Write(p.bytes)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, b.medium.remove(name+temporary))
	}
	b.files.Lock()
	defer b.files.Unlock()
	b.mu.Lock()
	newest := b.segments[len(b.segments)-1] == s
	b.mu.Unlock()
	if newest && b.active != nil {
		err = b.active.Close()
		b.active = nil
	}
	if err = errors.Join(err, b.medium.rename(name+temporary, name)); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shrinkAt = 0
	b.total += int64(len(p.bytes)) - s.size
	p.kept.size = int64(len(p.bytes))
	p.kept.last = s.last // even if that record is gone: readers look for it here, and go on behind it
	*s = p.kept
	b.giveUp(p.given, fmt.Sprintf("it is full at %d MiB", b.opts.MaxBytes>>20))
	return nil
}

// warnLost warns of events that were given up, once a minute at most. It is
// called with b.mu held.
func (b *Outbox) warnLost(why string) {
	if now := time.Now(); now.Sub(b.stats.lostWarned) > time.Minute {
		b.stats.lostWarned = now
		lost := b.stats.Lost
		go b.warn("outbox: %s: %s given up so far, the oldest of the lowest severity first", why, plural.Count(lost, "event was", "events were"))
	}
}
