package main

import (
	"context"
	"errors"
	"io"
	"time"

	"wormscope/capture"
)

const (
	// pipeIdle is how long a run waits for a frame before it attends to signals and
	// output.
	pipeIdle = 500 * time.Millisecond
	// pipeGrace is how long a pipe is still read after a signal: the program that
	// writes to it was usually interrupted as well, and hands over what it still has.
	pipeGrace = time.Second
)

// captures is what a replay reads, and until when.
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

// orStopped returns errStopped if err says that until is done, and else err.
func orStopped(until context.Context, err error) error {
	if until.Err() != nil && errors.Is(err, context.Cause(until)) {
		return errStopped
	}
	return err
}

// piped reports whether one of the captures is a pipe, on which a read may block for
// any length of time.
func (c *captures) piped() bool { return c.Size() == 0 }

// A pipe reads captures of which at least one is a pipe. It reads the next frame in a
// goroutine, so that a run which waits for it can attend to signals and output.
type pipe struct {
	*capture.Reader
	tick  <-chan time.Time // ends a wait
	asked bool             // a goroutine is reading the next frame
	came  chan error       // gets the outcome of that
	frame capture.Frame    // the frame that was read
}

// newPipe makes a pipe of captures.
func newPipe(r *capture.Reader, tick <-chan time.Time) *pipe {
	return &pipe{Reader: r, tick: tick, came: make(chan error, 1)}
}

// Next implements source. It returns capture.ErrIdle if no frame came until the tick.
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

// settle waits for the goroutine, once the captures are stopped.
func (p *pipe) settle() {
	for p.asked {
		_ = p.Next(&p.frame) // the last frame, or the error that the captures are stopped
	}
}
