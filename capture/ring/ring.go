// Package ring captures from network interfaces through AF_PACKET rings
// (TPACKET_V3, Documentation/networking/packet_mmap.rst of Linux): the kernel
// writes frames into blocks of shared memory and hands over whole blocks. It
// needs Linux, and no cgo.
//
// Open (open_linux.go) makes a Source (source_linux.go) by Options (this file). A Reader
// (reader_linux.go) reads one ring of each interface (ring_linux.go), and walks over the
// frames of its blocks (walk_linux.go). socket_linux.go has the system calls, and
// link_linux.go deals with interfaces that go down or away and come back.
package ring

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"slices"
	"time"

	"golang.org/x/net/bpf"
)

// What Options have where they say nothing.
const (
	DefaultBlockSize    = 1 << 20
	DefaultBlocks       = 256
	DefaultBlockTimeout = 10 * time.Millisecond
	DefaultIdleAfter    = 100 * time.Millisecond
)

// Bounds of Options. A frame lies within one block, and what offloads put
// together has up to 64 KiB.
const (
	minBlockSize = 64 << 10
	maxRing      = min(64<<30, (math.MaxInt+1)/2) // bytes of one interface; 1 GiB of the address space of 32 bits
	maxFanout    = 64
)

// Options say what to capture, and into how much memory.
type Options struct {
	Interfaces   []string      // at least one, each once; Frame.File is the index
	BlockSize    int           // bytes, a power of two of at least 64 KiB; 0 for 1 MiB
	Blocks       int           // of each ring; 0 for 256
	BlockTimeout time.Duration // after which a block that is not full is handed over, 1 ms to 10 s; 0 for 10 ms
	IdleAfter    time.Duration // when Next says that nothing came; 0 for 100 ms
	Gather       time.Duration // how long frames gather once all were read, see Reader.Next; 0 for not at all
	GatherMost   time.Duration // the same where there are many; 0 for no longer than Gather
	Fanout       int           // rings an interface, up to 64; 0 for one

	// NoPromiscuous leaves the interface in the mode it is in. Else it takes in
	// frames for any address for as long as the Source is open.
	NoPromiscuous bool
	// NoOutgoing leaves out what this machine itself sends through the interface.
	// It makes no difference at a mirror port, through which nothing is sent. On
	// the loopback interface outgoing frames are always left out, since each comes
	// in again.
	NoOutgoing bool
	// Filter is a classic filter that the kernel runs before it copies a frame;
	// nil for all frames. The kernel has taken the outer VLAN tag out of the
	// frame by then.
	Filter []bpf.RawInstruction
	// Heads is to how many bytes the filter, this one or AttachEBPF's, may cut frames
	// of which nobody wants more. They do not count as truncated.
	Heads int
	// Warn is told what happens to an interface: that it is down or gone, and
	// that it is back. Open and Next call it; it may be nil.
	Warn func(iface, text string)
}

// WithDefaults returns the options with defaults for what is not set, or an error
// that says which option is impossible.
func (o Options) WithDefaults() (Options, error) {
	setDefault(&o.BlockSize, DefaultBlockSize)
	setDefault(&o.Blocks, DefaultBlocks)
	setDefault(&o.BlockTimeout, DefaultBlockTimeout)
	setDefault(&o.IdleAfter, DefaultIdleAfter)
	setDefault(&o.Fanout, 1)
	if o.Warn == nil {
		o.Warn = func(string, string) {}
	}
	if len(o.Interfaces) == 0 {
		return o, errors.New("no interface is named")
	}
	for i, name := range o.Interfaces {
		if slices.Contains(o.Interfaces[:i], name) {
			return o, fmt.Errorf("interface %s is named twice", name)
		}
	}
	switch page := os.Getpagesize(); {
	case bits.OnesCount(uint(o.BlockSize)) != 1 || o.BlockSize < max(page, minBlockSize):
		return o, fmt.Errorf("a block of %d bytes: it must be a power of two, and %d at the least", o.BlockSize, max(page, minBlockSize))
	case o.Blocks < 1 || o.Blocks > maxRing/o.BlockSize:
		return o, fmt.Errorf("a ring of %d blocks of %d bytes: it must be one block to %d GiB", o.Blocks, o.BlockSize, maxRing>>30)
	case o.BlockTimeout < time.Millisecond || o.BlockTimeout > 10*time.Second:
		return o, fmt.Errorf("a block time-out of %v: it must be 1 ms to 10 s", o.BlockTimeout)
	case o.IdleAfter < time.Millisecond:
		return o, fmt.Errorf("idle after %v: it must be 1 ms or more", o.IdleAfter)
	case o.Gather < 0:
		return o, fmt.Errorf("to gather for %v: it must be 0 or more", o.Gather)
	case o.GatherMost < 0:
		return o, fmt.Errorf("to gather for %v at most: it must be 0 or more", o.GatherMost)
	case o.Fanout < 1 || o.Fanout > maxFanout:
		return o, fmt.Errorf("%d rings an interface: it must be 1 to %d", o.Fanout, maxFanout)
	}
	return o, nil
}

func setDefault[T int | time.Duration](v *T, otherwise T) {
	if *v == 0 {
		*v = otherwise
	}
}

// Stats are the counts since Open, which never go back.
type Stats struct {
	Interfaces []Interface // in the order of Options.Interfaces
}

// Interface are the counts of one interface, all its rings together. What
// readers count is added when they are done with a block: while they read it
// can lag by one block a ring. After Settle it is exact, and once Next has
// returned io.EOF, what came to the interface and passed the filter is Received +
// Dropped.
type Interface struct {
	Name      string
	Received  uint64 // frames that Next returned
	Bytes     uint64 // of these on the wire, VLAN tags included
	Truncated uint64 // of these with fewer bytes captured than on the wire, but for Options.Heads
	Dropped   uint64 // frames that the kernel had no room for
	Freezes   uint64 // how often the kernel found its next block not read yet
	Up        bool   // the interface is there, and is set up
	Losses    uint64 // how often it went down or away
	Returns   uint64 // how often it came back from that
	Blocks    int    // that the rings have
	InUse     int    // blocks that wait to be read, or are being read
	Last      int64  // time of the last frame, Unix nanoseconds; 0 before the first
}

// Total returns the sums over the interfaces. It is up when all are.
func (s Stats) Total() Interface {
	sum := Interface{Up: true}
	for _, i := range s.Interfaces {
		sum.Received += i.Received
		sum.Bytes += i.Bytes
		sum.Truncated += i.Truncated
		sum.Dropped += i.Dropped
		sum.Freezes += i.Freezes
		sum.Up = sum.Up && i.Up
		sum.Losses += i.Losses
		sum.Returns += i.Returns
		sum.Blocks += i.Blocks
		sum.InUse += i.InUse
		sum.Last = max(sum.Last, i.Last)
	}
	return sum
}
