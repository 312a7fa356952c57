package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wormscope/scope"
)

// A step is one thing to do now.
type step struct {
	Title string
	Why   string
	Lists []addressList
}

// An addressList is what a step is to be done to, one a line, to be copied.
type addressList struct {
	Label string
	Items []string // at most maxListed
	Total int
	Warn  bool // a list of what must not be done to
}

// Text returns the list as lines.
func (l addressList) Text() string { return strings.Join(l.Items, "\n") }

// First returns the first few items.
func (l addressList) First() []string { return l.Items[:min(len(l.Items), 8)] }

// More returns how many there are beyond First.
func (l addressList) More() int { return l.Total - len(l.First()) }

// listOf makes a list; what is too much for it counts in its total.
func listOf(label string, items []string) addressList {
	l := addressList{Label: label, Items: items[:min(len(items), maxListed)], Total: len(items)}
	for i, s := range l.Items {
		l.Items[i] = clean(s)
	}
	return l
}

// advice says what to do, the most urgent first.
func advice(doc *scope.Document) []step {
	var steps []step
	n := &doc.Totals
	if n.Infected > 0 {
		steps = append(steps, step{
			Title: "Isolate the " + counted(n.Infected, "infected host"),
			Why:   "Pull the cable or shut the switch port. Do not reboot or switch off: the memory is evidence, and a restart may run the worm again.",
			Lists: []addressList{listOf("Infected", inState(doc, scope.Infected))},
		})
	}
	if n.Suspected > 0 {
		steps = append(steps, step{
			Title: "Examine the " + counted(n.Suspected, "suspected host"),
			Why:   "Isolate those that can be spared until they are examined: their own acts look like a worm's, the proof is missing.",
			Lists: []addressList{listOf("Suspected", inState(doc, scope.Suspected))},
		})
	}
	if n.Exploited > 0 {
		steps = append(steps, step{
			Title: "Examine the " + counted(n.Exploited, "exploited host"),
			Why:   "An exploit got through to them. What it did may not show in the capture: look on the hosts themselves.",
			Lists: []addressList{listOf("Exploited", hostsThat(doc, (*scope.HostEntry).Exploited))},
		})
	}
	if n.Infected+n.Suspected+n.Targeted+n.SMBExposed > 0 {
		steps = append(steps, closePorts(doc))
	}
	if len(doc.External) > 0 {
		steps = append(steps, step{
			Title: "Block the " + counted(len(doc.External), "outside scanner") + " at the border",
			Why:   "Those that got answers come first.",
			Lists: []addressList{listOf("Outside scanners", scannerList(doc))},
		})
	}
	if s, ok := patch(doc); ok {
		steps = append(steps, s)
	}
	if names := killSwitches(doc); n.Infected > 0 || len(names) > 0 {
		s := step{
			Title: "Keep the kill-switch names reachable",
			Why:   "Never block them: where such a name leads to a web server the worm stops. Let them resolve, if need be to a web server of your own that answers on port 80.",
		}
		if len(names) > 0 {
			l := listOf("Asked for here; never block", names)
			l.Warn = true
			s.Lists = append(s.Lists, l)
		}
		steps = append(steps, s)
	}
	return steps
}

// closePorts is the step that takes the worm its way, first where it went.
func closePorts(doc *scope.Document) step {
	s := step{
		Title: "Close TCP 445 and 139 between zones, and to and from the internet",
		Why:   "This stops the spread also to hosts that are not patched yet.",
	}
	var crossed []scope.ZoneAttack
	for _, a := range doc.Matrix {
		if a.From != a.To {
			crossed = append(crossed, a)
		}
	}
	slices.SortStableFunc(crossed, func(a, b scope.ZoneAttack) int { return cmp.Compare(b.Targets, a.Targets) })
	paths := make([]string, 0, len(crossed))
	for _, a := range crossed {
		paths = append(paths, fmt.Sprintf("%s → %s (%s)", a.From, a.To, counted(a.Targets, "host")))
	}
	if len(paths) > 0 {
		s.Lists = append(s.Lists, listOf("Attacks crossed here, most targets first", paths))
	}
	return s
}

// patch is the step that takes the worm its hosts: known to be vulnerable,
// open to the internet, all others.
func patch(doc *scope.Document) (step, bool) {
	var vulnerable, outside, unknown []string
	for i := range doc.Hosts {
		h := &doc.Hosts[i]
		smb, fromOutside := answersSMB(h)
		switch {
		case h.Patch == "vulnerable":
			vulnerable = append(vulnerable, h.IP)
		case h.Patch == "patched" || !smb:
		case fromOutside:
			outside = append(outside, h.IP)
		default:
			unknown = append(unknown, h.IP)
		}
	}
	total := len(vulnerable) + len(outside) + len(unknown)
	if total == 0 {
		return step{}, false
	}
	s := step{
		Title: "Install MS17-010 and switch SMBv1 off on " + counted(total, "host"),
		Why:   "Take off the net what the internet reaches until it is done.",
	}
	for _, l := range []addressList{
		listOf("Vulnerable", vulnerable),
		listOf("Answer the internet on the SMB port, patch state unknown", outside),
		listOf("Answer on the SMB port, patch state unknown", unknown),
	} {
		if l.Total > 0 {
			s.Lists = append(s.Lists, l)
		}
	}
	return s, true
}

// answersSMB reports whether a host answers on port 445 or 139, and whether
// to outside.
func answersSMB(h *scope.HostEntry) (smb, fromOutside bool) {
	for i := range h.Facts {
		if f := &h.Facts[i]; f.Fact == "exposed" && (f.Port == 445 || f.Port == 139) {
			smb = true
			fromOutside = fromOutside || f.Outside
		}
	}
	return smb, fromOutside
}

// inState lists the hosts in a state.
func inState(doc *scope.Document, s scope.State) []string {
	return hostsThat(doc, func(h *scope.HostEntry) bool { return h.State == s })
}

// hostsThat lists the hosts of which something is so.
func hostsThat(doc *scope.Document, are func(*scope.HostEntry) bool) []string {
	var list []string
	for i := range doc.Hosts {
		if h := &doc.Hosts[i]; are(h) {
			list = append(list, h.IP)
		}
	}
	return list
}

func scannerList(doc *scope.Document) []string {
	list := make([]string, 0, len(doc.External))
	for i := range doc.External {
		list = append(list, doc.External[i].IP)
	}
	return list
}

// killSwitches returns the kill-switch names that hosts asked for.
func killSwitches(doc *scope.Document) []string {
	names := map[string]bool{}
	for i := range doc.Hosts {
		for j := range doc.Hosts[i].Facts {
			if f := &doc.Hosts[i].Facts[j]; f.Class == "kill-switch" {
				names[f.Indicator] = true
			}
		}
	}
	list := make([]string, 0, len(names))
	for name := range names {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
