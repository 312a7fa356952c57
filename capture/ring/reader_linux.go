package ring

import (
	"io"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"wormscope/capture"
)

const (
	// lookEvery is how often an interface that is down is looked for.
	lookEvery = 100 * time.Millisecond
	// linkEvery is how often interfaces that are up are checked for a link.
	linkEvery = time.Second
	// slack is how late the kernel may be with a block that is due.
	slack = 5 * time.Millisecond
	// drainSlack is the same after Stop, when nothing is lost by waiting longer.
	drainSlack = 200 * time.Millisecond
	// pollEvery is after how many blocks the sockets are checked for errors even
	// if blocks are always ready.
	pollEvery = 64
)

// A Reader reads one ring of each interface. It is used from one goroutine,
// which is best locked to its thread while it reads.
type Reader struct {
	source  *Source
	rings   []*ring
	current *ring         // the ring that is read, up to limit
	one     capture.Run   // the frame that Next returns
	limit   int64         // Unix nanoseconds
	hold    time.Duration // how long a frame is kept back for earlier ones of other rings
	polls   []unix.PollFd // one per ring, then that of Stop
	busy    bool          // frames were read since the last call of gather
	begun   time.Duration // when the first of them was
	pause   *time.Timer   // of gather, nil without Options.Gather
	turns   int           // blocks since the sockets were polled
	looked  time.Duration // when interfaces that are down were looked for
	linked  time.Duration // when the others were checked for a link
	silent  bool          // the rings let nothing more in
	until   time.Duration // when draining ends, whatever is left
	err     error         // what Next returns from now on
}

// newReader returns a reader of rings that share options.
func newReader(s *Source, rings []*ring) *Reader {
	r := &Reader{
		source: s, rings: rings,
		// A block is handed over after twice its time-out at the latest: the
		// kernel's timer lets one pass in which it was opened.
		hold:  2*s.options.BlockTimeout + slack,
		polls: make([]unix.PollFd, len(rings)+1),
	}
	if s.options.Gather > 0 {
		r.pause = time.NewTimer(s.options.Gather) //nolint:forbidigo // it waits for frames, and looks at none
	}
	return r
}

// Next reads the next frame into f, whose Data lies in the ring and is valid
// until the next call. It returns capture.ErrIdle when nothing came for
// Options.IdleAfter, and can then be called again; io.EOF after Stop, once
// everything is read that came before. Any other error is final.
//
// Frame.Number counts within the ring. Frames of one ring come in the order in
// which the kernel took them. Those of several interfaces come in the order of
// their times: to that end a frame is kept back, if others have none, for twice
// Options.BlockTimeout and a little. A ring that is more than half full does not
// wait, so that its frames may come up to one block early.
//
// Each wait costs a context switch, what the Go runtime does about it, and cached
// data: whatever else runs meanwhile pushes the detectors' tables out, to read them
// back takes a millisecond, and in a virtual machine the processor may have been
// another's. So while frames keep coming, Next reads all that are there, and then
// lets Options.Gather pass before it looks for more. The longer it took to read them,
// the longer it waits, up to Options.GatherMost, or until a third of a ring is
// full.
func (r *Reader) Next(f *capture.Frame) error {
	for {
		if c := r.current; c != nil && c.left > 0 {
			if c.more(&r.one, 1, r.limit); r.one.N > 0 {
				r.one.Frame(0, f)
				return nil
			}
			if t, ok := c.time(); !ok || t <= r.limit {
				r.err = c.damaged()
				return r.err
			}
		}
		if err := r.turn(); err != nil {
			return err
		}
	}
}

// More fills run with the frames that come next, but only with those of the block
// that is being read, and with no more than most. It returns how many: 0 does not
// mean the end, and a call of Next delivers the frame that More could not. It costs
// less a frame than Next. Data that were given out before stay valid until the next
// call of Next.
func (r *Reader) More(run *capture.Run, most int) int {
	run.N = 0
	if r.current != nil {
		r.current.more(run, most, r.limit)
	}
	return run.N
}

// turn makes the ring with the earliest frame the current one. It waits for
// one if need be.
func (r *Reader) turn() error {
	if r.err != nil {
		return r.err
	}
	if c := r.current; c != nil && c.left == 0 {
		c.release()
	}
	r.current = nil
	if r.turns++; r.turns >= pollEvery {
		r.poll(0)
	}
	for idle := r.source.options.IdleAfter; r.err == nil; {
		wait := r.choose()
		if wait == 0 {
			r.noteBusy()
			return nil
		}
		if r.source.stopped.Load() {
			if r.drained() {
				r.err = io.EOF
				return r.err
			}
			r.poll(time.Millisecond)
			continue
		}
		if r.busy {
			idle -= r.gather()
			continue
		}
		if r.waiting() {
			r.poll(wait)
			continue
		}
		if idle <= 0 {
			return capture.ErrIdle
		}
		begin := now()
		r.poll(min(idle, wait))
		idle -= max(now()-begin, time.Microsecond)
	}
	return r.err
}

// noteBusy notes that there are frames to read.
func (r *Reader) noteBusy() {
	if r.pause != nil && !r.busy {
		r.busy, r.begun = true, now()
	}
}

// gatherShare is how many times as long frames gather as the last ones took to be
// read: where that is hardly any work, they need not be late to save any.
const gatherShare = 100

