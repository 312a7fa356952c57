package scope

import (
	"slices"
	"strings"

	"wormscope/internal/plural"
)

// An Action is one thing to do now.
type Action struct {
	Kind ActionKind
	Do   string // a sentence without its full stop
	How  string // what else it takes, or why; may be empty
}

// ActionKind is a kind of action.
type ActionKind uint8

// The kinds of actions, in the order of urgency.
const (
	FindActive       ActionKind = iota // hosts that should be isolated, and act
	Isolate                            // infected hosts
	MoveService                        // off hosts that others need and that are to be isolated
	LookBehind                         // hosts that act for others
	FindClient                         // of hosts that asked for a kill-switch name for others
	ExamineSuspected                   // hosts
	ExamineExploited                   // hosts
	ExamineAttacked                    // hosts
	TakeOffInternet                    // hosts that answer it on the SMB port
	SayInside                          // which addresses are the institution's
	ClosePorts                         // that the worm goes by
	CloseBorders                       // that policy closes, and that do not hold
	BlockScanners                      // outside
	ExamineScanners                    // inside, that are not suspected
	FixSMBGhost                        // which MS17-010 is not about
	InstallPatch                       // MS17-010
	KeepKillSwitch
)

// Actions says what to do now, the most urgent first.
func (d *Document) Actions() []Action {
	var list []Action
	add := func(k ActionKind, n uint64, do, how string) {
		if n > 0 {
			list = append(list, Action{k, do, how})
		}
	}
	n, way := &d.Totals, d.Way()
	found := uint64(len(d.Contradicted(Isolated)))
	add(FindActive, found, "Find "+counted(found, "host")+" that should be isolated and "+plural.Word(found, "is", "are")+" still active", "")
	infected := d.atLarge(Infected)
	isolate := "Isolate the " + counted(infected, "infected host") + " now"
	if d.anyIsolated(Infected) { // the verdict counts these, too
		isolate = "Isolate now the " + counted(infected, "infected host") + " not marked isolated"
	}
	add(Isolate, infected, isolate, "pull the cable or shut the switch port; do not reboot")
	serving := uint64(len(d.Serving()))
	add(MoveService, serving, counted(serving, "infected or suspected host")+" "+plural.Word(serving, "serves", "serve")+" others, as resolver or file server", "move the service before you pull the cable")
	acting := uint64(len(d.ActingForOthers()))
	add(LookBehind, acting, "Look behind the "+counted(acting, "allowed scanner or translator")+" that "+plural.Word(acting, "looks", "look")+" infected or suspected", "it may be another host's doing")
	if len(d.Behind) > 0 {
		add(FindClient, 1, "Find the host for which "+d.behindWhom()+" asked for a kill-switch name", "its log says who asked, and that host is infected")
	}
	suspected := d.atLarge(Suspected)
	add(ExamineSuspected, suspected, "Isolate or examine the "+counted(suspected, "suspected host"), "")
	add(ExamineExploited, n.Exploited, "Examine the "+counted(n.Exploited, "exploited host"), "an exploit got through, and what it did may not show")
	add(ExamineAttacked, n.Attacked, "Examine the "+counted(n.Attacked, "attacked host"), "of most exploits the capture can't show whether they got through")
	add(TakeOffInternet, n.FromInternet, "Take "+counted(n.FromInternet, "host")+" off the internet at once", "the SMB port answers from outside")
	if n := len(d.NotInside); n > 0 {
		who := d.NotInside[0]
		if n > 1 {
			who += " and " + counted(uint64(n-1), "other host")
		}
		add(SayInside, 1, "Say with --internal which addresses are yours, and look again before you block any", who+" may be")
	}
	if way.Any() {
		add(ClosePorts, 1, "Close TCP "+way.Ports()+" between zones, and to and from the internet", "")
	}
	open := d.openBorders()
	add(CloseBorders, open, "Close the "+counted(open, "border")+" between zones that "+plural.Word(open, "does", "do")+" not hold", "")
	list = append(list, d.blockScanners()...)
	inside := uint64(len(d.Internal))
	add(ExamineScanners, inside, "Examine the "+counted(inside, "inside scanner")+", or name in allow.scanners what is yours", "")
	return append(list, d.repair(&way)...)
}

