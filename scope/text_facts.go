package scope

import (
	"fmt"
	"slices"
	"strings"

	"wormscope/detect/alert"
)

// A line is what the text summary says of one or several facts about a host
// that tell the same of different peers.
type line struct {
	first  *FactItem
	kind   kind
	smb    bool
	peers  []string
	names  []string // of marks
	count  uint64
	counts bool // speaks against the host
}

// lines gathers the facts about a host, in the order of their first.
func (h *HostEntry) lines() []line {
	var list []line
	for i := range h.Facts {
		f := &h.Facts[i]
		k, smb := smbKindNamed(f.Fact)
		if h.saidBetter(k) {
			continue
		}
		at := slices.IndexFunc(list, func(l line) bool {
			return smb && l.smb && l.kind == k && (k == kindMark || l.first.Name == f.Name)
		})
		if at < 0 {
			list = append(list, line{first: f, kind: k, smb: smb})
			at = len(list) - 1
		}
		list[at].add(f)
	}
	return list
}

// saidBetter reports whether another fact about the host says more than those
// of a kind.
func (h *HostEntry) saidBetter(k kind) bool {
	return k == kindExecuted && slices.ContainsFunc(h.Facts, func(f FactItem) bool { return f.Fact == kindPayload.String() })
}

// smbKindNamed returns the kind of facts from SMB that a word of the scope
// document stands for.
func smbKindNamed(word string) (kind, bool) {
	for k := kindVulnerable; k < kindCount; k++ {
		if k.String() == word {
			return k, true
		}
	}
	return 0, false
}

// add gathers one fact.
func (l *line) add(f *FactItem) {
	l.count += f.Count
	l.counts = l.counts || f.Counts
	if f.Peer != "" && !slices.Contains(l.peers, f.Peer) {
		l.peers = append(l.peers, f.Peer)
	}
	if !slices.Contains(l.names, f.Name) {
		l.names = append(l.names, f.Name)
	}
}

// words tells the line as the predicate of a sentence about its host.
func (l *line) words() string {
	if !l.smb {
		return l.first.Detail
	}
	peer := "an unknown host"
	switch {
	case len(l.peers) > 1:
		peer = grouped(len(l.peers)) + " hosts"
	case len(l.peers) == 1:
		peer = l.peers[0]
	}
	return smbSentence(l.kind, strings.Join(l.names, ", "), peer, l.count)
}

// system says in a few words what a host is and how it is patched; empty
// where nothing is known.
func (h *HostEntry) system() string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if a := h.Asset; a != nil {
		add(a.title())
		add(a.title2())
		if a.Affected {
			add("treated as affected whenever SMB is on")
		}
		if a.OutOfSupport {
			add("no longer supported")
		}
		if a.SMB1 {
			add("SMB1 is on")
		}
	}
	switch alert.Patch(h.Patch) {
	case alert.PatchVulnerable:
		add("NOT PATCHED against MS17-010")
	case alert.PatchPatched:
		add("not vulnerable to MS17-010")
	case alert.PatchUnknown:
	}
	return strings.Join(parts, "; ")
}

// title names a system, with its build.
func (a *AssetEntry) title() string {
	name := ""
	switch {
	case a.Product != nil:
		name = shortened(printable(a.Product.Value), 40)
	case a.OS != nil:
		name = shortened(printable(a.OS.Value), 40)
	}
	if a.Build == nil {
		return name
	}
	if name == "" {
		return "build " + printable(a.Build.Value)
	}
	return name + " (" + printable(a.Build.Value) + ")"
}

// title2 names the machine and its domain.
func (a *AssetEntry) title2() string {
	var s string
	if a.Name != nil {
		s = shortened(printable(a.Name.Value), 30)
	}
	if a.Domain != nil && (a.Name == nil || a.Domain.Value != a.Name.Value) {
		s = strings.TrimSpace(s + " in domain " + shortened(printable(a.Domain.Value), 30))
	}
	return s
}

