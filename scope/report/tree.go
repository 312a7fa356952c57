package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wormscope/scope"
)

// A tree is the forest laid out: one row a host, time from left to right, a
// line down from a host to each that it infected.
type tree struct {
	Width, Height float64
	Left, Right   float64 // of the plot
	Top, Bottom   float64
	Times         []tick
	Rows          []treeRow
	Drops         []drop
	Folded        bool // not every host has a row
	Edges         int  // hosts whose source is known
	ZoneEnd       float64
	Candidates    bool // there are patient-zero candidates
	Alone         int  // hosts of which neither source nor offspring is known
}

// A treeRow is one host, or a group of hosts.
type treeRow struct {
	Y         float64 // of the row's middle
	Indent    float64 // where its name begins
	Name      string
	Zone      string
	Link      string // fragment of the host's row; empty when it has none
	State     string
	From, To  float64   // the host's first and last act
	Line      float64   // to where its line must go for those it infected
	Marks     []float64 // of a group: when its hosts began
	Title     string
	Candidate bool // may be patient zero
}

// A drop is a line from a source to the host that it infected.
type drop struct {
	X, From, To float64
	Weak        bool // the second best source
	Title       string
}

// Measures of the tree, in pixels.
const (
	treeWidth  = 1120
	treeGutter = 300 // for names
	rowHeight  = 24
	treeTop    = 44
	indentStep = 12
	maxIndent  = 8 // generations
)

// showAlone is up to how many hosts without any relation have a row each;
// more are drawn in one row a zone.
const showAlone = 12

// newTree lays the infection tree out, nil when there is no host for it.
func newTree(doc *scope.Document) *tree {
	f := newForest(doc)
	if f.hosts == 0 {
		return nil
	}
	t := &tree{Width: treeWidth, Left: treeGutter, Right: treeWidth - 24, Top: treeTop, ZoneEnd: treeGutter - 20, Edges: f.edges, Alone: len(f.alone)}
	before := len(walk(f.roots))
	f.fold()
	nodes := append(walk(f.roots), f.lanes()...)
	t.Folded = len(walk(f.roots)) < before
	first, last := nodes[0].from, nodes[0].to
	for _, n := range nodes {
		first, last = earliest(first, n.from), latest(last, n.to)
	}
	x := newAxis(first, last, t.Left, t.Right)
	t.Times = x.ticks(8)
	rowOf := make(map[*node]int, len(nodes))
	for i, n := range nodes {
		rowOf[n] = i
		t.Rows = append(t.Rows, newRow(n, treeTop+rowHeight*(float64(i)+.5), x))
		t.Candidates = t.Candidates || t.Rows[i].Candidate
	}
	for i, n := range nodes {
		t.connect(n, i, rowOf)
	}
	t.Bottom = treeTop + rowHeight*float64(len(nodes))
	t.Height = t.Bottom + 8
	return t
}

// lanes returns the rows of hosts without relations: their own, or where there
// are many, one a zone.
func (f *forest) lanes() []*node {
	if len(f.alone) <= showAlone {
		return f.alone
	}
	byZone := map[string][]*node{}
	for _, n := range f.alone {
		zone := ""
		if n.host != nil {
			zone = n.host.Zone
		}
		byZone[zone] = append(byZone[zone], n)
	}
	lanes := make([]*node, 0, len(byZone))
	for _, list := range byZone {
		lanes = append(lanes, group(nil, list))
	}
	slices.SortFunc(lanes, func(a, b *node) int {
		return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.members[0].name, b.members[0].name))
	})
	return lanes
}

// newRow draws one node.
func newRow(n *node, y float64, x axis) treeRow {
	r := treeRow{
		Y: y, Indent: 16 + indentStep*float64(min(n.depth, maxIndent)),
		State: n.state.String(), From: x.x(n.from), To: x.x(n.to), Line: x.x(n.from),
	}
	for _, k := range n.kids {
		r.Line = max(r.Line, x.x(k.from))
	}
	switch {
	case len(n.members) > 0:
		r.fillGroup(n, x)
	case n.host == nil:
		r.Name, r.Zone, r.State = clean(n.name), "not in this report", "unknown"
		r.Title = r.Name + ": the source of others, itself not listed"
	default:
		r.Name, r.Zone, r.Link = clean(n.name), clean(n.host.Zone), "#"+hostID(n.name)
		r.Candidate = n.host.PatientZero
		r.Title = fmt.Sprintf("%s, %s since %s", r.Name, n.state, clock(n.from))
		if n.parent != nil {
			r.Title += fmt.Sprintf("; infected by %s (%d %% sure)", n.parent.label(), percent(n.sure))
		}
	}
	r.fit()
	return r
}

// Widths of characters, in pixels, rounded up.
const (
	nameChar = 7.4
	zoneChar = 7.0
)

// fit cuts the name to the room that it has, and leaves the zone out where
// there is none for it.
func (r *treeRow) fit() {
	room := treeGutter - 20 - r.Indent
	name := []rune(r.Name)
	if most := int(room / nameChar); len(name) > most {
		name = append(name[:most-1], '…')
		r.Name = string(name)
	}
	left := room - nameChar*float64(len(name)) - 10
	zone := []rune(r.Zone)
	switch most := int(left / zoneChar); {
	case len(zone) <= most:
	case most < 6:
		r.Zone = ""
	default:
		r.Zone = string(zone[:most-1]) + "…"
	}
}

// label names a node in a sentence.
func (n *node) label() string {
	if n.name == "" {
		return counted(n.size(), "host")
	}
	return clean(n.name)
}

// titleNames is how many hosts of a group its title names.
const titleNames = 20

// fillGroup draws a group: a mark for each host, where it does not cover
// another.
func (r *treeRow) fillGroup(n *node, x axis) {
	zones := map[string]int{}
	var names []string
	for _, m := range n.members {
		if at := x.x(m.from); len(r.Marks) == 0 || at-r.Marks[len(r.Marks)-1] >= 2 {
			r.Marks = append(r.Marks, at)
		}
		if m.host != nil {
			zones[m.host.Zone]++
		}
		if len(names) < titleNames {
			names = append(names, clean(m.name))
		}
	}
	r.Name = counted(len(n.members), "host")
	r.Zone = fmt.Sprintf("%d zones", len(zones))
	for zone := range zones {
		if len(zones) == 1 {
			r.Zone = clean(zone)
		}
	}
	r.Title = r.Name + ": " + strings.Join(names, ", ")
	if more := len(n.members) - len(names); more > 0 {
		r.Title += fmt.Sprintf(" and %d more", more)
	}
}

// connect draws the lines that lead to a node.
func (t *tree) connect(n *node, row int, rowOf map[*node]int) {
	to := &t.Rows[row]
	if n.parent != nil {
		if from, ok := rowOf[n.parent]; ok {
			t.Drops = append(t.Drops, drop{X: to.From, From: t.Rows[from].Y, To: to.Y, Title: to.Title})
		}
	}
	if n.other == nil || t.Folded { // too many to tell them apart
		return
	}
	if from, ok := rowOf[n.other]; ok {
		at := tenth(max(t.Left, to.From-5))
		t.Rows[from].Line = max(t.Rows[from].Line, at)
		t.Drops = append(t.Drops, drop{
			X: at, From: t.Rows[from].Y, To: to.Y, Weak: true,
			Title: n.label() + ": may also have been infected by " + n.other.label(),
		})
	}
}

// hostID is the id of a host's row in the page, for links to it.
func hostID(ip string) string { return "host-" + ip }