// gather waits for frames to gather, and returns how long it did. It looks every
// Options.Gather whether there are enough of them. It waits by a timer of the Go
// runtime and not in a system call: the runtime would check on a thread in one every
// 20 µs for a while, each time with a context switch. After that it looks what has
// happened to the interfaces, if it is time to.
func (r *Reader) gather() time.Duration {
	o := &r.source.options
	r.busy = false
	begin := now()
	until := begin + max(o.Gather, min((begin-r.begun)*gatherShare, o.GatherMost))
	for t := begin; t < until; t = now() {
		r.pause.Reset(min(o.Gather, until-t))
		select {
		case <-r.pause.C:
		case <-r.source.stopping:
			r.pause.Stop()
			return now() - begin
		}
		if r.filling() {
			break
		}
	}
	if now()-r.looked >= lookEvery { // else the sockets are polled only after pollEvery blocks
		r.poll(0)
	}
	return now() - begin
}

// filling reports whether a third of a ring waits to be read.
func (r *Reader) filling() bool {
	for _, ring := range r.rings {
		if ring.filled(3) {
			return true
		}
	}
	return false
}

// waiting reports whether a frame is kept back.
func (r *Reader) waiting() bool {
	for _, ring := range r.rings {
		if ring.held {
			return true
		}
	}
	return false
}

// choose picks the ring to read and how far, and returns 0; or how long to
// wait before trying again.
func (r *Reader) choose() time.Duration {
	if len(r.rings) == 1 {
		if !r.rings[0].take() {
			return lookEvery
		}
		r.current, r.limit = r.rings[0], math.MaxInt64
		return 0
	}
	best, first, second, missing := r.earliest()
	if best == nil {
		return lookEvery
	}
	if missing && !best.filled(2) {
		if wait := r.keepBack(best, first); wait > 0 {
			return wait
		}
		second = min(second, max(first, wallNow()-int64(r.hold)))
	}
	r.current, r.limit = best, second
	return 0
}

// earliest returns the ring with the earliest frame, its time, the time of the
// earliest in another ring, and whether there are others with none that may
// yet get some that are earlier.
func (r *Reader) earliest() (best *ring, first, second int64, missing bool) {
	first, second = math.MaxInt64, math.MaxInt64
	for _, ring := range r.rings {
		fresh := !ring.held
		if !ring.take() {
			missing = missing || !ring.down && (!r.silent || !ring.drained())
			continue
		}
		if fresh {
			ring.since = now()
		}
		t, ok := ring.time()
		if !ok {
			t = math.MinInt64 // Next finds it
		}
		if best == nil || t < first {
			best, first, second = ring, t, first
		} else {
			second = min(second, t)
		}
	}
	return best, first, second, missing
}

// keepBack returns how much longer a frame of time t has to wait for earlier ones
// of other rings: until r.hold after its time, but never longer than r.hold after
// it was seen, even if somebody sets the wall clock.
func (r *Reader) keepBack(c *ring, t int64) time.Duration {
	late := min(time.Duration(t-wallNow()), c.since-now())
	return late + r.hold
}

// drained lets nothing more in from its first call on, and reports whether all is
// read that had come by then.
func (r *Reader) drained() bool {
	if !r.silent {
		for _, ring := range r.rings {
			ring.silence()
		}
		gracePeriod()
		r.silent = true
		r.until = now() + r.hold + drainSlack
		return false
	}
	for _, ring := range r.rings {
		if !ring.drained() {
			return now() > r.until && !r.waiting()
		}
	}
	settle(r.rings)
	return true
}

// gracePeriod waits until each processor is done with the frames that it had
// in hand before the filter was changed (membarrier(2)).
func gracePeriod() {
	const global = 1
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0) // where the kernel has none, draining has its slack
}

// poll waits until a ring that has no frame gets one, at most for wait, and handles
// what has happened to the interfaces.
func (r *Reader) poll(wait time.Duration) {
	r.turns = 0
	for i, ring := range r.rings {
		r.polls[i] = unix.PollFd{Fd: int32(ring.fd), Events: unix.POLLIN} //nolint:gosec // a descriptor is an int32 in the kernel
		if ring.held {
			r.polls[i].Events = 0
		}
	}
	stop := &r.polls[len(r.rings)]
	*stop = unix.PollFd{Fd: int32(r.source.wake), Events: unix.POLLIN} //nolint:gosec // "
	if r.source.stopped.Load() {
		stop.Fd = -1
	}
	timeout := unix.NsecToTimespec(int64(wait))
	n, err := unix.Ppoll(r.polls, &timeout, nil)
	if err != nil || n == 0 {
		r.look()
		return
	}
	for i, ring := range r.rings {
		if r.polls[i].Revents&unix.POLLERR != 0 {
			ring.failed()
		}
	}
	r.look()
}

// look looks for the interfaces that are down, and at the links of the others,
// once in a while.
func (r *Reader) look() {
	t := now()
	find, link := t-r.looked >= lookEvery, t-r.linked >= linkEvery
	if find {
		r.looked = t
	}
	if link {
		r.linked = t
	}
	for _, ring := range r.rings {
		switch {
		case r.silent:
		case ring.down && find:
			if err := ring.find(); err != nil {
				r.err = err
			}
		case ring.lead && !ring.down && link && t-ring.found >= linkEvery:
			ring.checkLink() // not at once: the kernel sees a link some time after an interface is set up
		}
	}
}

// Name returns the interface that Frame.File stands for.
func (r *Reader) Name(file int) string { return r.source.Name(file) }
