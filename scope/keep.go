package scope

import (
	"net/netip"
	"slices"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// Kept is an outside address that did what others are blocked for, or was
// forged to, and must not be blocked.
type Kept struct {
	IP     string `json:"ip"`
	Reason string `json:"reason"` // goes on from the address: "is a sinkhole"
}

// keeping is why an address must not be blocked. Of several reasons the last
// counts.
type keeping uint8

const (
	mayBlock keeping = iota
	noHost
	allowed
	resolves
	sinkhole
	lifeline
)

func (k keeping) String() string {
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
func (l *Ledger) neverBlock() []Kept {
	k := keeper{ledger: l, why: map[netip.Addr]keeping{}}
	for a := range l.resolvers {
		k.keep(a, resolves)
	}
	for h := range l.external.all() {
		k.meet(h.addr)
		k.look(h)
	}
	for h := range l.hosts.all() {
		k.look(h)
	}
	list := []Kept(nil)
	slices.SortFunc(k.met, netip.Addr.Compare)
	for _, a := range slices.Compact(k.met) {
		if why := max(k.why[a], l.trust.keeps(a)); why != mayBlock {
			list = append(list, Kept{a.String(), why.String()})
		}
	}
	return list
}

// A keeper gathers what speaks against blocking addresses.
type keeper struct {
	ledger *Ledger
	why    map[netip.Addr]keeping
	met    []netip.Addr // that somebody may want to block
}

func (k *keeper) keep(a netip.Addr, why keeping) {
	a = plain(a)
	k.why[a] = max(k.why[a], why)
}

// meet notes an address outside that somebody may want to block.
func (k *keeper) meet(a netip.Addr) {
	if a.IsValid() && !k.ledger.zones.Inside(a) {
		k.met = append(k.met, plain(a))
	}
}

// look looks at what is known of a host for who resolves, where kill switches
// lead to, and what is a sinkhole.
func (k *keeper) look(h *host) {
	for f := range h.all() {
		switch {
		case f.by == nil:
		case f.by.Type == ioc.Domain:
			k.keep(f.peer, resolves)
			if f.alert != nil && (f.by.Class == ioc.KillSwitch || k.ledger.trust.EndsWorm(f.by.Value)) {
				for _, a := range f.alert.Evidence.DNS.Resolved {
					k.keep(a, lifeline)
				}
			}
		default:
			who := f.peer
			if !who.IsValid() { // about the address itself
				who = h.addr
			}
			k.meet(who)
			if f.by.Class == ioc.Sinkhole {
				k.keep(who, sinkhole)
			}
		}
	}
}

// Kept returns why addresses must not be blocked, by address. Who resolves, and
// where kill switches lead to, the facts tell, too: a document of an earlier
// version says it there alone.
func (d *Document) Kept() map[string]string {
	why := map[string]string{}
	for i := range d.Hosts {
		for k := range d.Hosts[i].Facts {
			d.Hosts[i].Facts[k].keep(why)
		}
	}
	for _, k := range d.NeverBlock {
		why[k.IP] = k.Reason
	}
	return why
}

// keep notes which addresses a lookup says must not be blocked.
func (f *FactItem) keep(why map[string]string) {
	if f.Rule != string(alert.RuleDomain) {
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

// ToBlock returns the outside scanners but for those that must not be blocked,
// and these.
func (d *Document) ToBlock() (block []Scanner, not []Kept) {
	kept := d.Kept()
	for i := range d.External {
		s := &d.External[i]
		if why, keep := kept[s.IP]; keep {
			not = append(not, Kept{s.IP, why})
			continue
		}
		block = append(block, *s)
	}
	return block, not
}
