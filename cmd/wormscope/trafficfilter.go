package main

import (
	"iter"
	"net/netip"

	"go.uber.org/zap"

	"wormscope/capture/filter"
	"wormscope/capture/kernelfilter"
	"wormscope/capture/packet"
	"wormscope/capture/ring"
	"wormscope/detect/contact"
	"wormscope/internal/plural"
	"wormscope/ioc"
)

// parseFilter reads the expression of --filter. One that package filter does not
// understand is left to libpcap if the live command captures through it.
func (s *settings) parseFilter() error {
	if s.Filter == "" {
		return nil
	}
	only, err := filter.Parse(s.Filter)
	if err != nil && s.Live.throughLibpcap() {
		s.unparsed = usageError{err}
		return nil
	}
	if err != nil {
		return usageError{err}
	}
	s.only = only
	return nil
}

// leftOut warns that the user's filter left traffic out.
func (p *pipeline) leftOut() []string {
	if p.filter == "" {
		return nil
	}
	text := "only traffic that matches --filter was looked at: " + p.filter
	if p.traffic.leftOut > 0 {
		text += " (" + plural.Count(p.traffic.leftOut, "packet does", "packets do") + " not)"
	}
	return []string{text}
}

// keptPorts returns the ports of which detectors read every segment and
// datagram: DNS (detect/dns), and SMB (detect/smb, detect/exposure).
func keptPorts() []uint16 { return []uint16{53, 139, 445} }

// filterRing has the kernel run --filter, and cut frames to their headers whose
// contents no detector reads, so that the ring holds more of them and less memory is
// read. Neither is done where an interface is not Ethernet, for which filters are
// compiled. Where the ring is to have the kernel filter, the pipeline runs --filter, as
// a ring can have only one program.
func (l *liveRun) filterRing(o *ring.Options) (err error) {
	if !allEthernet(o.Interfaces) {
		return nil
	}
	only := l.s.only
	if l.inKernel = only != nil && !l.s.Live.KernelFilter; !l.inKernel {
		only = new(filter.Filter) // everything
	}
	o.Heads = max(filter.MaxHeads, kernelfilter.MaxHeads)
	if o.Filter, err = only.Compile(headsEnough()); err == nil {
		return nil
	}
	o.Filter, err = only.Compile(nil) // a long expression may have room without
	return err
}

// headsEnough says of which frames no detector reads more than the headers: the
// contents of the others are DNS, SMB, or packets in a tunnel.
func headsEnough() *filter.Heads {
	return &filter.Heads{Ports: append(packet.TunnelPorts(), keptPorts()...), Datagram: contact.Told}
}

// loadKernelFilter loads the kernel filter if it is asked for, while there are
// the privileges for it. Where it can't be loaded, capture goes on without.
func (l *liveRun) loadKernelFilter() {
	if !l.s.Live.KernelFilter {
		return
	}
	if _, ok := l.source.(kernelFiltered); !ok {
		l.log.Warn("capturing without the kernel filter: it is not to be had with libpcap")
		return
	}
	if !allEthernet(l.s.Live.Interfaces) {
		l.log.Warn("capturing without the kernel filter: it is for Ethernet interfaces")
		return
	}
	none := iter.Seq[netip.Prefix](func(func(netip.Prefix) bool) {})
	f, err := kernelfilter.Load(none, kernelfilter.Config{Ports: keptPorts()})
	if err != nil {
		l.log.Warn("capturing without the kernel filter", zap.Error(err))
		return
	}
	l.kernel = f
}

// setKernelFilter tells the kernel filter which indicators are in use. If that
// fails, the filter is detached: it would hide traffic with new indicators.
func (l *liveRun) setKernelFilter(set *ioc.Set) {
	on, ok := l.source.(kernelFiltered)
	if l.kernel == nil || !ok {
		return
	}
	err := l.kernel.Update(set.Prefixes())
	if err == nil {
		err = on.AttachEBPF(l.kernel.FD())
	}
	if err == nil {
		l.filtered.Store(true)
		return
	}
	l.log.Warn("capturing without the kernel filter from now on", zap.Error(err))
	if err := on.AttachEBPF(-1); err != nil {
		l.log.Error("the kernel filter can't be taken away: traffic with new indicator addresses may be missed", zap.Error(err))
	}
	l.closeKernelFilter()
}

// closeKernelFilter lets go of the kernel filter.
func (l *liveRun) closeKernelFilter() {
	if l.kernel == nil {
		return
	}
	if err := l.kernel.Close(); err != nil {
		l.log.Warn("kernel filter", zap.Error(err))
	}
	l.kernel = nil
}
