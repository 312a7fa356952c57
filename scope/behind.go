package scope

import (
	"maps"
	"net/netip"
	"slices"
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
