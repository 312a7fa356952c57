package scope

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"wormscope/detect/alert"
)

// scanners lists the outside scanners: those that attacked first, then those that
// were answered, then those with the most targets.
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
		cmp.Compare(b.badness(), a.badness()),
		cmp.Compare(b.Answered, a.Answered),
		cmp.Compare(b.Targets, a.Targets),
		a.First.Compare(b.First),
		netip.MustParseAddr(a.IP).Compare(netip.MustParseAddr(b.IP)),
	)
}

// badness is 1 for a scanner that attacked a host or had it run code, 0 for one
// that only looked for whom it could.
func (s *Scanner) badness() int {
	if slices.ContainsFunc(s.Attacks, func(a string) bool { return !strings.HasSuffix(a, checkWord) }) {
		return 1
	}
	return 0
}

// Deeds says what the scanner did over SMB, empty for nothing.
func (s *Scanner) Deeds() string { return strings.Join(s.Attacks, ", ") }

// scannersInside lists the inside hosts that scan, or look for hosts to attack, and
// are not suspected.
func (l *Ledger) scannersInside() (list []Scanner) {
	for h := range l.hosts.all() {
		if h.state >= Suspected {
			continue
		}
		if scans := h.unexplainedScans(); len(scans) > 0 {
			list = append(list, h.scannerInside(scans))
		}
	}
	slices.SortFunc(list, compareScanners)
	return list
}

// unexplainedScans returns the scans and checks of an inside host that no analyst
// has explained.
func (h *host) unexplainedScans() (scans []*fact) {
	for f := range h.all() {
		if f.kind.family() == scanning && f.worded() && h.weight(f) > 0 {
			scans = append(scans, f)
		}
	}
	return scans
}

// scannerInside writes one inside host down that scans.
func (h *host) scannerInside(scans []*fact) Scanner {
	s := newScanner(h)
	slices.SortFunc(scans, compareFacts)
	s.take(slices.Values(scans))
	last := scans[0].last
	for _, f := range scans {
		last = max(last, f.last)
	}
	s.finish(scans[0].first, last)
	return s
}

// scanner writes one outside scanner down.
func (h *host) scanner() Scanner {
	s := newScanner(h)
	slices.SortFunc(h.facts, func(a, b fact) int { return compareFacts(&a, &b) })
	s.take(h.all())
	s.finish(h.span())
	return s
}

// newScanner begins to write a scanner down; finish ends it.
func newScanner(h *host) Scanner {
	return Scanner{IP: h.addr.String(), Ports: []uint16{}, Frames: []uint64{}, Alerts: []string{}}
}

// take takes what facts tell of the scanner, in their order.
func (s *Scanner) take(facts iter.Seq[*fact]) {
	reached := map[netip.Addr]bool{} // over SMB
	var swept, answered uint64       // by connections, which may be a scan, too
	for f := range facts {
		switch {
		case f.smb != nil:
			reached[f.peer] = true
			s.attacked(f)
		case f.worded():
			hosts, some := s.told(f)
			swept, answered = swept+hosts, answered+some
		}
		s.show(f)
	}
	n := uint64(len(reached))
	s.Targets, s.Answered = max(s.Targets, swept, n), max(s.Answered, answered, n)
}

// show takes the frames that show a fact.
func (s *Scanner) show(f *fact) {
	numbers, _ := frameList(f.evidence(), nil)
	s.Frames = append(s.Frames, numbers...)
}

// finish notes when the scanner was first and last heard of, Unix nanoseconds, and
// orders what it was given.
func (s *Scanner) finish(first, last int64) {
	s.First, s.Last = time.Unix(0, first).UTC(), time.Unix(0, last).UTC()
	slices.Sort(s.Ports)
	s.Ports = slices.Compact(s.Ports)
	s.Frames = s.Frames[:min(len(s.Frames), maxFrames)]
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

// told takes what an alert tells of the scanner. Of an indicator address that
// tried many hosts it returns how many, and how many of them answered.
func (s *Scanner) told(f *fact) (swept, answered uint64) {
	a := f.alert
	s.Alerts = append(s.Alerts, f.id)
	port := a.Resp.Port()
	if scan := a.Evidence.Scan; scan != nil {
		s.Targets += scan.Targets
		s.Answered += scan.Answered
		if a.Name != alert.NameVertical { // of which they are a few of many, and none to close
			s.Ports = append(s.Ports, scan.Ports...)
		}
		port = scan.Port
	} else {
		swept, answered = a.Evidence.Contact.Hosts, a.Evidence.Contact.HostsAnswered
		s.Indicator = a.Indicator.Value
	}
	if port != 0 {
		s.Ports = append(s.Ports, port)
	}
	return swept, answered
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
			at.Kind, at.Port, at.Sources, at.Count = attackFlood, f.Port, f.Sources, f.Packets
		} else {
			at.Kind, at.Port, at.Sources = attackDistributed, a.Evidence.Scan.Port, a.Evidence.Scan.Sources
		}
		list = append(list, at)
	}
	slices.SortFunc(list, func(a, b Attack) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Alert, b.Alert))
	})
	return list
}

// The kinds of attacks.
const (
	attackFlood       = "flood"
	attackDistributed = "distributed-scan"
)

// What tells the kind. What a distributed scan names as its target is the first
// address of the network that it goes through.
func (a *Attack) What() string {
	if a.Kind == attackDistributed {
		return "distributed scan of its network"
	}
	return a.Kind
}

func (a *Attack) onPort() string {
	if a.Port == 0 {
		return " on many ports"
	}
	return onPort(a.Port)
}

// distributed counts the distributed scans.
func (d *Document) distributed() (n uint64) {
	for i := range d.Attacks {
		if d.Attacks[i].Kind == attackDistributed {
			n++
		}
	}
	return n
}
