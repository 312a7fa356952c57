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

// An addressList is what a step is to be done to, one per line, to be copied.
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

// advice says what to do now, the most urgent first, with the lists that each
// step is to be done to.
func advice(doc *scope.Document) []step {
	actions := doc.Actions()
	steps := make([]step, 0, len(actions))
	for _, a := range actions {
		s := step{Title: a.Do, Why: sentence(a.How)}
		if more := reasons[a.Kind]; more != "" {
			s.Why = more
		}
		for _, l := range lists(doc, a.Kind) {
			if l.Total > 0 {
				s.Lists = append(s.Lists, l)
			}
		}
		steps = append(steps, s)
	}
	return steps
}

// sentence makes a sentence of words.
func sentence(words string) string {
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:] + "."
}

// reasons are why a step is to be done, where there is more to say than in a
// text of a few lines.
var reasons = map[scope.ActionKind]string{ //nolint:gochecknoglobals // a table
	scope.FindActive:       "They act, or others reach them: the switch port, or the address, is not theirs.",
	scope.Isolate:          "Pull the cable or shut the switch port. Do not reboot or switch off: the memory is evidence, and a restart may run the worm again.",
	scope.ExamineSuspected: "Isolate those that can be spared until they are examined: their own acts look like a worm's, the proof is missing.",
	scope.ExamineExploited: "An exploit got through to them. What it did may not show in the capture: look on the hosts themselves.",
	scope.FindClient:       "The capture does not show who asked them. Capture between the clients and their resolver, too.",
	scope.SayInside:        "They scan or attack others, were attacked, contacted an indicator address, or asked for a kill-switch name, and do not count as inside: neither do those others. Only hosts inside are judged.",
	scope.ClosePorts:       "This stops the spread also to hosts that are not patched yet.",
	scope.ExamineScanners:  "They scanned, and nearly all answered, or they checked for MS17-010 or DoublePulsar. A server that pushes to its clients, or an administrator, does this, and a worm that knows its targets.",
	scope.FixSMBGhost:      "These versions have the flaw. MS17-010 does not close it, nor does switching SMBv1 off. Where the update can't be installed now, switch SMBv3 compression off on the server; clients need the update.",
	scope.InstallPatch:     "Those that the internet reaches come off the net until it is done.",
	scope.KeepKillSwitch:   "Where such a name leads to a web server the worm stops. Let them resolve, if need be to a web server of your own that answers on port 80.",
}

// lists returns what an action is to be done to.
func lists(doc *scope.Document, k scope.ActionKind) []addressList {
	switch k {
	case scope.FindActive:
		return []addressList{listOf("Still active", stillActive(doc))}
	case scope.Isolate:
		return []addressList{listOf("Infected", atLarge(doc, scope.Infected))}
	case scope.LookBehind:
		return []addressList{listOf("Allowed, and suspicious", actingForOthers(doc))}
	case scope.MoveService:
		return []addressList{listOf("Serve others", serving(doc))}
	case scope.ExamineSuspected:
		return []addressList{listOf("Suspected", atLarge(doc, scope.Suspected))}
	case scope.ExamineExploited:
		return []addressList{listOf("Exploited", hostsThat(doc, (*scope.HostEntry).Exploited))}
	case scope.ExamineAttacked:
		return []addressList{listOf("Attacked", hostsThat(doc, (*scope.HostEntry).Attacked))}
	case scope.TakeOffInternet:
		return []addressList{listOf("Answer the internet on the SMB port", hostsThat(doc, func(h *scope.HostEntry) bool { return h.FromInternet }))}
	case scope.FindClient:
		return []addressList{listOf("Asked for others", doc.Behind)}
	case scope.SayInside:
		return []addressList{listOf("Do not count as inside", doc.NotInside)}
	case scope.ClosePorts:
		return []addressList{listOf("Attacks crossed here, most targets first", crossed(doc))}
	case scope.CloseBorders:
		return []addressList{listOf("Closed by policy, and open", openBorders(doc))}
	case scope.BlockScanners:
		return toBlock(doc)
	case scope.ExamineScanners:
		return []addressList{listOf("Scan or check from inside", scannerList(doc.Internal))}
	case scope.FixSMBGhost:
		return ghosts(doc)
	case scope.InstallPatch:
		return unpatched(doc)
	case scope.KeepKillSwitch:
		l := listOf("Asked for here; never block", killSwitches(doc))
		l.Warn = true
		return []addressList{l}
	default:
		return nil
	}
}

