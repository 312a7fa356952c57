package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"wormscope/internal/plural"
	"wormscope/sinks"
	"wormscope/sinks/event"
)

// A shipper delivers events to one sink, in order, and again until they have
// arrived.
type shipper struct {
	box      *Outbox
	name     string
	sink     sinks.Sink
	wantsToo func(e *event.Event) bool
	bit      uint64
	opened   uint64 // position when the outbox was started
	dead     deadLetters
	unnoted  error // why the cursor could not be written the last time

	// Guarded by Outbox.mu.
	cursor  uint64    // up to which everything has arrived
	noted   bool      // the cursor was written in this run
	notedAt uint64    // the position that was written
	moved   time.Time // when the cursor moved last
	left    bool      // Append does not wait for it until the cursor moves again
	taken   uint64    // up to which everything has arrived or is in memory
	waiting int       // events that the sink wants and does not have
	stats   SinkStats
}

func (b *Outbox) newShipper(r Receiver) (*shipper, error) {
	cursor, err := b.readCursor(r.Name)
	if err != nil {
		return nil, err
	}
	return &shipper{
		box: b, name: r.Name, sink: r.Sink, wantsToo: r.Wants, bit: 1 << len(b.shippers),
		cursor: cursor, taken: cursor, dead: b.deadLetters(r.Name),
	}, nil
}

// wants reports whether the sink should have an event. If the sink panics, it gets
// the event: the panic then counts as a failed delivery, and is reported.
func (s *shipper) wants(e *event.Event) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = true
		}
	}()
	return (s.wantsToo == nil || s.wantsToo(e)) && s.sink.Wants(e)
}

// run delivers until ctx ends.
func (s *shipper) run(ctx context.Context) {
	ahead := make(chan batch) // one batch is read while another is delivered
	go s.read(ctx, ahead)
	for got := range ahead {
		if s.deliver(ctx, &got) != nil {
			break
		}
	}
	for range ahead { // what was read ahead is read again in the next run
	}
}

// read reads batches until ctx ends.
func (s *shipper) read(ctx context.Context, into chan<- batch) {
	defer close(into)
	r := reader{box: s.box, shipper: s, at: s.cursor}
	defer r.drop()
	for attempt := 0; ctx.Err() == nil; {
		got, err := r.next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.failed(err)
				s.sleep(ctx, attempt)
				attempt++
			}
			continue
		}
		attempt = 0
		select {
		case into <- got:
		case <-ctx.Done():
		}
	}
}

// deliver delivers a batch, however long it takes. It fails only when ctx ends.
func (s *shipper) deliver(ctx context.Context, got *batch) error {
	s.begin(got)
	var refused []sinks.Refusal
	for attempt := 0; len(got.events) > 0; attempt++ {
		var err error
		if refused, err = s.try(ctx, got.events); err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.failed(err)
		if !s.sleep(ctx, attempt) {
			return ctx.Err()
		}
		s.repeats(len(got.events))
	}
	for _, b := range got.bad {
		refused = append(refused, sinks.Refusal{Body: b, Err: errors.New("the outbox holds no event that this version can read")})
	}
	for attempt := 0; len(refused) > 0; attempt++ {
		err := s.dead.write(s.name, refused)
		if err == nil {
			break
		}
		s.failed(err)
		if !s.sleep(ctx, attempt) {
			return ctx.Err()
		}
	}
	s.arrived(got, len(refused))
	return nil
}

// try hands a batch to the sink once. A sink that panics has failed.
func (s *shipper) try(ctx context.Context, events []event.Event) (refused []sinks.Refusal, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a mistake in the sink, please report it: %v at %s", r, debug.Stack())
		}
	}()
	return s.sink.Deliver(ctx, events)
}

// sleep waits longer after each attempt, up to a minute, but never equally
// long, so that many sensors do not come back at once. It reports whether to
// go on.
func (s *shipper) sleep(ctx context.Context, attempt int) bool {
	first := s.box.opts.firstRetry
	most := min(first<<min(attempt, 10), lastRetry)
	wait := most/2 + rand.N(most/2+1) //nolint:gosec // G404: nobody gains by guessing it
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// begin notes that a batch is being delivered.
func (s *shipper) begin(got *batch) {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.stats.Oldest = got.oldest
}

// failed notes why a sink does not get on.
func (s *shipper) failed(err error) {
	text := oneLine(err)
	b := s.box
	b.mu.Lock()
	s.stats.Retries++
	said := s.stats.Error
	if said == "" {
		s.stats.Since = time.Now()
	}
	s.stats.Error = text
	waiting := s.waiting
	b.mu.Unlock()
	if text != said {
		b.warn("sink %s: %s: %s, tried again until it works", s.name, text, plural.Count(waiting, "event waits", "events wait"))
	}
}

func (s *shipper) repeats(events int) {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.stats.Repeated += uint64(events) //nolint:gosec // G115: a count
}

// arrived moves the cursor behind a batch.
func (s *shipper) arrived(got *batch, refused int) {
	b := s.box
	s.noteAndSay(got.upTo)
	b.mu.Lock()
	s.cursor = max(s.cursor, got.upTo)
	s.moved, s.left = time.Now(), false
	done := len(got.events) + len(got.bad)
	s.waiting = max(s.waiting-done-got.passed, 0)
	s.stats.Delivered += uint64(done - refused) //nolint:gosec // G115: a count
	s.stats.Refused += uint64(refused)          //nolint:gosec // G115: a count
	s.stats.Oldest = time.Time{}
	was, since, waiting := s.stats.Error, s.stats.Since, s.waiting
	s.stats.Error, s.stats.Since = "", time.Time{}
	b.wake()
	b.mu.Unlock()
	if was != "" {
		b.warn("sink %s: works again after %s, %s", s.name, time.Since(since).Round(time.Second), plural.Count(waiting, "event waits", "events wait"))
	}
	if refused > 0 {
		b.warn("sink %s: %s never be taken: %s", s.name, plural.Count(refused, "event will", "events will"), s.dead.where())
	}
	b.trim()
}

// note writes the cursor: the sink is done up to a position. It never writes one
// beyond what is durable, since after a crash new events get these positions.
func (s *shipper) note(position uint64) error {
	b := s.box
	b.mu.Lock()
	position = min(position, b.durable)
	done := s.noted && position <= s.notedAt
	b.mu.Unlock()
	if done {
		return nil
	}
	if err := b.writeCursor(s.name, position); err != nil {
		return err
	}
	b.mu.Lock()
	s.noted, s.notedAt = true, position
	b.mu.Unlock()
	return nil
}

// noteAndSay notes a position, and warns when that begins to fail. Deliveries go on
// all the same.
func (s *shipper) noteAndSay(position uint64) {
	err := s.note(position)
	if err != nil && s.unnoted == nil {
		s.box.warn("sink %s: after a restart it gets events again: %s", s.name, oneLine(err))
	}
	s.unnoted = err
}
