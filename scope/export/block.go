package export

import (
	"net/netip"
	"slices"
	"strings"

	"wormscope/scope"
)

// Guards say what must never be in a block list.
type Guards struct {
	// Inside reports whether an address belongs to the institution.
	Inside func(netip.Addr) bool
	// KillSwitch reports whether a name is a worm's kill switch, or one below
	// it. What the document calls one is known without it. It may be nil.
	KillSwitch func(name string) bool
	// Allowed are addresses, networks and names that the institution trusts.
	// A name stands for what is below it, too.
	Allowed []string
}

// Block lists outside scanners, and the indicators that hosts asked for,
// called, or were called by. Guards keep out what would do harm.
func Block(d *scope.Document, g Guards) (List, error) {
	p, err := newProtection(d, g)
	if err != nil {
		return List{}, err
	}
	l := newList(d, ToBlock)
	for i := range d.Hosts {
		for k := range d.Hosts[i].Facts {
			p.indicator(l, &d.Hosts[i].Facts[k])
		}
	}
	for i := range d.External {
		p.scanner(l, &d.External[i])
	}
	return l.List, nil
}

// protection is what must not be blocked in one document.
type protection struct {
	Guards
	prefixes     []netip.Prefix      // allowed
	names        []string            // allowed
	killSwitches []string            // that the document names
	resolvers    map[netip.Addr]bool // that hosts ask
	lifelines    map[netip.Addr]bool // where kill switches lead to
}

// newProtection gathers what the document says of what must not be blocked.
func newProtection(d *scope.Document, g Guards) (*protection, error) {
	p := &protection{Guards: g, resolvers: map[netip.Addr]bool{}, lifelines: map[netip.Addr]bool{}}
	for _, allowed := range g.Allowed {
		if err := p.allow(allowed); err != nil {
			return nil, err
		}
	}
	for i := range d.Hosts {
		h := &d.Hosts[i]
		if slices.Contains(h.Role, "resolver") {
			protect(p.resolvers, h.IP)
		}
		for k := range h.Facts {
			if f := &h.Facts[k]; f.Rule == ruleLookup {
				p.lookup(f)
			}
		}
	}
	return p, nil
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

// lookup notes whom a host asked, and where a kill switch leads to.
func (p *protection) lookup(f *scope.FactItem) {
	protect(p.resolvers, f.Peer)
	if f.Class != classKillSwitch && (p.KillSwitch == nil || !p.KillSwitch(f.Indicator)) {
		return
	}
	p.killSwitches = append(p.killSwitches, f.Indicator)
	for _, a := range f.Resolved {
		protect(p.lifelines, a)
	}
}

// protect adds an address to a set; text that is none is passed over.
func protect(set map[netip.Addr]bool, text string) {
	if a, err := netip.ParseAddr(text); err == nil {
		set[plain(a)] = true
	}
}

// allow adds an address, a network or a name.
func (p *protection) allow(text string) error {
	if a, err := netip.ParseAddr(text); err == nil {
		a = plain(a)
		p.prefixes = append(p.prefixes, netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	if strings.Contains(text, "/") {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return err
		}
		p.prefixes = append(p.prefixes, prefix.Masked())
		return nil
	}
	p.names = append(p.names, strings.ToLower(strings.TrimSuffix(text, ".")))
	return nil
}

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
	switch f.Rule {
	case ruleLookup:
		e.Name, e.Reason = f.Indicator, reason+" that hosts inside asked for"
		if why := p.keepName(f); why != "" {
			l.leave(f.Indicator, why)
			return
		}
	case ruleContact:
		addr, err := netip.ParseAddr(f.Peer)
		if err != nil {
			return
		}
		e.Addr, e.Reason = plain(addr), reason+" that hosts inside had traffic with"
		if f.Class == classSinkhole {
			l.leave(e.Value(), "is a sinkhole: defenders run it, and where a kill switch leads there the worm stops")
			return
		}
		if why := p.keepAddr(e.Addr); why != "" {
			l.leave(e.Value(), why)
			return
		}
	default:
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
	if why := p.keepAddr(addr); why != "" {
		l.leave(addr.String(), why)
		return
	}
	e := Entry{Addr: addr, Scans: s.Indicator == "", First: s.First, Last: s.Last}
	e.Reason = "scans from outside: " + number(s.Targets) + " targets, " + number(s.Answered) + " answered"
	l.add(e)
}

// keepAddr returns why an address must not be blocked, empty if it may.
func (p *protection) keepAddr(a netip.Addr) string {
	switch {
	case p.Inside != nil && p.Inside(a):
		return "is inside"
	case p.resolvers[a]:
		return "is a resolver that hosts inside ask"
	case p.lifelines[a]:
		return "is where a kill switch leads to: blocked, the worm goes on"
	case slices.ContainsFunc(p.prefixes, func(allowed netip.Prefix) bool { return allowed.Contains(a) }):
		return "is on the allow list"
	case a.IsLoopback() || a.IsMulticast() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is no address of a host on the internet"
	default:
		return ""
	}
}

// keepName returns why a name must not be blocked, empty if it may. What is
// below a blocked name is blocked with it.
func (p *protection) keepName(f *scope.FactItem) string {
	name := f.Indicator
	isBelow := func(other string) bool { return below(other, name) }
	switch {
	case f.Class == classKillSwitch || slices.ContainsFunc(p.killSwitches, func(k string) bool { return below(name, k) }):
		return "is a kill switch: blocked, the worm goes on"
	case p.KillSwitch != nil && p.KillSwitch(name):
		return "is a kill switch: blocked, the worm goes on"
	case slices.ContainsFunc(p.killSwitches, isBelow):
		return "has a kill switch below it: blocked, the worm goes on"
	case f.Class == classSinkhole:
		return "is a sinkhole: defenders run it"
	case slices.ContainsFunc(p.names, func(allowed string) bool { return below(name, allowed) }):
		return "is on the allow list"
	case slices.ContainsFunc(p.names, isBelow):
		return "has a name of the allow list below it"
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
