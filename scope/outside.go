package scope

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
)

// scanners lists the outside scanners: those that were answered first, then
// those with the most targets.
func (l *Ledger) scanners() []Scanner {
	list := make([]Scanner, 0, l.external.index.used)
	for h := range l.external.all() {
		list = append(list, h.scanner())
	}
	slices.SortFunc(list, compareScanners)
	return list
}

func compareScanners(a, b Scanner) int {
	return cmp.Or(
		cmp.Compare(b.Answered, a.Answered),
		cmp.Compare(b.Targets, a.Targets),
		a.First.Compare(b.First),
		netip.MustParseAddr(a.IP).Compare(netip.MustParseAddr(b.IP)),
	)
}

// scannersInside lists the inside hosts that scan, and are not suspected.
func (l *Ledger) scannersInside() (list []Scanner) {
	for h := range l.hosts.all() {
		if h.state >= Suspected {
			continue
		}
		if s := h.scansInside(); s.Targets > 0 {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, compareScanners)
	return list
}

// scansInside writes down the scans of an inside host that no analyst has
// explained; without targets if there is none.
func (h *host) scansInside() Scanner {
	s := Scanner{IP: h.addr.String(), Ports: []uint16{}, Frames: []uint64{}, Alerts: []string{}}
	for i := range h.facts {
		f := &h.facts[i]
		if f.kind != kindScanning || f.alert == nil || h.weight(f) == 0 {
			continue
		}
		first, last := time.Unix(0, f.first).UTC(), time.Unix(0, f.last).UTC()
		if s.Targets == 0 || first.Before(s.First) {
			s.First = first
		}
		if last.After(s.Last) {
			s.Last = last
		}
		s.add(f.alert)
		s.Alerts = append(s.Alerts, f.id)
		numbers, _ := frameList(f.evidence(), nil)
		s.Frames = append(s.Frames, numbers...)
	}
	slices.Sort(s.Ports)
	s.Ports = slices.Compact(s.Ports)
	s.Frames = s.Frames[:min(len(s.Frames), maxFrames)]
	return s
}

// scanner writes one outside scanner down.
func (h *host) scanner() Scanner {
	s := Scanner{IP: h.addr.String(), Ports: []uint16{}, Frames: []uint64{}, Alerts: []string{}}
	first, last := h.span()
	s.First, s.Last = time.Unix(0, first).UTC(), time.Unix(0, last).UTC()
	slices.SortFunc(h.facts, func(a, b fact) int { return compareFacts(&a, &b) })
	reached := map[netip.Addr]bool{}
	var swept uint64 // by connections, which may be a scan, too
	for f := range h.all() {
		switch {
		case f.smb != nil:
			reached[f.peer] = true
			s.attacked(f)
		case f.worded():
			swept += s.add(f.alert)
			s.Alerts = append(s.Alerts, f.id)
		}
		numbers, _ := frameList(f.evidence(), nil)
		s.Frames = append(s.Frames, numbers...)
	}
	n := uint64(len(reached))
	s.Targets, s.Answered = max(s.Targets, swept, n), max(s.Answered, n)
	slices.Sort(s.Ports)
	s.Ports = slices.Compact(s.Ports)
	s.Frames = s.Frames[:min(len(s.Frames), maxFrames)]
	return s
}

// attacked notes what the scanner did to one host over SMB.
func (s *Scanner) attacked(f *fact) {
	if what := f.attackName(); !slices.Contains(s.Attacks, what) {
		s.Attacks = append(s.Attacks, what)
	}
	if f.smb.alert != "" && !slices.Contains(s.Alerts, f.smb.alert) {
		s.Alerts = append(s.Alerts, f.smb.alert)
	}
	s.Ports = append(s.Ports, f.port)
}

// add counts one alert about the scanner. Of an indicator address that tried many
// hosts it returns how many.
func (s *Scanner) add(a *alert.Alert) (swept uint64) {
	port := a.Resp.Port()
	if scan := a.Evidence.Scan; scan != nil {
		s.Targets += scan.Targets
		s.Answered += scan.Answered
		s.Ports = append(s.Ports, scan.Ports...)
		port = scan.Port
	} else {
		swept = a.Evidence.Contact.Hosts
		s.Indicator = a.Indicator.Value
	}
	if port != 0 {
		s.Ports = append(s.Ports, port)
	}
	return swept
}

// attackList lists floods and distributed scans in the order of their time.
func (l *Ledger) attackList() []Attack {
	list := make([]Attack, 0, len(l.attacks))
	for _, a := range l.attacks {
		at := Attack{
			Target: a.Host.String(), Zone: l.zones.Name(a.Host), Count: a.Count,
			First: a.First.UTC(), Last: a.Last.UTC(), Alert: a.ID,
		}
		if f := a.Evidence.Flood; f != nil {
			at.Kind, at.Port, at.Sources, at.Count = "flood", f.Port, f.Sources, f.Packets
		} else {
			at.Kind, at.Port, at.Sources = "distributed-scan", a.Evidence.Scan.Port, a.Evidence.Scan.Sources
		}
		list = append(list, at)
	}
	slices.SortFunc(list, func(a, b Attack) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Alert, b.Alert))
	})
	return list
}
