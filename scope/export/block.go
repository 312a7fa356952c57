package export

import (
	"net/netip"
	"slices"
	"strings"

	"wormscope/internal/plural"
	"wormscope/scope"
)

// Guards say what must never be in a block list, besides what the document itself
// excludes.
type Guards struct {
	// Inside reports whether an address belongs to the institution.
	Inside func(netip.Addr) bool
	Trust  scope.Trust
}

// Block lists outside scanners, and the indicators that inside hosts looked up or had
// traffic with. It leaves out what would do harm if it was blocked.
func Block(d *scope.Document, g Guards) List {
	p := newProtection(d, g)
	l := newList(d, ToBlock)
	for i := range d.Hosts {
		h := &d.Hosts[i]
		for k := range h.Facts {
			p.indicator(l, &h.Facts[k])
		}
		for k := range h.Unlisted {
			p.indicator(l, h.Unlisted[k].Item())
		}
		if h.IndicatorsLost() {
			l.leave(h.IP, "met more indicators than are known here: the events have them all")
		}
	}
	for i := range d.External {
		p.scanner(l, &d.External[i])
	}
	return l.List
}

// protection knows what must not be blocked of one document.
type protection struct {
	Guards
	kept         map[string]string // reasons of the document why addresses must not be blocked
	killSwitches []string          // names of kill switches in the document
}

// newProtection collects what the document says of what must not be blocked.
func newProtection(d *scope.Document, g Guards) *protection {
	p := &protection{Guards: g, kept: d.Protected()}
	for i := range d.Hosts {
		for k := range d.Hosts[i].Facts {
			if f := &d.Hosts[i].Facts[k]; f.Rule == ruleLookup && (f.Class == classKillSwitch || p.Trust.EndsWorm(f.Indicator)) {
				p.killSwitches = append(p.killSwitches, canonical(f.Indicator))
			}
		}
	}
	return p
}

// Rules of alerts, as facts name them.
const (
	ruleLookup  = "ioc-domain"
	ruleContact = "ioc-ip"
)

// Classes of indicators, as facts name them.
const (
	classKillSwitch = "kill-switch"
	classSinkhole   = "sinkhole"
)

// indicator lists what a fact says of an indicator.
func (p *protection) indicator(l *builder, f *scope.FactItem) {
	reason := "an indicator"
	if f.Feed != "" {
		reason += " of the feed " + oneLine(f.Feed)
	}
	if f.Class != "" && f.Class != "malicious" {
		reason += " (" + f.Class + ")"
	}
	e := Entry{Exact: f.Exact, First: f.First, Last: f.Last}
	var keep string
	switch f.Rule {
	case ruleLookup:
		e.Name, e.Reason = canonical(f.Indicator), reason+" that hosts inside asked for"
		keep = p.keepName(e.Name, f.Class)
	case ruleContact:
		addr, err := netip.ParseAddr(f.Peer)
		if err != nil {
			return
		}
		e.Addr, e.Reason = plain(addr), reason+" that hosts inside had traffic with"
		keep = p.keepAddr(e.Addr, f.Class)
	default:
		return
	}
	if keep != "" {
		l.leave(e.Value(), keep)
		return
	}
	l.add(e)
}

// scanner lists an outside scanner.
func (p *protection) scanner(l *builder, s *scope.Scanner) {
	addr, err := netip.ParseAddr(s.IP)
	if err != nil {
		l.leave(s.IP, "is no address")
		return
	}
	addr = plain(addr)
	if why := p.keepAddr(addr, ""); why != "" {
		l.leave(addr.String(), why)
		return
	}
	e := Entry{Addr: addr, Scans: s.Indicator == "", First: s.First, Last: s.Last}
	e.Reason = "scans from outside: " + plural.Count(s.Targets, "target", "targets") + ", " + number(s.Answered) + " answered"
	if did := s.Deeds(); did != "" {
		e.Reason += "; over SMB: " + oneLine(did)
	}
	l.add(e)
}

// endsWorm is the reason why a kill switch, be it a name or an address, must not be
// blocked.
const endsWorm = "is a kill switch: blocked, the worm goes on"

// keepAddr returns why an address must not be blocked, empty if it may; class is
// that of the indicator that lists it, empty for none.
func (p *protection) keepAddr(a netip.Addr, class string) string {
	switch {
	case class == classKillSwitch:
		return endsWorm
	case class == classSinkhole:
		return "is a sinkhole: defenders run it, and where a kill switch leads there the worm stops"
	case p.Inside != nil && p.Inside(a):
		return "is inside"
	case p.kept[a.String()] != "":
		return p.kept[a.String()]
	default:
		return p.Trust.NeverBlock(a)
	}
}

// keepName returns why an indicator name must not be blocked, empty if it may.
// What is below a blocked name is blocked with it.
func (p *protection) keepName(name, class string) string {
	isBelow := func(other string) bool { return below(other, name) }
	isAbove := func(other string) bool { return below(name, other) }
	switch {
	case class == classKillSwitch || p.Trust.EndsWorm(name) || slices.ContainsFunc(p.killSwitches, isAbove):
		return endsWorm
	case slices.ContainsFunc(p.killSwitches, isBelow):
		return "has a kill switch below it: blocked, the worm goes on"
	case class == classSinkhole:
		return "is a sinkhole: defenders run it"
	case slices.ContainsFunc(p.Trust.Names(), isAbove):
		return "is on the allow list"
	case slices.ContainsFunc(p.Trust.Names(), isBelow):
		return "has a name of the allow list below it"
	case !isName(name):
		return "is no name"
	case !strings.Contains(name, "."):
		return "is a whole top-level domain"
	default:
		return ""
	}
}

// below reports whether name is parent, or below it.
func below(name, parent string) bool {
	return name == parent || strings.HasSuffix(name, "."+parent)
}
