//go:build libpcap

package libpcap

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"sync/atomic"
	"time"

	"wormscope/capture"
	"wormscope/capture/ring"
)

// Available says whether this build has libpcap.
const Available = true

const (
	// lookEvery is how often an interface that is down is looked for.
	lookEvery = 100 * time.Millisecond
	// askEvery is how often an interface that has no frame is asked for one while
	// others have some, and askFor how long that may take.
	askEvery = 5 * time.Millisecond
	askFor   = time.Millisecond
	// slack is how late libpcap may be with a frame that is due.
	slack = 5 * time.Millisecond
)

// A Source captures from interfaces. Next is used from one goroutine.
type Source struct {
	options    ring.Options
	expression string
	taps       []*tap
	current    *tap // whose frame was delivered last
	hold       time.Duration
	stopped    atomic.Bool
	until      time.Time // when draining ends
	err        error     // what Next returns from now on
}

// Open begins to capture. The options are those of package ring, of which
// BlockSize times Blocks is the size of libpcap's buffer and Fanout must be one.
// expression is a filter in tcpdump's syntax; where it is empty Options.Filter
// counts. To go on after an interface was down, the process must still have the
// privileges that Open needs.
func Open(o ring.Options, expression string) (*Source, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	if o.Fanout > 1 {
		return nil, errors.New("several rings an interface are not to be had through libpcap")
	}
	s := &Source{options: o, expression: expression, hold: 2*o.BlockTimeout + slack}
	for number, name := range o.Interfaces {
		t := &tap{source: s, name: name, number: number}
		s.taps = append(s.taps, t)
		err := t.open()
		if errors.Is(err, errDown) {
			t.state.down.Store(true)
			o.Warn(name, "the interface is down: waiting for it")
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, explain(err, name)), s.Close())
		}
	}
	return s, nil
}

// Next reads the next frame into f, whose Data is libpcap's and valid until
// the next call. It returns capture.ErrIdle when nothing came for
// Options.IdleAfter, and can then be called again; io.EOF after Stop, once
// everything is read that came before. Frames of several interfaces come in the
// order of their times. To that end a frame is kept back, if others have none, for
// twice Options.BlockTimeout and a little.
func (s *Source) Next(f *capture.Frame) error {
	if s.err != nil {
		return s.err
	}
	if s.current != nil {
		s.current.held = false
		s.current = nil
	}
	begin := time.Now()
	for {
		t, err := s.choose()
		if err != nil {
			return err
		}
		if t != nil {
			s.current = t
			*f = t.head
			t.count(f)
			return nil
		}
		if s.stopped.Load() && s.drained() {
			s.Settle()
			s.err = io.EOF
			return s.err
		}
		if !s.waiting() && time.Since(begin) >= s.options.IdleAfter {
			s.Settle()
			return capture.ErrIdle
		}
	}
}

// choose returns the tap whose frame comes next, or nil if that is not known yet.
// Where no tap has a frame it waits a little for one.
func (s *Source) choose() (*tap, error) {
	var best *tap
	safe := int64(math.MaxInt64) // no frame before this time is missing
	alone := len(s.taps) == 1
	for _, t := range s.taps {
		if !t.held && t.ask(alone || !s.waiting()) {
			if err := t.read(); err != nil {
				return nil, err
			}
		}
		switch {
		case t.held && (best == nil || t.head.Time < best.head.Time):
			best = t
		case !t.held && !t.state.down.Load():
			safe = min(safe, t.empty.Add(-s.hold).UnixNano())
		}
	}
	if best == nil || alone || best.head.Time <= safe || time.Since(best.since) > s.hold {
		return best, nil
	}
	return nil, nil
}

// waiting reports whether a frame is kept back.
func (s *Source) waiting() bool {
	for _, t := range s.taps {
		if t.held {
			return true
		}
	}
	return false
}

// drained reports whether all is read that came before Stop.
func (s *Source) drained() bool {
	if s.until.IsZero() {
		s.until = time.Now().Add(s.hold + lookEvery)
	}
	return time.Now().After(s.until) && !s.waiting()
}

// Settle brings the drops that Stats returns up to date. No Next may run meanwhile.
func (s *Source) Settle() {
	for _, t := range s.taps {
		t.harvest()
	}
}

// Name returns the interface that Frame.File stands for.
func (s *Source) Name(file int) string {
	if file < 0 || file >= len(s.taps) {
		return ""
	}
	return s.taps[file].name
}

// Stats returns the counts so far. Drops are brought up to date only every 4096
// frames, and when Next returns capture.ErrIdle or io.EOF. It may be called from
// any goroutine, also after Close. There are no blocks and freezes.
func (s *Source) Stats() ring.Stats {
	stats := ring.Stats{Interfaces: make([]ring.Interface, len(s.taps))}
	for i, t := range s.taps {
		stats.Interfaces[i] = t.stats()
	}
	return stats
}

// Stop ends the capture: Next returns io.EOF once all is read that came
// before. It returns at once, and may be called from any goroutine, more than
// once.
func (s *Source) Stop() { s.stopped.Store(true) }

// Close ends the capture at once: what was not read is lost. No Next may run
// then. It returns fs.ErrClosed from then on.
func (s *Source) Close() error {
	for _, t := range s.taps {
		t.close()
	}
	s.err, s.current = fs.ErrClosed, nil
	return nil
}
