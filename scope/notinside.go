package scope

import (
	"maps"
	"net/netip"
	"slices"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// notInside is hosts that are not inside, the first maxNotInside of them.
type notInside map[netip.Addr]struct{}

const maxNotInside = 1024

// note adds a host, as long as there is room.
func (s notInside) note(host netip.Addr) {
	if len(s) < maxNotInside {
		s[plain(host)] = struct{}{}
	}
}

// sorted returns the hosts in the order of their addresses.
func (s notInside) sorted() []netip.Addr {
	return slices.SortedFunc(maps.Keys(s), netip.Addr.Compare)
}

// noteAsker notes a lookup of a host that is not inside. Who asks for a kill
// switch is infected; when it asks a server outside, too, and is seen here, it
// is likely one of the institution's of which nobody said so.
func (l *Ledger) noteAsker(a *alert.Alert) {
	d := a.Evidence.DNS
	if d.OnBehalf || d.Unasked || a.Indicator == nil || a.Indicator.Class != ioc.KillSwitch || l.zones.Inside(a.Resp.Addr()) {
		return
	}
	l.askers.note(a.Host)
}

// noteStranger notes a scan by a host that is not inside of one that is not either.
// At the edge of an institution that is rare: one of them is its own, of which
// nobody said so, as with the IPv6 addresses of hosts that have private ones, too.
func (l *Ledger) noteStranger(a *alert.Alert) {
	if to := a.Resp.Addr(); to.IsValid() && !l.zones.Inside(to) {
		l.strangers.note(a.Host)
	}
}

// strangerWarnings says which hosts that are not inside scanned others that are not,
// where some are inside. Else it is said that nobody is.
func (l *Ledger) strangerWarnings() []string {
	if len(l.strangers) == 0 || l.hosts.index.used == 0 {
		return nil
	}
	who := told(l.strangers.sorted(), " scans others and counts", " scan others and count")
	return []string{who + " as inside no more than they do: say with --internal which addresses are yours, before you block any"}
}

// fighterWarnings says which hosts that are not inside attacked others that are not,
// where some are inside. Else it is said that nobody is.
func (l *Ledger) fighterWarnings() []string {
	if len(l.fighters) == 0 || l.hosts.index.used == 0 {
		return nil
	}
	who := told(l.fighters.sorted(), " attacks others over SMB or is attacked, and counts", " attack others over SMB or are attacked, and count")
	return []string{who + " as inside no more than they do: say with --internal which addresses are yours, before you block any"}
}

// callerWarnings says which hosts that are not inside contacted an indicator address.
// Nothing but their events would tell of them, and who sees a contact is hardly a
// third party: the host is likely the institution's own.
func (l *Ledger) callerWarnings() []string {
	if len(l.callers) == 0 {
		return nil
	}
	who := told(l.callers.sorted(), " contacted an indicator address and does not count", " contacted an indicator address and do not count")
	return []string{who + " as inside: say with --internal which addresses are yours"}
}

// askerWarnings says which hosts that are not inside asked for a kill-switch
// name. Else nothing but their events would tell of them.
func (l *Ledger) askerWarnings() []string {
	list := l.infectedAskers()
	if len(list) == 0 {
		return nil
	}
	who := told(list, " asked for a kill-switch name and does not count", " asked for a kill-switch name and do not count")
	return []string{who + " as inside: say with --internal which addresses are yours"}
}

// infectedAskers returns who asked for a kill-switch name, is not inside, and does
// not ask for others.
func (l *Ledger) infectedAskers() []netip.Addr {
	return slices.DeleteFunc(l.askers.sorted(), func(a netip.Addr) bool {
		_, resolves := l.resolvers[a]
		return resolves
	})
}

// likelyOwn lists the hosts that are not inside and may be the institution's.
func (l *Ledger) likelyOwn() (list []string) {
	all := slices.Concat(l.infectedAskers(), l.callers.sorted(), l.strangers.sorted(), l.fighters.sorted())
	slices.SortFunc(all, netip.Addr.Compare)
	for _, a := range slices.Compact(all) {
		list = append(list, a.String())
	}
	return list
}

// told names the first of some hosts, and what it does, or what it and the others do.
func told(hosts []netip.Addr, does, do string) string {
	if more := len(hosts) - 1; more > 0 {
		return hosts[0].String() + " and " + counted(uint64(more), "other host") + do
	}
	return hosts[0].String() + does
}
