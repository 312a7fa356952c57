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

// Config says what is kept whatever addresses it is between.
type Config struct {
	// Ports are those of which every UDP datagram and every TCP segment is
	// kept, in both directions. Of other ports only the segments are kept that
	// open and close connections and that complete a handshake.
	Ports []uint16
}

// A Filter is a program in the kernel with the indicators that it knows. It is
// for links of type Ethernet. Its methods are to be called by one goroutine.
type Filter struct {
	program *ebpf.Program
	maps    map[string]*ebpf.Map
	inner   *ebpf.MapSpec
	current *ebpf.Map // the indicators in force
	cells   int
}

// minRoom is how many addresses there is room for at least: feeds grow.
const minRoom = 1 << 16

// Load loads the program with these indicators, which may be ranged over twice.
// It needs CAP_BPF, or CAP_SYS_ADMIN where kernel.unprivileged_bpf_disabled is
// not 0, and Linux 5.11; from 16,000 addresses on 6.0. Once loaded, the filter
// needs neither to filter, and CAP_BPF for Update.
//
// A million addresses take 23 MB of the kernel's memory, and twice that during
// an Update.
func Load(indicators iter.Seq[netip.Prefix], cfg Config) (*Filter, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("kernel filter: %w", err)
	}
	addresses := minRoom / 2
	for p := range indicators {
		if p.IsSingleIP() {
			addresses++
		}
	}
	f := &Filter{cells: min(maxCells, 2*cellsFor(addresses))}
	f.inner = spec.Maps["indicators"].InnerMap
	f.inner.ValueSize = uint32(sizeOf(f.cells)) //nolint:gosec // below 1 GiB
	for name, v := range map[string]uint32{
		"max_word_mask":   uint32(f.cells - 1),         //nolint:gosec // a power of two
		"max_bucket_mask": uint32(f.cells - 1),         //nolint:gosec // a power of two
		"buckets_at":      uint32(wordsAt + f.cells*8), //nolint:gosec // below 1 GiB
	} {
		if err = spec.Variables[name].Set(v); err != nil {
			return nil, fmt.Errorf("kernel filter: %s: %w", name, err)
		}
	}
	collection, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("kernel filter can't be loaded (needs CAP_BPF and Linux 6.0): %w", err)
	}
	f.program, f.maps = collection.Programs["wormscope"], collection.Maps
	delete(collection.Programs, "wormscope")
	collection.Maps = nil
	collection.Close()
	if err := errors.Join(f.setPorts(cfg.Ports), f.Update(indicators)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
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

// FD returns the descriptor to attach to a socket with SO_ATTACH_BPF. It is
// the same after an Update. The socket keeps the program: the Filter may be
// closed once it is attached, if it will not be updated.
func (f *Filter) FD() int { return f.program.FD() }

// Update puts other indicators in the place of those in force. Each frame is
// judged by the old ones or by the new ones, at no moment by fewer. When it
// fails, the old ones stay.
//
// Room was made by Load for twice as many as there were then. Of more than
// that, some others are kept as well.
func (f *Filter) Update(indicators iter.Seq[netip.Prefix]) error {
	next, err := ebpf.NewMap(f.inner)
	if err != nil {
		return fmt.Errorf("kernel filter: %w", err)
	}
	if err = next.Put(uint32(0), newTable(indicators, f.cells).b); err == nil {
		err = f.maps["indicators"].Put(uint32(0), next)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("kernel filter: indicators: %w", err), next.Close())
	}
	previous := f.current
	f.current = next
	return previous.Close() // of nil it does nothing
}

// Bytes returns how much of the kernel's memory the indicators take.
func (f *Filter) Bytes() int { return int(f.inner.ValueSize) }

// Close lets go of the program. Sockets that it is attached to keep it, with
// the indicators that were in force last.
func (f *Filter) Close() error {
	err := errors.Join(f.program.Close(), f.current.Close())
	for _, m := range f.maps {
		err = errors.Join(err, m.Close())
	}
	return err
}
