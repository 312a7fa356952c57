package scope

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wormscope/detect/alert"
	"wormscope/internal/plural"
)

// targeted writes the hosts that were tried, and did not act up themselves:
// those that were exploited, and the others.
func (t *text) targeted() {
	n := &t.doc.Totals
	t.tried("EXPLOITED, not known to be infected", n.Exploited, true)
	t.tried("TARGETED, no sign of infection", n.Targeted-n.Exploited, false)
}

// tried writes n targeted hosts, either those that were exploited or those
// that were not.
func (t *text) tried(title string, n uint64, exploited bool) {
	if n == 0 {
		return
	}
	t.heading(fmt.Sprintf("%s (%s)", title, grouped(n)))
	shown := 0
	for i := range t.doc.Hosts {
		h := &t.doc.Hosts[i]
		if h.State != Targeted || h.Exploited() != exploited {
			continue
		}
		if shown++; shown > textLines {
			break
		}
		t.hostLine(h, t.received(h))
	}
	t.more(n, textLines)
}

// Exploited reports whether an exploit got through to a host that shows no sign
// of infection.
func (h *HostEntry) Exploited() bool {
	return h.State == Targeted && slices.ContainsFunc(h.Facts, func(f FactItem) bool {
		return f.Fact == kindExploitCompleted.String() && f.Confidence > 0
	})
}

// Attacked reports whether an exploit was tried on a host that shows no sign of
// infection, and is not known to have got through.
func (h *HostEntry) Attacked() bool {
	return h.State == Targeted && !h.Exploited() && slices.ContainsFunc(h.Facts, func(f FactItem) bool {
		return f.Fact == kindExploitAttempted.String() && f.Confidence > 0
	})
}

// MetSMBGhost reports whether SMBGhost was tried on a host, whatever its state.
func (h *HostEntry) MetSMBGhost() bool {
	return slices.ContainsFunc(h.Facts, func(f FactItem) bool {
		return f.Name == alert.NameSMBGhost && f.Fact == kindExploitAttempted.String() && f.Confidence > 0
	})
}

// received tells what was tried on a host, the worst first, and how it is
// patched.
func (t *text) received(h *HostEntry) string {
	var scanners []*FactItem
	told := make([]string, 0, 6)
	lines := h.lines()
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(b.badness(), a.badness()) })
	for i := range lines {
		l := &lines[i]
		switch {
		case l.first.Fact == kindTargeted.String():
			scanners = append(scanners, l.first)
		case l.badness() > 0 && len(told) < 3:
			told = append(told, l.words()+t.frames(l.first))
		}
	}
	if len(told) == 0 && len(scanners) > 0 {
		told = append(told, scanners[0].Detail+t.frames(scanners[0])+h.otherScanners(scanners))
	}
	if s := h.system(); s != "" {
		told = append(told, s)
	}
	return strings.Join(told, "; ")
}

// otherScanners says how many other than the first of those that tried a host
// there are.
func (h *HostEntry) otherScanners(tried []*FactItem) string {
	peers := map[string]bool{}
	for _, f := range tried {
		peers[f.Peer] = true
	}
	n, all := len(peers), h.total(kindTargeted, "")
	if all != nil {
		n = all.Peers
	}
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(", and by %s%d more", all.bound(), n-1)
}

// badness ranks what was done to a host; 0 for what says nothing of it.
func (l *line) badness() int {
	if !l.smb {
		return 0
	}
	switch l.kind {
	case kindExploitCompleted:
		return 5
	case kindExploitAttempted:
		return 4
	case kindProbed:
		return 3
	case kindClean:
		return 2
	case kindPatchUnknown:
		return 1
	default:
		return 0
	}
}

// hostLine writes one host in one line, or a few when the words are long.
func (t *text) hostLine(h *HostEntry, words string) {
	t.wrapped(fmt.Sprintf("  %-15s  %-12s  ", h.IP, printable(h.Zone)), words)
}

// exposed writes the hosts that answer on the SMB port, those that answer to
// the internet first.
func (t *text) exposed() {
	n := t.doc.Totals.SMBExposed
	if n == 0 {
		return
	}
	t.heading(fmt.Sprintf("ANSWER ON THE SMB PORT (%s%s)", grouped(n), t.patchWords()))
	shown := 0
	for _, toInternet := range []bool{true, false} {
		for i := range t.doc.Hosts {
			f := t.doc.Hosts[i].smb()
			if f == nil || f.Outside != toInternet {
				continue
			}
			if shown++; shown <= textLines {
				words := f.Detail + t.frames(f)
				if s := t.doc.Hosts[i].system(); s != "" {
					words += "; " + s
				}
				t.hostLine(&t.doc.Hosts[i], words)
			}
		}
	}
	t.more(n, textLines)
}

