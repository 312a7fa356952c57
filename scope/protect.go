package scope

import (
	"net/netip"
	"slices"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// Protected is an outside address that must not be blocked, though it did what others
// are blocked for, or somebody forged that it did.
type Protected struct {
	IP     string `json:"ip"`
	Reason string `json:"reason"` // goes on from the address: "is a sinkhole"
}

// protection is why an address must not be blocked. Of several reasons the one listed
// last here counts.
type protection uint8

const (
	mayBlock protection = iota
	noHost
	allowed
	resolves
	sinkhole
	lifeline // without which the worm goes on
)

// String says why, as Protected.Reason does; empty for mayBlock.
func (k protection) String() string {
	return [...]string{
		mayBlock: "",
		noHost:   "is no address of a host on the internet",
		allowed:  "is on the allow list",
		resolves: "is a resolver that hosts inside ask",
		sinkhole: "is a sinkhole: defenders run it, and where a kill switch leads there the worm stops",
		lifeline: "is where a kill switch leads to: blocked, the worm goes on",
	}[k]
}

// maxResolvers is how many outside resolvers are remembered, the first.
const maxResolvers = 1024

// learnResolver remembers a resolver outside. Whoever blocks it takes names
// from all who ask it.
func (l *Ledger) learnResolver(a netip.Addr) {
	if len(l.resolvers) < maxResolvers {
		l.resolvers[plain(a)] = struct{}{}
	}
}

// neverBlock lists the outside scanners, and the indicator addresses that hosts
// had to do with, which must not be blocked.
func (l *Ledger) neverBlock() []Protected {
	k := protector{ledger: l, why: map[netip.Addr]protection{}}
	for a := range l.resolvers {
		k.protect(a, resolves)
	}
	for h := range l.external.all() {
		k.meet(h.addr)
		k.look(h)
	}
	for h := range l.hosts.all() {
		k.look(h)
	}
	list := []Protected(nil)
	slices.SortFunc(k.met, netip.Addr.Compare)
	for _, a := range slices.Compact(k.met) {
		if why := max(k.why[a], l.trust.protects(a)); why != mayBlock {
			list = append(list, Protected{a.String(), why.String()})
		}
	}
	return list
}

// A protector gathers which addresses must not be blocked, and why.
type protector struct {
	ledger *Ledger
	why    map[netip.Addr]protection
	met    []netip.Addr // that somebody may want to block
}

func (k *protector) protect(a netip.Addr, why protection) {
	a = plain(a)
	k.why[a] = max(k.why[a], why)
}

// meet notes an address outside that somebody may want to block.
func (k *protector) meet(a netip.Addr) {
	if a.IsValid() && !k.ledger.zones.Inside(a) {
		k.met = append(k.met, plain(a))
	}
}

// look looks at what is known of a host for who resolves, where kill switches
// lead to, and what is a sinkhole. An answer that nobody asked for shows none of it:
// with one, who scans could keep himself from being blocked.
func (k *protector) look(h *host) {
	for f := range h.all() {
		switch {
		case f.by == nil, f.unasked:
		case f.by.Type == ioc.Domain:
			k.protect(f.peer, resolves)
			if f.alert != nil && (f.by.Class == ioc.KillSwitch || k.ledger.trust.EndsWorm(f.by.Value)) {
				for _, a := range f.alert.Evidence.DNS.Resolved {
					k.protect(a, lifeline)
				}
			}
		default:
			who := f.peer
			if !who.IsValid() { // about the address itself
				who = h.addr
			}
			k.meet(who)
			if f.by.Class == ioc.Sinkhole {
				k.protect(who, sinkhole)
			}
		}
	}
}

// Protected returns why addresses must not be blocked, by address. Besides NeverBlock
// it looks at the facts, which name resolvers and where kill switches lead to: a
// document of an earlier version has no more than these.
func (d *Document) Protected() map[string]string {
	why := map[string]string{}
	for i := range d.Hosts {
		for k := range d.Hosts[i].Facts {
			d.Hosts[i].Facts[k].protect(why)
		}
	}
	for _, k := range d.NeverBlock {
		why[k.IP] = k.Reason
	}
	return why
}

// protect notes which addresses a lookup says must not be blocked.
func (f *FactItem) protect(why map[string]string) {
	if f.Rule != string(alert.RuleDomain) || f.Unasked {
		return
	}
	if why[f.Peer] == "" {
		why[f.Peer] = resolves.String()
	}
	if f.Class == ioc.KillSwitch.String() {
		for _, a := range f.Resolved {
			why[a] = lifeline.String()
		}
	}
}

// ToBlock divides the outside scanners into those to block and those that must not
// be blocked.
func (d *Document) ToBlock() (block []Scanner, not []Protected) {
	kept := d.Protected()
	for i := range d.External {
		s := &d.External[i]
		if why, keep := kept[s.IP]; keep {
			not = append(not, Protected{s.IP, why})
			continue
		}
		block = append(block, *s)
	}
	return block, not
}
