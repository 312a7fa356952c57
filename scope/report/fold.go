package report

import (
	"cmp"
	"slices"
)

// maxRows is how many rows the infection tree has at most. A larger one is
// folded: first the hosts that infected nobody and share a source, the largest
// such groups first; then all that is below some generation; then the smallest
// trees.
const maxRows = 300

// fold brings a forest to at most maxRows rows.
func (f *forest) fold() {
	all := walk(f.roots)
	rows := foldLeaves(all, len(all))
	if rows > maxRows {
		rows = f.foldBranches()
	}
	if rows > maxRows {
		f.foldRoots()
	}
}

// foldLeaves makes a group of the children of one node that have none.
func foldLeaves(all []*node, rows int) int {
	leaves := make(map[*node]int)
	var parents []*node
	for _, n := range all {
		for _, k := range n.kids {
			if len(k.kids) == 0 {
				leaves[n]++
			}
		}
		if leaves[n] > 1 {
			parents = append(parents, n)
		}
	}
	slices.SortStableFunc(parents, func(a, b *node) int { return cmp.Compare(leaves[b], leaves[a]) })
	for _, n := range parents {
		if rows <= maxRows {
			break
		}
		var kept, folded []*node
		for _, k := range n.kids {
			if len(k.kids) == 0 {
				folded = append(folded, k)
			} else {
				kept = append(kept, k)
			}
		}
		n.kids = append(kept, group(n, folded))
		n.sortKids()
		rows -= len(folded) - 1
	}
	return rows
}

// foldBranches makes a group of all that is below each host of a generation:
// the latest for which there is room, or else the first.
func (f *forest) foldBranches() int {
	var nodes, inner []int // by generation; inner ones have children
	all := walk(f.roots)
	for _, n := range all {
		for len(nodes) <= n.depth {
			nodes, inner = append(nodes, 0), append(inner, 0)
		}
		nodes[n.depth]++
		if len(n.kids) > 0 {
			inner[n.depth]++
		}
	}
	last, rows, above := 0, 0, 0
	for depth := range nodes {
		above += nodes[depth]
		if depth == 0 || above+inner[depth] <= maxRows {
			last, rows = depth, above+inner[depth]
		}
	}
	for _, n := range all {
		if n.depth != last {
			continue
		}
		if below := walk(n.kids); len(below) > 1 {
			n.kids = []*node{group(n, below)}
		}
	}
	return rows
}

// foldRoots keeps the largest trees and makes one group of the others.
func (f *forest) foldRoots() {
	bySize := slices.Clone(f.roots)
	weight := func(r *node) int {
		n := 1
		for _, k := range r.kids {
			n += k.size()
		}
		return n
	}
	slices.SortStableFunc(bySize, func(a, b *node) int { return cmp.Compare(weight(b), weight(a)) })
	kept := min(len(bySize), maxRows/2-1) // a root and its group each
	rest := group(nil, walk(bySize[kept:]))
	f.roots = append(bySize[:kept:kept], rest)
	slices.SortStableFunc(f.roots, func(a, b *node) int { return a.from.Compare(b.from) })
}

// group makes one node of several; groups among them are dissolved. What they
// had below them goes with them.
func group(parent *node, list []*node) *node {
	g := &node{parent: parent}
	if parent != nil {
		g.depth = parent.depth + 1
	}
	for _, n := range list {
		if len(n.members) > 0 {
			g.members = append(g.members, n.members...)
		} else {
			g.members = append(g.members, n)
		}
	}
	slices.SortStableFunc(g.members, func(a, b *node) int { return a.from.Compare(b.from) })
	g.from, g.to = g.members[0].from, g.members[0].to
	for _, n := range g.members {
		g.state = max(g.state, n.state)
		g.to = latest(g.to, n.to)
	}
	return g
}

// sortKids puts the latest first.
func (n *node) sortKids() {
	slices.SortStableFunc(n.kids, func(a, b *node) int { return b.from.Compare(a.from) })
}
