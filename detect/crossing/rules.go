package crossing

import (
	"net/netip"
	"slices"
)

// rules finds those about two zones: where each of hundreds of zones is closed to
// each other one there are very many.
type rules struct {
	from map[string][]*Rule // by the zone of the originator
	to   map[string][]*Rule // from any zone, by the other one, which may be Any
}

func newRules(closed []Rule) rules {
	x := rules{map[string][]*Rule{}, map[string][]*Rule{}}
	for i := range closed {
		if r := &closed[i]; r.From == Any {
			x.to[r.To] = append(x.to[r.To], r)
		} else {
			x.from[r.From] = append(x.from[r.From], r)
		}
	}
	return x
}

// about returns the rules that may be about connections from one zone to another.
func (x *rules) about(from, to string) [3][]*Rule {
	return [...][]*Rule{x.from[from], x.to[to], x.to[Any]}
}

// close reports whether a rule closes the port of a pair of hosts in two zones.
func (x *rules) close(from, to string, k pair) bool {
	for _, list := range x.about(from, to) {
		for _, r := range list {
			if r.closes(from, to, k.port) && !r.excepts(k.from) {
				return true
			}
		}
	}
	return false
}

// closes reports whether the rule is about these zones and this port.
func (r *Rule) closes(from, to string, port uint16) bool {
	if from == to && (r.From == Any || r.To == Any) {
		return false
	}
	if r.From != from && r.From != Any || r.To != to && r.To != Any {
		return false
	}
	return slices.Contains(r.Ports, port)
}

// excepts reports whether the rule lets an originator through.
func (r *Rule) excepts(from netip.Addr) bool {
	return slices.ContainsFunc(r.Except, func(p netip.Prefix) bool { return p.Contains(from) })
}
