package scope

import (
	"maps"
	"net/netip"
	"slices"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// maxBehind is how many hosts are named that asked for clients which are not seen.
const maxBehind = 1024

// behind lists the hosts inside that asked for a kill-switch name on behalf of a
// client, where the capture shows no client that did: it lies between them and the
// servers that they ask, and the infected host behind them. What an analyst explained
// is left out.
func (l *Ledger) behind() (list []string) {
	asked := map[string]struct{}{} // by hosts of their own accord
	passed := map[netip.Addr][]string{}
	for h := range l.hosts.all() {
		for i := range h.facts {
			switch f := &h.facts[i]; {
			case !f.asksKillSwitch():
			case !h.resolver && !f.alert.Evidence.DNS.OnBehalf:
				asked[f.alert.Indicator.Value] = struct{}{}
			case !h.excused(f) && len(passed) < maxBehind:
				passed[h.addr] = append(passed[h.addr], f.alert.Indicator.Value)
			}
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(passed), netip.Addr.Compare) {
		if slices.ContainsFunc(passed[a], func(name string) bool { _, ok := asked[name]; return !ok }) {
			list = append(list, a.String())
		}
	}
	return list
}

// passedOn lists the hosts inside that asked for another indicator's name on behalf of a
// client, where no host is known to have asked for it. Who is behind them is suspected
// at most, so that it does not change the verdict. It is nil where not all is known that
// hosts asked for.
func (l *Ledger) passedOn() []netip.Addr {
	asked := map[string]struct{}{} // by hosts of their own accord
	passed := map[netip.Addr][]string{}
	for h := range l.hosts.all() {
		if !h.resolver && h.rest != nil && h.rest.lost&(1<<kindBeaconing) != 0 {
			return nil
		}
		for f := range h.all() {
			switch {
			case f.kind != kindBeaconing || f.by == nil || rateIndicator(f.by) < suspectedFrom:
			case !h.resolver && f.confidence > 0:
				asked[f.by.Value] = struct{}{}
			case f.seeks() && !h.excused(f) && len(passed) < maxBehind:
				passed[h.addr] = append(passed[h.addr], f.by.Value)
			}
		}
	}
	maps.DeleteFunc(passed, func(_ netip.Addr, names []string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { _, ok := asked[name]; return !ok })
	})
	return slices.SortedFunc(maps.Keys(passed), netip.Addr.Compare)
}

// seeks reports whether the fact is a lookup of an indicator's name that is no kill
// switch, and more than an answer that anyone can send.
func (f *fact) seeks() bool {
	return f.alert != nil && f.alert.Rule == alert.RuleDomain && !f.alert.Evidence.DNS.Unasked && f.by.Class != ioc.KillSwitch
}

// passedOnWarnings says who asked for clients that are not seen.
func (l *Ledger) passedOnWarnings() []string {
	const what = " asked for an indicator's name on behalf of a host that the capture does not show"
	if hosts := l.passedOn(); len(hosts) > 0 {
		return []string{told(hosts, what, what)}
	}
	return nil
}

// behindWarnings says who asked for clients that are not seen.
func (d *Document) behindWarnings() []string {
	if len(d.Behind) == 0 {
		return nil
	}
	return []string{d.behindWhom() + " asked for a kill-switch name on behalf of a host that the capture does not show"}
}

// behindWhom names the first of those who asked for clients that are not seen.
func (d *Document) behindWhom() string {
	who := d.Behind[0]
	if n := len(d.Behind); n > 1 {
		who += " and " + counted(uint64(n-1), "other host")
	}
	return who
}