// crossed lists the zones between which hosts were attacked.
func crossed(doc *scope.Document) []string {
	var between []scope.ZoneAttack
	for _, a := range doc.Matrix {
		if a.From != a.To {
			between = append(between, a)
		}
	}
	slices.SortStableFunc(between, func(a, b scope.ZoneAttack) int { return cmp.Compare(b.Targets, a.Targets) })
	paths := make([]string, 0, len(between))
	for _, a := range between {
		paths = append(paths, fmt.Sprintf("%s → %s (%s)", a.From, a.To, counted(a.Targets, "host")))
	}
	return paths
}

// openBorders lists the borders that policy closes, and that do not hold.
func openBorders(doc *scope.Document) (list []string) {
	for i := range doc.Borders {
		if b := &doc.Borders[i]; !b.Holds {
			list = append(list, fmt.Sprintf("%s → %s, port %d (%s)", b.From, b.To, b.Port, counted(b.Connections, "connection")))
		}
	}
	return list
}

// stillActive lists the hosts that act although they are marked as isolated.
func stillActive(doc *scope.Document) (list []string) {
	for _, m := range doc.Contradicted(scope.Isolated) {
		list = append(list, m.IP)
	}
	return list
}

// unpatched lists the hosts to patch: known to be vulnerable, open to the
// internet, all others.
func unpatched(doc *scope.Document) []addressList {
	var vulnerable, outside, unknown []string
	for i := range doc.Hosts {
		h := &doc.Hosts[i]
		switch smb := h.AnswersSMB(); {
		case h.Patch == "vulnerable":
			vulnerable = append(vulnerable, h.IP)
		case h.Patch == "patched" || !smb:
		case h.FromInternet:
			outside = append(outside, h.IP)
		default:
			unknown = append(unknown, h.IP)
		}
	}
	return []addressList{
		listOf("Vulnerable", vulnerable),
		listOf("Answer the internet on the SMB port, patch state unknown", outside),
		listOf("Answer on the SMB port, patch state unknown", unknown),
	}
}

// ghosts lists the hosts that SMBGhost was tried on, and others that offer what it
// goes through.
func ghosts(doc *scope.Document) []addressList {
	var attacked, offer []string
	for i := range doc.Hosts {
		switch h := &doc.Hosts[i]; {
		case h.MetSMBGhost():
			attacked = append(attacked, h.IP)
		case h.Asset != nil && h.Asset.Compression:
			offer = append(offer, h.IP)
		}
	}
	return []addressList{
		listOf("Attacked with SMBGhost", attacked),
		listOf("Offer SMBv3 compression, so may have the flaw", offer),
	}
}

// atLarge lists the hosts in a state that are not isolated.
func atLarge(doc *scope.Document, s scope.State) []string {
	return hostsThat(doc, func(h *scope.HostEntry) bool { return h.AtLarge(s) })
}

// serving lists the hosts to isolate that others need, and for what.
func serving(doc *scope.Document) (list []string) {
	for _, h := range doc.Serving() {
		list = append(list, h.IP+" ("+strings.Join(h.Role, ", ")+")")
	}
	return list
}

// actingForOthers lists the allowed scanners and translators that are suspicious.
func actingForOthers(doc *scope.Document) (list []string) {
	for _, h := range doc.ActingForOthers() {
		list = append(list, h.IP)
	}
	return list
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

// toBlock lists the outside scanners to block, and those that must not be.
func toBlock(doc *scope.Document) []addressList {
	block, not := doc.ToBlock()
	kept := make([]string, 0, len(not))
	for _, k := range not {
		kept = append(kept, k.IP+" "+k.Reason)
	}
	never := listOf("Never block", kept)
	never.Warn = true
	return []addressList{listOf("Outside scanners, those that attacked or got answers first", scannerList(block)), never}
}

func scannerList(scanners []scope.Scanner) []string {
	list := make([]string, 0, len(scanners))
	for i := range scanners {
		list = append(list, scanners[i].IP)
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
