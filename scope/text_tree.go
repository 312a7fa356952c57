package scope

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"wormscope/detect/alert"
)

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
	for _, ip := range t.inOrder(slices.Collect(maps.Keys(children))) { // hosts that blame each other: begin anywhere
		if children[ip] != nil {
			b.root(ip)
		}
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
	if b.left--; b.left < 0 {
		b.skipped++
	} else {
		b.wrapped("  "+ip+"  ", b.rootWords(ip))
	}
	b.below(ip, "  ")
}

// rootWords says what is known of a host that infected others, and nobody it.
func (b *branch) rootWords(ip string) string {
	at := slices.IndexFunc(b.doc.Hosts, func(h HostEntry) bool { return h.IP == ip })
	explained := slices.IndexFunc(b.doc.Marks, func(m MarkItem) bool { return m.IP == ip && m.Mark != Isolated })
	switch {
	case explained >= 0 && (at < 0 || b.doc.Hosts[at].State < Suspected):
		return "marked " + b.doc.Marks[explained].Mark.words()
	case at < 0:
		return "outside, or not known to be infected"
	}
	h, words := &b.doc.Hosts[at], "its own infection was not seen"
	if h.PatientZero {
		words = "patient-zero candidate: nobody is known to have infected it"
	}
	if h.Since != nil {
		words += "; active since " + clock(*h.Since)
	}
	return words
}

// below writes those that a host infected.
func (b *branch) below(ip, indent string) {
	if b.left <= 0 {
		b.skip(ip)
		return
	}
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
			b.wrapped(indent+mark+h.IP+"  ", b.causeWords(h))
		}
		b.below(h.IP, indent+next)
	}
}

// skip counts those below a host, when there is no line for them. It does not
// recurse: a chain may be as long as there are hosts.
func (b *branch) skip(ip string) {
	for rest := []string{ip}; len(rest) > 0; {
		last := rest[len(rest)-1]
		rest = rest[:len(rest)-1]
		for _, h := range b.children[last] {
			b.skipped++
			rest = append(rest, h.IP)
		}
		delete(b.children, last)
	}
}

// causeWords says how sure it is who infected a host, what shows it, and who
// else it may have been.
func (t *text) causeWords(h *HostEntry) string {
	by := &h.InfectedBy[0]
	steps := make([]string, 0, len(by.Steps))
	for i := range by.Steps {
		s := &by.Steps[i]
		told := s.words()
		if s.Frame > 0 {
			told += t.frame(s.Frame, s.File)
		}
		steps = append(steps, told)
	}
	words := percent(by.Confidence) + ": " + strings.Join(steps, ", ")
	others := make([]string, 0, len(h.InfectedBy)-1)
	for _, other := range h.InfectedBy[1:] {
		others = append(others, other.IP+" ("+percent(other.Confidence)+")")
	}
	if len(others) == 0 {
		return words
	}
	return words + "; or by " + strings.Join(others, ", ")
}

// words tells a step of a source in a word or two.
func (s *Step) words() string {
	switch s.Fact {
	case kindTargeted.String():
		if s.Port != 0 && !alert.IsSMB(s.Port) {
			return "found its port " + strconv.Itoa(int(s.Port)) + " open"
		}
		return "found its SMB port open"
	case kindExploitAttempted.String():
		return "attacked it"
	case kindExploitCompleted.String():
		return "exploited it"
	case kindImplanted.String():
		return "found the implant"
	case kindExecuted.String():
		return "had it run code"
	case kindPayload.String():
		return "sent the payload"
	default:
		return printable(s.Fact)
	}
}

// percent writes a confidence in per cent, never 100.
func percent(c float64) string { return strconv.Itoa(min(99, int(c*100+0.5))) + tied + "%" }
