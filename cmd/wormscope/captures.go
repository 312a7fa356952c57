package main

import (
	"context"
	"errors"
	"io"
	"time"

	"wormscope/capture"
)

const (
	// pipeIdle is how long a run waits for a frame before it sees to all else.
	pipeIdle = 500 * time.Millisecond
	// pipeGrace is how long a pipe is read on after a signal: who writes to it was
	// mostly interrupted, too, and hands over what it still has.
	pipeGrace = time.Second
)

// captures are what a replay reads, and until when.
type captures struct {
	*capture.Reader
	until context.Context // when to stop reading
	stop  func()          // stops now
}

// openCaptures opens what a replay reads, until a signal ends ctx.
func openCaptures(ctx context.Context, paths []string, stdin io.Reader) (*captures, error) {
	late, stop := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(pipeGrace, stop) })
	r, err := capture.OpenUntil(late, paths, stdin)
	if err != nil {
		err = orStopped(late, err)
		stop()
		return nil, err
	}
	c := &captures{Reader: r, until: ctx, stop: stop}
	if c.piped() {
		c.until = late
	}
	return c, nil
}

// orStopped returns err, or errStopped where it says that what keeps one waiting
// is read no more.
func orStopped(until context.Context, err error) error {
	if until.Err() != nil && errors.Is(err, context.Cause(until)) {
		return errStopped
	}
	return err
}

// piped reports whether one of the captures keeps the run waiting when it likes.
func (c *captures) piped() bool { return c.Size() == 0 }

// A pipe is captures of which one at least is piped. While nothing comes, the run
// sees to signals, and keeps what it found.
type pipe struct {
	*capture.Reader
	tick  <-chan time.Time // when to see to all else
	asked bool             // for a frame that has not come yet
	came  chan error       // says that it has, or why there is none,
	frame capture.Frame    // and this is it
}

// newPipe makes a pipe of captures.
func newPipe(r *capture.Reader, tick <-chan time.Time) *pipe {
	return &pipe{Reader: r, tick: tick, came: make(chan error, 1)}
}

// Next implements source. Whoever waits is told capture.ErrIdle at each tick.
func (p *pipe) Next(f *capture.Frame) error {
	if !p.asked {
		p.asked = true
		go func() { p.came <- p.Reader.Next(&p.frame) }()
	}
	select {
	case err := <-p.came:
		p.asked = false
		*f = p.frame
		return err
	case <-p.tick:
		return capture.ErrIdle
	}
}

// More implements runSource.
func (p *pipe) More(run *capture.Run, most int) int {
	run.N = 0
	if p.asked {
		return 0
	}
	return p.Reader.More(run, most)
}

// settle waits until nothing is asked for, when the captures are read no more.
func (p *pipe) settle() {
	for p.asked {
		_ = p.Next(&p.frame) // what was read last, or that reading ended
	}
}