// repair says which flaws to close, those that the worm goes through as far as it
// shows, and what to leave open.
func (d *Document) repair(way *Way) (list []Action) {
	n := &d.Totals
	if way.Ghost {
		list = append(list, Action{FixSMBGhost, "Install the update for SMBGhost (CVE-2020-0796) on Windows 10 and Server, versions 1903 and 1909", "where it can't be now, switch SMBv3 compression off on the server"})
	}
	if n.SMBExposed > n.Patched && !way.Unlike && (!way.GhostOnly || n.Vulnerable > 0) {
		list = append(list, Action{InstallPatch, "Install MS17-010 and switch SMBv1 off on every host that answers on 445" + n.patchFirst(), ""})
	}
	if d.killSwitchAsked() || len(d.Behind) > 0 || n.Infected > 0 && way.Exploits && !way.GhostOnly {
		list = append(list, Action{KeepKillSwitch, "Never block the kill-switch names", "where they lead to a web server, the worm stops"})
	}
	return list
}

// blockScanners says which outside scanners to block, and which must not be,
// whose addresses are forged in all likelihood.
func (d *Document) blockScanners() []Action {
	block, not := d.ToBlock()
	n, left := uint64(len(block)), uint64(len(not))
	var but string
	if left > 0 {
		but = not[0].IP + ", which " + not[0].Reason
		if left > 1 {
			but += ", and " + grouped(left-1) + " more"
		}
	}
	switch {
	case n+left == 0:
		return nil
	case left == 0:
		return []Action{{BlockScanners, "Block the " + counted(n, "outside scanner") + " at the border", ""}}
	case n == 0:
		return []Action{{BlockScanners, "Do not block the " + counted(left, "outside scanner"), "somebody forges " + but}}
	default:
		return []Action{{BlockScanners, "Block " + grouped(n) + " of the " + counted(n+left, "outside scanner") + " at the border", "but not " + but}}
	}
}

// AtLarge reports whether a host is in a state by its own doing and nobody says
// that it is isolated: one that is, and acts, is to be found first.
func (h *HostEntry) AtLarge(s State) bool {
	return h.State == s && !h.Allowed && !slices.Contains(h.Marks, Isolated)
}

// ActingForOthers lists the infected and suspected hosts that may scan, or act
// for others, by the configuration.
func (d *Document) ActingForOthers() (list []*HostEntry) {
	for i := range d.Hosts {
		if h := &d.Hosts[i]; h.Allowed && h.State >= Suspected {
			list = append(list, h)
		}
	}
	return list
}

// atLarge counts the hosts that are in a state and not isolated.
func (d *Document) atLarge(s State) (n uint64) {
	for i := range d.Hosts {
		if d.Hosts[i].AtLarge(s) {
			n++
		}
	}
	return n
}

// anyIsolated reports whether any host in a state is marked isolated.
func (d *Document) anyIsolated(s State) bool {
	return slices.ContainsFunc(d.Hosts, func(h HostEntry) bool { return h.State == s && slices.Contains(h.Marks, Isolated) })
}

// Serving lists the infected and suspected hosts that others need: resolvers
// and file servers.
func (d *Document) Serving() (list []*HostEntry) {
	for i := range d.Hosts {
		if h := &d.Hosts[i]; len(h.Role) > 0 && (h.AtLarge(Infected) || h.AtLarge(Suspected)) {
			list = append(list, h)
		}
	}
	return list
}

// killSwitchAsked reports whether any host asked for a kill-switch name.
func (d *Document) killSwitchAsked() bool {
	return slices.ContainsFunc(d.Hosts, func(h HostEntry) bool {
		return strings.TrimSpace(h.KillSwitch) != ""
	})
}

// patchFirst says where to begin with the patch.
func (t *Totals) patchFirst() string {
	var first []string
	if t.FromInternet > 0 {
		first = append(first, "where the internet reaches it")
	}
	if t.Vulnerable > 0 {
		first = append(first, "on "+grouped(t.Vulnerable)+" that "+plural.Word(t.Vulnerable, "is", "are")+" known not to be patched")
	}
	if len(first) == 0 {
		return ""
	}
	return ", first " + strings.Join(first, " and ")
}