// tree writes who infected whom, as far as the capture shows, when it shows
// anything of it.
func (t *text) tree() {
	children := map[string][]*HostEntry{}
	var roots []string // hosts that infected others, and nobody them
	for i := range t.doc.Hosts {
		if h := &t.doc.Hosts[i]; len(h.InfectedBy) > 0 {
			by := h.InfectedBy[0].IP
			children[by] = append(children[by], h)
		}
	}
	if len(children) == 0 {
		return
	}
	infected := map[string]bool{}
	for _, list := range children {
		for _, h := range list {
			infected[h.IP] = true
		}
	}
	for by := range children {
		if !infected[by] {
			roots = append(roots, by)
		}
	}
	t.heading("WHO INFECTED WHOM, as far as the capture shows")
	b := branch{text: t, children: children, left: textTree}
	for _, ip := range t.inOrder(roots) {
		b.root(ip)
	}
	if n := b.skipped; n > 0 {
		t.printf("  ... and %s more: %s\n", grouped(n), textSeeMore)
	}
}

// textTree is how many lines of the tree are shown.
const textTree = 30

// inOrder sorts addresses as the hosts of the document, those that are no
// hosts of it last.
func (t *text) inOrder(ips []string) []string {
	rank := make(map[string]int, len(t.doc.Hosts))
	for i := range t.doc.Hosts {
		rank[t.doc.Hosts[i].IP] = i + 1
	}
	slices.SortFunc(ips, func(a, b string) int {
		ra, rb := rank[a], rank[b]
		switch {
		case ra != 0 && rb != 0:
			return ra - rb
		case ra != rb:
			return rb - ra
		default:
			return strings.Compare(a, b)
		}
	})
	return ips
}

// A branch writes the tree of infections.
type branch struct {
	*text
	children map[string][]*HostEntry
	left     int    // lines that may be written
	skipped  uint64 // hosts for which there were none
}

// root writes a host that nobody infected, and those below it.
func (b *branch) root(ip string) {
	words := "outside, or not known to be infected"
	for i := range b.doc.Hosts {
		if h := &b.doc.Hosts[i]; h.IP == ip {
			words = "its own infection was not seen"
			if h.PatientZero {
				words = "patient-zero candidate: nobody is known to have infected it"
			}
			if h.Since != nil {
				words += "; active since " + clock(*h.Since)
			}
			break
		}
	}
	if b.left--; b.left < 0 {
		b.skipped++
	} else {
		b.wrapped("  "+ip+"  ", words)
	}
	b.below(ip, "  ")
}

// below writes those that a host infected.
func (b *branch) below(ip, indent string) {
	list := b.children[ip]
	delete(b.children, ip) // so that nothing is written twice
	for i, h := range list {
		mark, next := "├─ ", "│  "
		if i == len(list)-1 {
			mark, next = "└─ ", "   "
		}
		if b.left--; b.left < 0 {
			b.skipped++
		} else {
			b.wrapped(indent+mark+h.IP+"  ", h.causeWords())
		}
		b.below(h.IP, indent+next)
	}
}

// causeWords says how sure it is who infected a host, what shows it, and who
// else it may have been.
func (h *HostEntry) causeWords() string {
	by := &h.InfectedBy[0]
	steps := make([]string, 0, len(by.Steps))
	for _, s := range by.Steps {
		told := stepWords(s.Fact)
		if s.Frame > 0 {
			told += fmt.Sprintf(" [frame"+tied+"%d]", s.Frame)
		}
		steps = append(steps, told)
	}
	words := fmt.Sprintf("%s%s%%: %s", percent(by.Confidence), tied, strings.Join(steps, ", "))
	for i, other := range h.InfectedBy[1:] {
		lead := "; or by "
		if i > 0 {
			lead = ", "
		}
		words += fmt.Sprintf("%s%s (%s%s%%)", lead, other.IP, percent(other.Confidence), tied)
	}
	return words
}

// stepWords tells a step of a source in a word or two.
func stepWords(word string) string {
	switch word {
	case kindTargeted.String():
		return "found its SMB port open"
	case kindExploitAttempted.String():
		return "attacked it"
	case kindExploitCompleted.String():
		return "exploited it"
	case kindImplanted.String():
		return "found the implant"
	case kindExecuted.String(), kindPayload.String():
		return "sent the payload"
	default:
		return printable(word)
	}
}

// percent writes a confidence in per cent, never 100.
func percent(c float64) string { return fmt.Sprint(min(99, int(c*100+0.5))) }
