package report

import (
	"cmp"
	"slices"
	"time"

	"wormscope/scope"
)

// A node is one host of the infection tree, or a group of hosts that was
// folded into one row.
type node struct {
	host     *scope.HostEntry // nil for a source that the document does not list, and for groups
	name     string           // address; empty for groups
	state    scope.State      // of a group, the worst
	from, to time.Time        // first and last act
	parent   *node            // the best earlier source; nil when none is known
	sure     float64          // confidence in parent
	other    *node            // the second best
	kids     []*node          // latest first, so that no line crosses another
	members  []*node          // of a group
	depth    int
}

// size returns how many hosts a node stands for.
func (n *node) size() int { return max(1, len(n.members)) }

// A forest is who infected whom. Roots are hosts whose source is not known.
type forest struct {
	roots []*node // earliest first
	alone []*node // roots that infected nobody, as far as is known; earliest first
	hosts int     // in all
	edges int     // hosts whose source is known
}

// newForest plants the infected and suspected hosts, and all others that have
// a source.
func newForest(doc *scope.Document) *forest {
	nodes, byIP := plant(doc)
	position := make(map[*node]int, len(nodes))
	for i, n := range nodes {
		position[n] = i
	}
	f := &forest{hosts: len(nodes)}
	for _, n := range nodes {
		if n.host != nil {
			n.attach(byIP, position)
		}
		if n.parent != nil {
			f.edges++
		}
	}
	for _, n := range nodes {
		slices.Reverse(n.kids) // they came earliest first
		switch {
		case n.parent != nil:
		case len(n.kids) == 0:
			f.alone = append(f.alone, n)
		default:
			f.roots = append(f.roots, n)
		}
	}
	for _, r := range f.roots {
		r.deepen()
	}
	return f
}

// plant makes the nodes, in the order of time.
func plant(doc *scope.Document) ([]*node, map[string]*node) {
	var nodes []*node
	byIP := map[string]*node{}
	for i := range doc.Hosts {
		h := &doc.Hosts[i]
		if h.State < scope.Suspected && len(h.InfectedBy) == 0 {
			continue
		}
		n := &node{host: h, name: h.IP, state: h.State, from: h.FirstSeen, to: h.LastSeen}
		if h.Since != nil {
			n.from = *h.Since
		}
		n.to = latest(n.from, n.to)
		nodes = append(nodes, n)
		byIP[h.IP] = n
	}
	for _, n := range slices.Clone(nodes) {
		for _, s := range n.host.InfectedBy {
			known := byIP[s.IP]
			if known == nil {
				known = &node{name: s.IP, from: n.from, to: n.from}
				byIP[s.IP] = known
				nodes = append(nodes, known)
			}
			if known.host == nil { // known by those it infected only
				known.from, known.to = earliest(known.from, n.from), latest(known.to, n.from)
			}
		}
	}
	slices.SortStableFunc(nodes, func(a, b *node) int {
		return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.sources(), b.sources()), cmp.Compare(a.name, b.name))
	})
	return nodes, byIP
}

// sources returns how many hosts may have infected this one.
func (n *node) sources() int {
	if n.host == nil {
		return 0
	}
	return len(n.host.InfectedBy)
}

// attach gives a node its parent: of the sources that acted before it, the
// most certain one. As parents come earlier there can be no circle.
func (n *node) attach(byIP map[string]*node, position map[*node]int) {
	list := slices.Clone(n.host.InfectedBy)
	slices.SortStableFunc(list, func(a, b scope.Source) int { return cmp.Compare(b.Confidence, a.Confidence) })
	for _, s := range list {
		p := byIP[s.IP]
		switch {
		case position[p] >= position[n]:
		case n.parent == nil:
			n.parent, n.sure = p, s.Confidence
			p.kids = append(p.kids, n)
		case n.other == nil && p != n.parent:
			n.other = p
		}
	}
}

// deepen numbers the generations below a root. It does not recurse: a chain
// may be as long as there are hosts.
func (n *node) deepen() {
	for list := []*node{n}; len(list) > 0; {
		last := list[len(list)-1]
		list = list[:len(list)-1]
		for _, k := range last.kids {
			k.depth = last.depth + 1
			list = append(list, k)
		}
	}
}

// walk returns the nodes below and including the roots, each before its
// children.
func walk(roots []*node) []*node {
	var out []*node
	var list []*node
	for _, r := range slices.Backward(roots) {
		list = append(list, r)
	}
	for len(list) > 0 {
		n := list[len(list)-1]
		list = list[:len(list)-1]
		out = append(out, n)
		for _, k := range slices.Backward(n.kids) {
			list = append(list, k)
		}
	}
	return out
}
