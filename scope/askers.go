package scope

import (
	"maps"
	"net/netip"
	"slices"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// maxAskers is how many hosts that are not inside and asked for a kill-switch
// name are remembered, the first.
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