// patchWords says how many hosts are known to have the patch of MS17-010, and how
// many not. It names the patch: other worms go through flaws that it does not close.
func (t *text) patchWords() string {
	n := &t.doc.Totals
	var known []string
	if n.Vulnerable > 0 {
		known = append(known, grouped(n.Vulnerable)+" NOT patched")
	}
	if n.Patched > 0 {
		known = append(known, grouped(n.Patched)+" not vulnerable")
	}
	words := ", patch state unknown"
	if len(known) > 0 {
		words = "; MS17-010: " + strings.Join(known, ", ")
	}
	if n.OutOfSupport > 0 {
		words += "; " + grouped(n.OutOfSupport) + " no longer supported"
	}
	return words
}

// AnswersSMB reports whether a host answers on port 445 or 139.
func (h *HostEntry) AnswersSMB() bool { return h.smb() != nil }

// smb returns the fact that a host answers on an SMB port, one that shows it
// reached from outside rather than another; nil when it does not, or not since it
// was reinstalled.
func (h *HostEntry) smb() *FactItem {
	var found *FactItem
	for i := range h.Facts {
		f := &h.Facts[i]
		if f.Fact == kindExposed.String() && f.Confidence > 0 && alert.IsSMB(f.Port) && (found == nil || f.Outside && !found.Outside) {
			found = f
		}
	}
	return found
}

// borders writes whether the borders that policy closes hold.
func (t *text) borders() {
	list := t.doc.Borders
	if len(list) == 0 {
		return
	}
	t.heading("BORDERS THAT POLICY CLOSES")
	for i := range list[:min(len(list), textHosts)] {
		b := &list[i]
		lead := fmt.Sprintf("  %s -> %s, port %d  ", printable(b.From), printable(b.To), b.Port)
		tried := fmt.Sprintf("%s refused, %s silent", grouped(b.Refused), grouped(b.Silent))
		if b.Holds {
			t.wrapped(lead, "holds: every attempt failed, "+tried)
			continue
		}
		t.wrapped(lead, fmt.Sprintf("OPEN: %s accepted between %s of hosts; besides, %s",
			counted(b.Connections, "connection"), counted(uint64(len(b.Pairs))+b.Left, "pair"), tried))
		for _, c := range b.Pairs[:min(len(b.Pairs), textFacts)] {
			t.wrapped("    - ", fmt.Sprintf("%s to %s %s, %s", c.From, c.To, often(c.Count), period(c.First, c.Last)))
		}
	}
	t.more(uint64(len(list)), textHosts)
}

// zones writes a table of the states by zone, when there is more than one zone
// and anything to count.
func (t *text) zones() {
	if len(t.doc.Zones) < 2 || len(t.doc.Hosts) == 0 {
		return
	}
	t.heading("BY ZONE")
	width := len("zone")
	for i := range t.doc.Zones {
		width = max(width, len([]rune(printable(t.doc.Zones[i].Name))))
	}
	width = min(width, 30)
	t.printf("  %-*s  %9s  %9s  %9s  %9s  %9s\n", width, "zone", "infected", "suspected", "targeted", "SMB open", "to outside")
	for i := range t.doc.Zones {
		z := &t.doc.Zones[i]
		t.printf("  %-*s  %9s  %9s  %9s  %9s  %9s\n", width, shortened(printable(z.Name), width),
			grouped(z.Hosts.Infected), grouped(z.Hosts.Suspected), grouped(z.Hosts.Targeted),
			grouped(z.SMBExposed), grouped(z.FromInternet))
	}
}

// BlindSpots says in sentences, without a full stop, what the capture could not
// show. The last two always hold.
func (d *Document) BlindSpots() []string {
	c := &d.Capture
	var spots []string
	if c.Dropped > 0 {
		spots = append(spots, counted(c.Dropped, "packet")+plural.Word(c.Dropped, " was dropped before it was captured", " were dropped before they were captured")+share(c.Dropped, c.Dropped+c.Packets))
	}
	for _, reason := range slices.Sorted(maps.Keys(c.Undecoded)) {
		if n := c.Undecoded[reason]; n > 0 {
			spots = append(spots, counted(n, "frame")+" not decoded: "+printable(reason)+share(n, c.Packets))
		}
	}
	for _, w := range c.Warnings {
		spots = append(spots, printable(w))
	}
	return append(spots, "scans over UDP, which are not looked for",
		"whatever did not pass the point of capture, and what happened before and after it")
}

// blindSpots writes what the capture could not show.
func (t *text) blindSpots() {
	t.heading("NOT SEEN")
	for _, s := range t.doc.BlindSpots() {
		t.wrapped("  - ", s)
	}
}

// share writes n of all in per cent, when it is worth saying. What is not all is
// less than 100.
func share(n, all uint64) string {
	if all == 0 || n*1000 < all {
		return ""
	}
	percent := float64(n) * 100 / float64(all)
	if n < all {
		percent = min(percent, 99.9)
	}
	return " (" + strconv.FormatFloat(percent, 'f', 1, 64) + " %)"
}

// advice says what to do now.
func (t *text) advice() {
	steps := t.doc.Actions()
	if len(steps) == 0 {
		return
	}
	t.heading("WHAT TO DO NOW")
	for i, s := range steps {
		if s.How != "" {
			s.Do += ": " + s.How
		}
		t.wrapped(fmt.Sprintf("  %d. ", i+1), s.Do+".")
	}
}
