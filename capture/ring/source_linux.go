package ring

import (
	"cmp"
	"io/fs"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"wormscope/capture"
)

// A Source captures from interfaces.
type Source struct {
	options  Options
	ifaces   []*iface
	rings    []*ring
	all      *Reader
	readers  []*Reader
	stopped  atomic.Bool
	stopping chan struct{} // closed by Stop
	wake     int           // an eventfd: readable after Stop
	closed   atomic.Bool
}

// Next is Reader.Next over all rings. Where Options.Fanout is more than one,
// either it or the readers of Rings are used.
func (s *Source) Next(f *capture.Frame) error { return s.all.Next(f) }

// More is Reader.More over all rings.
func (s *Source) More(run *capture.Run, most int) int { return s.all.More(run, most) }

// Rings returns Options.Fanout readers, each for a goroutine of its own. Both
// directions of a flow are in one of them; the flows of a host are in all.
// After an interface was down a flow may go on in another.
func (s *Source) Rings() []*Reader { return s.readers }

// Name returns the interface that Frame.File stands for.
func (s *Source) Name(file int) string {
	if file < 0 || file >= len(s.ifaces) {
		return ""
	}
	return s.ifaces[file].name
}

// Stats returns the counts so far. It may be called from any goroutine, also
// after Close.
func (s *Source) Stats() Stats {
	stats := Stats{Interfaces: make([]Interface, len(s.ifaces))}
	for i, f := range s.ifaces {
		stats.Interfaces[i] = Interface{Name: f.name, Up: f.up.Load(), Losses: f.losses.Load(), Returns: f.gains.Load()}
	}
	for _, r := range s.rings {
		r.addTo(&stats.Interfaces[r.iface.number])
	}
	return stats
}

// Settle has Stats count every frame that was read, for who stops reading before Next
// returns io.EOF. None may read meanwhile.
func (s *Source) Settle() { settle(s.rings) }

// settle makes public what was counted of rings and what the kernel has.
func settle(rings []*ring) {
	for _, r := range rings {
		r.settle()
		r.harvest()
	}
}

// Stop ends the capture: nothing more is let in, and Next returns io.EOF once
// all is read that came before, at the latest after the interfaces have been
// quiet for twice Options.BlockTimeout. It returns at once, and may be called
// from any goroutine, more than once.
func (s *Source) Stop() {
	if s.stopped.Swap(true) || s.closed.Load() {
		return
	}
	close(s.stopping)
	_, _ = unix.Write(s.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // of an eventfd at 0 it does not fail
}

// AttachEBPF has the kernel run an eBPF program (BPF_PROG_TYPE_SOCKET_FILTER)
// before it copies a frame, on every socket, in place of what ran before it
// and of Options.Filter; no frame passes unfiltered in between. The descriptor
// stays the caller's. Below 0 the program is taken away, and Options.Filter
// runs again. It may be called from any goroutine.
func (s *Source) AttachEBPF(progFD int) error {
	for _, r := range s.rings {
		if err := r.attach(progFD); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the capture at once: what was not read is lost. No Next may run
// then, and frames that were borrowed are gone. Next returns fs.ErrClosed from
// then on.
func (s *Source) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var err error
	for _, r := range append(s.readers, s.all) {
		r.err, r.current = fs.ErrClosed, nil
	}
	for _, e := range s.closeRings() {
		err = cmp.Or(err, e)
	}
	return cmp.Or(err, closeFD(s.wake))
}

// closers is how many rings are closed at a time. For each of its sockets the kernel
// waits until all processors are through with what they were at, some 15 ms; waiting
// together costs no more than alone, but for a thread each.
const closers = 16

// closeRings closes all rings.
func (s *Source) closeRings() []error {
	failed := make([]error, len(s.rings))
	var all sync.WaitGroup
	room := make(chan struct{}, closers)
	for i, r := range s.rings {
		room <- struct{}{}
		all.Go(func() {
			failed[i] = r.close()
			<-room
		})
	}
	all.Wait()
	return failed
}
