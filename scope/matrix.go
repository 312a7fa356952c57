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
		tried := map[netip.Addr]*tally{}
		for f := range h.all() {
			if !f.kind.attack() || !f.peer.IsValid() || f.confidence == 0 {
				continue
			}
			p := path{l.zones.Name(f.peer), to}
			if cells[p] == nil {
				cells[p], sources[p] = &ZoneAttack{From: p.from, To: p.to}, map[netip.Addr]bool{}
			}
			if tried[f.peer] == nil {
				tried[f.peer] = &tally{}
			}
			tried[f.peer].add(f)
			sources[p][f.peer] = true
			if !seen[p] {
				seen[p] = true
				cells[p].count(h.verdict.state)
			}
		}
		for peer, n := range tried {
			cells[path{l.zones.Name(peer), to}].Attempts += n.attempts()
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

// A tally counts what one host tried on another.
type tally struct {
	asked    uint64 // for an implant
	payloads uint64
	other    uint64
}

// add counts a fact about the attacked host.
func (t *tally) add(f *fact) {
	switch f.kind {
	case kindProbed, kindClean, kindImplanted:
		t.asked += f.count
	case kindPayload:
		t.payloads += f.count
	default:
		t.other += f.count
	}
}

// attempts counts a payload and the question before it, which share a
// connection, once.
func (t *tally) attempts() uint64 { return t.other + max(t.asked, t.payloads) }

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
