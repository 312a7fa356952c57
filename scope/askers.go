package scope

import (
	"maps"
	"net/netip"
	"slices"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// maxAskers is how many hosts that are not inside and asked for a kill-switch
// name are remembered, the first; and how many that scan others.
const maxAskers = 1024

// noteAsker notes a lookup of a host that is not inside. Who asks for a kill
// switch is infected; when it asks a server outside, too, and is seen here, it
// is likely one of the institution's of which nobody said so.
func (l *Ledger) noteAsker(a *alert.Alert) {
	d := a.Evidence.DNS
	if d.OnBehalf || d.Unasked || a.Indicator == nil || a.Indicator.Class != ioc.KillSwitch || l.zones.Inside(a.Resp.Addr()) {
		return
	}
	if len(l.askers) < maxAskers {
		l.askers[plain(a.Host)] = struct{}{}
	}
}

// noteStranger notes a scan by a host that is not inside of one that is not either.
// At the edge of an institution that is rare: one of them is its own, of which
// nobody said so, as with the IPv6 addresses of hosts that have private ones, too.
func (l *Ledger) noteStranger(a *alert.Alert) {
	if to := a.Resp.Addr(); to.IsValid() && !l.zones.Inside(to) && len(l.strangers) < maxAskers {
		l.strangers[plain(a.Host)] = struct{}{}
	}
}

// strangerWarnings says which hosts that are not inside scanned others that are not,
// where some are inside. Else it is said that nobody is.
func (l *Ledger) strangerWarnings() []string {
	if len(l.strangers) == 0 || l.hosts.index.used == 0 {
		return nil
	}
	list := slices.SortedFunc(maps.Keys(l.strangers), netip.Addr.Compare)
	who, do := list[0].String(), " scans others and counts as inside no more than they do"
	if more := len(list) - 1; more > 0 {
		who, do = who+" and "+counted(uint64(more), "other host"), " scan others and count as inside no more than they do"
	}
	return []string{who + do + ": say with --internal which addresses are yours, before you block any"}
}

// askerWarnings says which hosts that are not inside asked for a kill-switch
// name. Else nothing but their events would tell of them.
func (l *Ledger) askerWarnings() []string {
	list := slices.SortedFunc(maps.Keys(l.askers), netip.Addr.Compare)
	list = slices.DeleteFunc(list, func(a netip.Addr) bool {
		_, resolves := l.resolvers[a]
		return resolves
	})
	if len(list) == 0 {
		return nil
	}
	who, count := list[0].String(), " does not count"
	if more := len(list) - 1; more > 0 {
		who, count = who+" and "+counted(uint64(more), "other host"), " do not count"
	}
	return []string{who + " asked for a kill-switch name and" + count + " as inside: say with --internal which addresses are yours"}
}
