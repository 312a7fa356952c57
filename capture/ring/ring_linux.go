package ring

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wormscope/capture"
)

// An iface is an interface by its name, whatever the kernel has under that
// name now.
type iface struct {
	name   string
	number int         // Frame.File
	up     atomic.Bool // it is up and has a link
	losses atomic.Uint64
	gains  atomic.Uint64

	mu    sync.Mutex // the fanout group, where there are several rings
	group int        // its id, or noGroup
	of    int32      // index of the device that it is for
}

// A ring is one packet socket and its memory. One goroutine reads it. Others may
// use what mu guards, and the atomic counts.
type ring struct {
	options *Options
	iface   *iface
	kind    int // of the socket
	device  device
	lead    bool // of the interface's rings, the one that warns what happens to it
	down    bool
	found   time.Duration // when it came back, after it was down
	seen    uint64        // received frames when the link was last checked
	group   int           // the fanout group that it is in, or noGroup
	said    string        // why it could not go on with an interface that came back
	renamed string        // what was said of its other name
	cursor

	mu      sync.Mutex // guards what follows, up to ended
	fd      int
	memory  []byte
	spares  []int // sockets for replace, in case the process is no longer permitted to make any
	program int   // the eBPF filter, -1 for none
	dropped uint64
	freezes uint64
	ended   bool

	received  atomic.Uint64
	bytes     atomic.Uint64
	truncated atomic.Uint64
	last      atomic.Int64
}

// A cursor is where reading a ring has got to.
type cursor struct {
	walk
	index int           // of the block that is read, or comes next
	held  bool          // the kernel has handed the block over to us
	since time.Duration // when we saw that; set only with several rings
}

// block returns the memory of a block.
func (r *ring) block(index int) []byte {
	size := r.options.BlockSize
	return r.memory[index*size : (index+1)*size : (index+1)*size]
}

// status is the word by which the kernel and the reader hand a block to each
// other.
func status(block []byte) *uint32 {
	return (*uint32)(unsafe.Pointer(&block[blockStatus])) //nolint:gosec // in shared memory, and aligned
}

// ours reports whether the kernel has handed a block over.
func ours(block []byte) bool { return atomic.LoadUint32(status(block))&unix.TP_STATUS_USER != 0 }

// take starts on the next block if it is ready.
func (r *ring) take() bool {
	if r.held {
		return true
	}
	block := r.block(r.index)
	if !ours(block) {
		return false
	}
	r.begin(block)
	r.held = true
	if r.left == 0 {
		r.release()
		return false
	}
	return true
}

// release gives the block back, whose frames are all read.
func (r *ring) release() {
	r.settle()
	atomic.StoreUint32(status(r.walk.block), unix.TP_STATUS_KERNEL)
	r.held = false
	r.index++
	if r.index == r.options.Blocks {
		r.index = 0
	}
	if r.index == 0 || r.index&0xff == 0 {
		r.harvest()
	}
}

// settle makes the counts of the block public.
func (r *ring) settle() {
	r.received.Add(r.tally.frames)
	r.bytes.Add(r.tally.bytes)
	r.truncated.Add(r.tally.cut)
	r.tally.frames, r.tally.bytes, r.tally.cut = 0, 0, 0
}

// more fills run with the next frames of the block that is held, with no more than
// most, and with none later than until.
func (r *ring) more(run *capture.Run, most int, until int64) {
	r.walk.more(run, most, until)
	if run.N > 0 && r.left == 0 {
		r.last.Store(run.Heads[run.N-1].Time)
	}
}

// damaged returns the error for a block that makes no sense.
func (r *ring) damaged() error {
	return fmt.Errorf("%s: block %d of the ring makes no sense at byte %d", r.iface.name, r.index, r.off)
}

// filled reports whether at least one of so many parts of the ring waits to be read.
func (r *ring) filled(parts int) bool {
	return ours(r.block((r.index + r.options.Blocks/parts) % r.options.Blocks))
}

// drained reports whether all frames are read, those included that are in the
// block that the kernel is filling.
func (r *ring) drained() bool {
	block := r.block(r.index)
	packets := (*uint32)(unsafe.Pointer(&block[blockPackets])) //nolint:gosec // in shared memory, and aligned
	return !r.held && !ours(block) && atomic.LoadUint32(packets) == 0
}

// harvest adds what the kernel has counted since it was asked last, which
// makes it begin at zero again. Any goroutine may call it.
func (r *ring) harvest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.harvestLocked()
}

func (r *ring) harvestLocked() {
	if r.ended {
		return
	}
	s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return // of a packet socket it does not fail
	}
	r.dropped += uint64(s.Drops)
	r.freezes += uint64(s.Freeze_q_cnt)
}

// addTo adds the counts of the ring to its interface's. Any goroutine may call
// it.
func (r *ring) addTo(sum *Interface) {
	sum.Received += r.received.Load()
	sum.Bytes += r.bytes.Load()
	sum.Truncated += r.truncated.Load()
	sum.Last = max(sum.Last, r.last.Load())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.harvestLocked()
	sum.Dropped += r.dropped
	sum.Freezes += r.freezes
	sum.Blocks += r.options.Blocks
	if r.ended {
		return
	}
	for i := range r.options.Blocks {
		if ours(r.block(i)) {
			sum.InUse++
		}
	}
}

// attach replaces the filter by an eBPF program, or by what the options say
// when program is below 0. Any goroutine may call it.
func (r *ring) attach(program int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	own := -1
	if program >= 0 {
		var err error
		if own, err = unix.FcntlInt(uintptr(program), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return fmt.Errorf("%s: the kernel filter: %w", r.iface.name, err)
		}
	}
	if err := r.options.setFilter(r.fd, own); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", r.iface.name, err), closeFD(own))
	}
	old := r.program
	r.program = own
	return closeFD(old)
}

// silence keeps all further frames out of the ring.
func (r *ring) silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = filter(r.fd, nothing()) // it fails only for want of memory; then Reader.until ends the draining
}

// close gives everything back. Any goroutine may call it while none reads.
func (r *ring) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	r.settle()
	r.harvestLocked()
	r.ended = true
	var unmap error
	if r.memory != nil {
		unmap = unix.Munmap(r.memory)
	}
	err := errors.Join(unmap, closeFD(r.fd), closeFD(r.program))
	for _, fd := range r.spares {
		err = errors.Join(err, closeFD(fd))
	}
	r.memory, r.walk.block, r.held, r.left = nil, nil, false, 0
	return err
}

func closeFD(fd int) error {
	if fd < 0 {
		return nil
	}
	return unix.Close(fd)
}
