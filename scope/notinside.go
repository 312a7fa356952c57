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

// noteAsker notes a lookup of a host that is not inside, of a name that would make
// one inside suspicious. When it asks a server outside, too, and is seen here, it is
// likely one of the institution's of which nobody said so.
func (l *Ledger) noteAsker(a *alert.Alert) {
	d := a.Evidence.DNS
	if d.OnBehalf || d.Unasked || rateIndicator(a.Indicator) < suspectedFrom || l.zones.Inside(a.Resp.Addr()) {
		return
	}
	if a.Indicator.Class == ioc.KillSwitch {
		l.askers.note(a.Host)
	} else {
		l.seekers.note(a.Host)
	}
}

// noteStranger notes a scan by a host that is not inside of one that is not either.
// At the edge of an institution that is rare: one of them is its own and not declared,
// as with the IPv6 addresses of hosts that have private ones, too.
func (l *Ledger) noteStranger(a *alert.Alert) {
	if to := a.Resp.Addr(); to.IsValid() && !l.zones.Inside(to) {
		l.strangers.note(a.Host)
	}
}

// notInsideWarnings says which hosts that are not inside are likely the institution's
// own. Else nothing but their events would tell of those that asked for an indicator's
// name or contacted an indicator address, and who sees that is hardly a third party.
// Those that scan or attack others which are not inside either are named where some
// host is inside; else it is said that nobody is.
func (l *Ledger) notInsideWarnings() (list []string) {
	say := func(hosts []netip.Addr, does, do, rest string) {
		if len(hosts) > 0 {
			list = append(list, told(hosts, does, do)+rest)
		}
	}
	const own = " as inside: say with --internal which addresses are yours"
	say(l.ownAccord(l.askers), " asked for a kill-switch name and does not count", " asked for a kill-switch name and do not count", own)
	say(l.ownAccord(l.seekers), " asked for an indicator's name and does not count", " asked for an indicator's name and do not count", own)
	say(l.callers.sorted(), " contacted an indicator address and does not count", " contacted an indicator address and do not count", own)
	if l.hosts.index.used == 0 {
		return list
	}
	const others = " as inside no more than they do: say with --internal which addresses are yours, before you block any"
	say(l.strangers.sorted(), " scans others and counts", " scan others and count", others)
	say(l.fighters.sorted(), " attacks others over SMB or is attacked, and counts", " attack others over SMB or are attacked, and count", others)
	return list
}

// ownAccord returns those of some hosts that asked who do not ask for others.
func (l *Ledger) ownAccord(asked notInside) []netip.Addr {
	return slices.DeleteFunc(asked.sorted(), func(a netip.Addr) bool {
		_, resolves := l.resolvers[a]
		return resolves
	})
}

// likelyOwn lists the hosts that are not inside and may be the institution's.
func (l *Ledger) likelyOwn() (list []string) {
	all := slices.Concat(l.ownAccord(l.askers), l.ownAccord(l.seekers), l.callers.sorted(), l.strangers.sorted(), l.fighters.sorted())
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
