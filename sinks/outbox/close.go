package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"wormscope/internal/plural"
)

// Drain waits until every sink has everything that was appended, or ctx ends;
// then it returns ctx's error. progress, which may be nil, is called a few times
// a second.
func (b *Outbox) Drain(ctx context.Context, progress func(Stats)) error {
	b.mu.Lock()
	target := b.position
	for !b.delivered(target) {
		if ctx.Err() != nil {
			b.mu.Unlock()
			return ctx.Err()
		}
		b.await(ctx.Done(), progressEvery)
		if progress != nil {
			b.mu.Unlock()
			progress(b.Stats())
			b.mu.Lock()
		}
	}
	b.mu.Unlock()
	return nil
}

const progressEvery = 200 * time.Millisecond

// delivered reports whether every sink is done with all events up to a position,
// durable or not. It is called with b.mu held.
func (b *Outbox) delivered(position uint64) bool {
	for _, s := range b.shippers {
		if s.cursor < position {
			return false
		}
	}
	return true
}

// done returns the sink's cursor.
func (s *shipper) done() uint64 {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	return s.cursor
}

// settle gives the sinks some time to deliver the events that could not be made
// durable, and counts those that they still lack then as lost.
func (b *Outbox) settle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.opts.closeTimeout)
	defer cancel()
	for !b.delivered(b.position) && ctx.Err() == nil {
		b.await(ctx.Done(), 0)
	}
	lost := b.stats.Lost
	for i := range b.queue {
		if lacking, _ := b.lacking(&b.queue[i]); lacking != 0 {
			b.lose(b.queue[i].position, lacking)
		}
	}
	b.stats.Unsaved = b.stats.Lost - lost
	b.queue = nil
}

// Close makes what was appended durable, ends the deliveries and closes the sinks. A
// sink that hangs is abandoned after a few seconds, and a disk that does after half a
// minute. Events that were not delivered stay in the folder; without a folder they are
// lost. An error says how many events could not be made durable, nor delivered within a
// few seconds.
func (b *Outbox) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	close(b.closing)
	b.wake()
	started := b.started
	b.mu.Unlock()
	if !started {
		return nil
	}
	var errs []error
	hung := b.committed()
	if hung > 0 {
		errs = append(errs, b.abandon(hung))
	} else {
		b.settle()
	}
	b.stop()
	if !within(b.opts.closeTimeout, &b.shipping) {
		b.warn("outbox: a sink hangs and was left")
	}
	var closings sync.WaitGroup
	var mu sync.Mutex
	for _, s := range b.shippers {
		closings.Go(func() {
			if err := s.sink.Close(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("sink %s: %w", s.name, err))
			}
		})
	}
	within(b.opts.closeTimeout, &closings)
	for _, s := range b.shippers {
		if hung == 0 {
			_ = s.note(s.done()) // if it fails, events are delivered again by the next run
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if unsaved := b.Stats().Unsaved; unsaved > 0 && hung == 0 {
		errs = append(errs, fmt.Errorf("outbox: %s not be kept, and not every sink has what was lost", plural.Count(unsaved, "event could", "events could")))
	}
	return errors.Join(errs...)
}

// committed waits until the committer has made everything durable, or given up. Where it
// waits for a disk that hangs, it returns for how long, and nobody waits for that.
func (b *Outbox) committed() (hung time.Duration) {
	done := make(chan struct{})
	go func() {
		b.workers.Wait()
		close(done)
	}()
	ticker := time.NewTicker(min(progressEvery, b.opts.hangTimeout))
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return 0
		case <-ticker.C:
		}
		b.mu.Lock()
		since := b.writing
		b.mu.Unlock()
		if hung = time.Since(since); !since.IsZero() && hung >= b.opts.hangTimeout {
			return hung
		}
	}
}

// abandon gives up what the committer has and what waits for it.
func (b *Outbox) abandon(hung time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.held + len(b.queue)
	b.stats.Lost += uint64(left)    //nolint:gosec // G115: never negative
	b.stats.Unsaved += uint64(left) //nolint:gosec // G115: "
	b.queue = nil
	return fmt.Errorf("outbox: the disk has taken nothing for %v: %s not kept for the sinks", hung.Truncate(time.Second), plural.Count(left, "event is", "events are"))
}

// within waits for a group, and reports whether it was done in time.
func within(limit time.Duration, group *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}
