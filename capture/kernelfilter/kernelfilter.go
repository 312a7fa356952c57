// Package kernelfilter has the kernel drop the frames that no detector needs
// before they are copied into the ring: an eBPF socket filter that knows the
// indicator addresses. docs/filter.md says what it keeps, why what it drops
// can't matter, and what it saves.
//
// The program is bpf/filter.c; filter.o is made of it by `make bpf` and
// embedded, so that neither building nor running needs a compiler.
package kernelfilter

import (
	"bytes"
	_ "embed" // of the object
	"errors"
	"fmt"
	"iter"
	"net/netip"

	"github.com/cilium/ebpf"

	"wormscope/capture/packet"
)

//go:embed filter.o
var object []byte

// Config says what is kept whatever addresses it is between, and how much room
// there is for indicators.
type Config struct {
	// Ports are those of which every UDP datagram and every TCP segment is
	// kept, in both directions. Of other ports only the segments are kept that
	// open and close connections and that complete a handshake, and of these no
	// more than the headers.
	Ports []uint16
	// Room is how many addresses there is room for. It takes 4 MB, and 23 bytes an
	// address, of the kernel's memory at once. With more addresses than that the
	// filter still keeps all of their frames, and some of other addresses as well.
	// The default is 1,048,576, which is 25 MB.
	Room int
}

const defaultRoom = 1 << 20

// MaxHeads is what may be left of a frame that was cut to its headers, in bytes:
// those of Ethernet with four VLAN tags, IPv4 and TCP.
const MaxHeads = 14 + 4*4 + 60 + 60

// A Filter is a program in the kernel with the indicators that it knows. It is
// for links of type Ethernet. Its methods are to be called by one goroutine.
type Filter struct {
	program *ebpf.Program
	maps    map[string]*ebpf.Map
	sets    [2]*ebpf.Map // one of indicators in force, and one to write the next into
	current int
	cells   int
}

// Load loads the program with these indicators. It needs Linux 6.0, and CAP_BPF or
// CAP_SYS_ADMIN unless kernel.unprivileged_bpf_disabled is 0. After Load neither
// filtering nor Update needs a privilege.
func Load(indicators iter.Seq[netip.Prefix], cfg Config) (*Filter, error) {
	if cfg.Room <= 0 {
		cfg.Room = defaultRoom
	}
	f := &Filter{cells: cellsFor(cfg.Room), current: 1}
	if err := f.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("kernel filter can't be loaded (it needs CAP_BPF and Linux 6.0): %w", err), f.Close())
	}
	if err := errors.Join(f.setPorts(cfg.Ports), f.Update(indicators)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// load makes the maps and the program.
func (f *Filter) load() error {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return err
	}
	for name, v := range map[string]uint32{
		"max_word_mask":   uint32(f.cells - 1),         //nolint:gosec // a power of two
		"max_bucket_mask": uint32(f.cells - 1),         //nolint:gosec // a power of two
		"buckets_at":      uint32(wordsAt + f.cells*8), //nolint:gosec // below 1 GiB
	} {
		if err = spec.Variables[name].Set(v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	inner := spec.Maps["indicators"].InnerMap
	inner.ValueSize = uint32(f.Bytes() / len(f.sets)) //nolint:gosec // below 1 GiB
	collection, err := ebpf.NewCollection(spec)
	if err != nil {
		return err
	}
	f.program, f.maps = collection.Programs["wormscope"], collection.Maps
	for i := range f.sets {
		if f.sets[i], err = ebpf.NewMap(inner); err != nil {
			return err
		}
	}
	return nil
}

// ports is the value of the map of ports, as bpf/filter.c reads it.
type ports struct{ All, Tunnel [1 << 16 / 64]uint64 }

func (f *Filter) setPorts(all []uint16) error {
	var v ports
	for _, p := range all {
		v.All[p/64] |= 1 << (p % 64)
	}
	for _, p := range packet.TunnelPorts() {
		v.Tunnel[p/64] |= 1 << (p % 64)
	}
	if err := f.maps["ports"].Put(uint32(0), &v); err != nil {
		return fmt.Errorf("kernel filter: ports: %w", err)
	}
	return nil
}

// FD returns the descriptor to attach to a socket with SO_ATTACH_BPF. It stays
// the same.
func (f *Filter) FD() int { return f.program.FD() }

// Update replaces the indicators. Each frame is judged by all of the old ones or by
// all of the new ones. When it fails, the old ones stay. It ranges over indicators
// twice.
func (f *Filter) Update(indicators iter.Seq[netip.Prefix]) error {
	next := 1 - f.current
	err := f.sets[next].Put(uint32(0), newTable(indicators, f.cells).b)
	if err == nil {
		// The kernel returns when no frame is being judged by the old ones: these
		// may be written over from then on.
		err = f.maps["indicators"].Put(uint32(0), f.sets[next])
	}
	if err != nil {
		return fmt.Errorf("kernel filter: indicators: %w", err)
	}
	f.current = next
	return nil
}

// Keeps asks the kernel how many bytes of a frame the filter keeps
// (BPF_PROG_TEST_RUN), 0 if it drops it. It is for tests and needs the privileges of
// Load.
func (f *Filter) Keeps(frame []byte) (int, error) {
	// The kernel takes no more than a page; 2 KiB of the frame are enough, since
	// the filter reads headers only. The kernel takes the first 14 bytes for an
	// Ethernet header and hides them from a socket filter, hence one more of these.
	const most = 2048
	hidden := append(make([]byte, 12, 14+most), 0x88, 0xb5) // an EtherType for experiments
	verdict, err := f.program.Run(&ebpf.RunOptions{Data: append(hidden, frame[:min(len(frame), most)]...)})
	if err != nil {
		return 0, fmt.Errorf("kernel filter: %w", err)
	}
	return int(min(uint64(verdict), uint64(len(frame)))), nil //nolint:gosec // no more than the frame has
}

// Bytes returns how much of the kernel's memory the indicators take.
func (f *Filter) Bytes() int { return len(f.sets) * sizeOf(f.cells) }

// Close gives up the program. Sockets that it is attached to keep it, with the
// indicators that were in force last.
func (f *Filter) Close() error {
	err := errors.Join(f.program.Close(), f.sets[0].Close(), f.sets[1].Close()) // nil is not an error
	for _, m := range f.maps {
		err = errors.Join(err, m.Close())
	}
	return err
}
