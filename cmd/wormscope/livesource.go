package main

import (
	"wormscope/capture/libpcap"
	"wormscope/capture/ring"
)

// A liveSource is what live captures with: the ring, or libpcap.
type liveSource interface {
	source
	Stats() ring.Stats // asked for by any goroutine
	Settle()           // has Stats count all that was read; while none reads
	Stop()             // makes Next return io.EOF once all is read that came before; by any goroutine
	Close() error
}

// A kernelFiltered source can have the kernel run an eBPF program, by its
// file descriptor, before it copies a frame; -1 takes the program away.
type kernelFiltered interface {
	AttachEBPF(program int) error
}

// throughLibpcap reports whether live captures with libpcap: if that is set, or if this
// system has no ring.
func (v *liveSetting) throughLibpcap() bool {
	return v.Libpcap || !ring.Available && libpcap.Available
}

// checkLibpcap refuses libpcap in a build that has none.
func (v *liveSetting) checkLibpcap() error {
	if v.Libpcap && !libpcap.Available {
		return usagef("--libpcap (live.libpcap): this build has no libpcap: build with -tags libpcap")
	}
	return nil
}

// openSource begins to capture. With libpcap, which compiles --filter itself, the
// pipeline does not apply the filter again.
func (l *liveRun) openSource(o ring.Options) (liveSource, error) {
	if l.s.Live.throughLibpcap() {
		l.inKernel = l.s.Filter != ""
		return libpcap.Open(o, l.s.Filter)
	}
	if err := l.filterRing(&o); err != nil {
		return nil, err
	}
	return ring.Open(o)
}
