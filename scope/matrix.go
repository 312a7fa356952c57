package scope

import (
	"cmp"
	"net/netip"
	"slices"

	"wormscope/detect/zone"
)

// ZoneAttack says how much of one zone was attacked from another, or from
// itself. Attempts that nobody answered or refused leave no fact about a host
// and are not in it.
type ZoneAttack struct {
	From     string `json:"from"` // internet for outside
	To       string `json:"to"`
	Sources  uint64 `json:"sources"`  // hosts that attacked
	Targets  uint64 `json:"targets"`  // hosts that were attacked
	Affected uint64 `json:"affected"` // of these, infected or suspected now
	Attempts uint64 `json:"attempts"`
}

// attack reports whether facts of a kind say that their peer attacked the
// host. A new kind that says so needs to be named here.
func (k kind) attack() bool {
	switch k {
	case kindTargeted, kindExploitAttempted, kindProbed, kindClean, kindImplanted, kindPayload:
		return true
	default:
		return false
	}
}

// matrix counts the attacks on hosts by zone: those from outside first, then
// in the order in which zones are configured.
func (l *Ledger) matrix(hosts []judged) []ZoneAttack {
	type path struct{ from, to string }
	cells := map[path]*ZoneAttack{}
	sources := map[path]map[netip.Addr]bool{}
	for _, h := range hosts {
		to := l.zones.Name(h.addr)
		seen := map[path]bool{}
		for f := range h.all() {
			if !f.kind.attack() || !f.peer.IsValid() {
				continue
			}
			p := path{l.zones.Name(f.peer), to}
			if cells[p] == nil {
				cells[p], sources[p] = &ZoneAttack{From: p.from, To: p.to}, map[netip.Addr]bool{}
			}
			cells[p].Attempts += f.count
			sources[p][f.peer] = true
			if !seen[p] {
				seen[p] = true
				cells[p].count(h.verdict.state)
			}
		}
	}
	list := make([]ZoneAttack, 0, len(cells))
	for p, c := range cells {
		c.Sources = uint64(len(sources[p]))
		list = append(list, *c)
	}
	order := l.zoneOrder()
	slices.SortFunc(list, func(a, b ZoneAttack) int {
		return cmp.Or(cmp.Compare(order[a.From], order[b.From]), cmp.Compare(order[a.To], order[b.To]))
	})
	return list
}

// count adds one attacked host in its state.
func (a *ZoneAttack) count(s State) {
	a.Targets++
	if s >= Suspected {
		a.Affected++
	}
}

// zoneOrder numbers the zones: outside, the named ones, the rest of inside.
func (l *Ledger) zoneOrder() map[string]int {
	order := map[string]int{zone.Internet: 0}
	for _, name := range append(slices.Clone(l.zones.Names()), zone.Internal) {
		if _, known := order[name]; !known {
			order[name] = len(order)
		}
	}
	return order
}
