package scope

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"wormscope/internal/plural"
)

// Measures of the text summary: its width in characters, and how many hosts,
// scanners and the like it shows before it says "and N more".
const (
	textWidth   = 100
	textHosts   = 20
	textLines   = 10 // outside scanners, exposed hosts, attacks
	textFacts   = 8  // facts of one host
	textSeeMore = "see --scope FILE for all"
)

// WriteText writes the scope for a person in a hurry: the verdict in the first
// line, then the hosts behind it, what the capture could not show, and what to
// do now. It is at most 100 characters wide, apart from addresses and names
// that are longer, and in plain UTF-8.
func WriteText(w io.Writer, d *Document) error {
	t := &text{doc: d, folder: d.Capture.folder()}
	t.verdict()
	t.hosts(Infected, "INFECTED")
	t.hosts(Suspected, "SUSPECTED")
	t.tree()
	t.marks()
	t.scanners("SCAN OR CHECK FROM INSIDE, not suspected", t.doc.Internal, nil)
	t.scanners("OUTSIDE SCANNERS", t.doc.External, t.doc.Protected())
	t.attacks()
	t.targeted()
	t.exposed()
	t.borders()
	t.zones()
	t.blindSpots()
	t.advice()
	_, err := t.out.WriteTo(w)
	return err
}

// text writes one summary, whose length is bounded.
type text struct {
	out    bytes.Buffer
	doc    *Document
	folder string // that all files are in
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(&t.out, format, args...) }

// heading begins a section.
func (t *text) heading(title string) { t.printf("\n%s\n", title) }

// tied is a space that wrapped does not break a line at.
const tied = "\u00a0"

// wrapped writes words from an indent on, over as many lines as they need; the
// first line begins with lead, which fills up the indent.
func (t *text) wrapped(lead, words string) {
	indent := utf8.RuneCountInString(lead)
	column := indent
	t.out.WriteString(lead)
	for i, word := range strings.Split(words, " ") {
		word = strings.ReplaceAll(word, tied, " ")
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > textWidth:
			t.printf("\n%*s", indent, "")
			column = indent
		default:
			t.out.WriteByte(' ')
			column++
		}
		t.out.WriteString(word)
		column += n
	}
	t.out.WriteByte('\n')
}

// hosts writes the hosts of one state, each with what speaks against it.
func (t *text) hosts(s State, title string) {
	var list []*HostEntry
	for i := range t.doc.Hosts {
		if t.doc.Hosts[i].State == s {
			list = append(list, &t.doc.Hosts[i])
		}
	}
	if len(list) == 0 {
		return
	}
	t.heading(fmt.Sprintf("%s (%s)", title, grouped(uint64(len(list)))))
	for _, h := range list[:min(len(list), textHosts)] {
		t.host(h)
	}
	t.more(uint64(len(list)), textHosts)
}

// more says how many of a list of n were left out after the first shown.
func (t *text) more(n, shown uint64) {
	if n > shown {
		t.printf("  ... and %s more: %s\n", grouped(n-shown), textSeeMore)
	}
}

// host writes one host: who, where, since when, how sure; then the facts.
func (t *text) host(h *HostEntry) {
	t.printf("  %-15s  %-12s  since %s  %2d %% sure\n",
		h.IP, printable(h.Zone), clock(*h.Since), min(99, int(math.Round(h.Confidence*100))))
	about := slices.Clone(h.Role)
	if h.Allowed {
		about = append(about, "allowed scanner or translator")
	}
	if s := h.system(); s != "" {
		about = append(about, s)
	}
	if len(about) > 0 {
		t.wrapped("      ", strings.Join(about, "; "))
	}
	lines := h.lines()
	shown := chosen(lines)
	for _, l := range shown {
		t.wrapped("    - ", l.words()+l.reservation()+t.frames(l.first))
	}
	if left := len(lines) + h.untold() - len(shown); left > 0 {
		t.printf("    - and %s\n", counted(uint64(left), "more fact"))
	}
}

// chosen returns the lines about a host to show, those that speak against it first. Where
// there are too many, the strongest of each fact that does stays: a state may rest on
// several of them, and a host that asks for dozens of names may scan, too.
func chosen(lines []line) []*line {
	list := make([]*line, 0, len(lines))
	for _, counts := range []bool{true, false} {
		for i := range lines {
			if lines[i].counts == counts {
				list = append(list, &lines[i])
			}
		}
	}
	if len(list) <= textFacts {
		return list
	}
	strongest := map[string]*line{}
	for _, l := range list {
		if s := strongest[l.first.Fact]; l.counts && (s == nil || l.first.Confidence > s.first.Confidence) {
			strongest[l.first.Fact] = l
		}
	}
	room := textFacts - len(strongest) // for others
	list = slices.DeleteFunc(list, func(l *line) bool {
		if strongest[l.first.Fact] == l {
			return false
		}
		room--
		return room < 0
	})
	return list[:min(len(list), textFacts)]
}

// frames says where in the capture a fact can be looked at.
func (t *text) frames(f *FactItem) string {
	if len(f.Frames) == 0 {
		return ""
	}
	file := ""
	if len(f.FrameFiles) > 0 {
		file = f.FrameFiles[0]
	}
	return t.frame(f.Frames[0], file)
}

// frame names a frame, and its file, where there are several, within their folder.
func (t *text) frame(n uint64, file string) string {
	file = strings.TrimPrefix(file, t.folder)
	if file == "" {
		return fmt.Sprintf(" [frame"+tied+"%d]", n)
	}
	return fmt.Sprintf(" [frame"+tied+"%d of"+tied+"%s]", n, printable(file))
}

// scanners writes a list of scanners, and why some must not be blocked.
func (t *text) scanners(title string, list []Scanner, kept map[string]string) {
	if len(list) == 0 {
		return
	}
	t.heading(fmt.Sprintf("%s (%s)", title, grouped(uint64(len(list)))))
	for i := range list[:min(len(list), textLines)] {
		s := &list[i]
		where := "many ports"
		if len(s.Ports) > 0 {
			where = plural.Word(uint64(len(s.Ports)), "port ", "ports ") + Ports(s.Ports, 4)
		}
		known := ""
		if s.Indicator != "" {
			known = "; an indicator address"
		}
		if did := s.Deeds(); did != "" {
			known += "; over SMB: " + printable(did)
		}
		if why := kept[s.IP]; why != "" {
			known += "; never block it: " + why
		}
		t.wrapped(fmt.Sprintf("  %-15s  ", s.IP), fmt.Sprintf("%s: %s, %s answered; %s%s",
			where, counted(s.Targets, "target"), grouped(s.Answered), period(s.First, s.Last), known))
	}
	t.more(uint64(len(list)), textLines)
}

// attacks writes floods and distributed scans.
func (t *text) attacks() {
	list := t.doc.Attacks
	if len(list) == 0 {
		return
	}
	t.heading(fmt.Sprintf("MANY SOURCES, ONE TARGET (%s)", grouped(uint64(len(list)))))
	for i := range list[:min(len(list), textLines)] {
		a := &list[i]
		t.wrapped(fmt.Sprintf("  %-15s  ", a.Target), fmt.Sprintf("%s%s from about %s; %s",
			a.What(), a.onPort(), counted(a.Sources, "source"), period(a.First, a.Last)))
	}
	t.more(uint64(len(list)), textLines)
}

// marks writes what analysts said, and what contradicts it.
func (t *text) marks() {
	list := t.doc.Marks
	if len(list) == 0 {
		return
	}
	t.heading(fmt.Sprintf("MARKED BY ANALYSTS (%s)", grouped(uint64(len(list)))))
	for i := range list[:min(len(list), textHosts)] {
		m := &list[i]
		words := "marked " + m.Mark.words() + " at " + clock(m.At)
		if m.Note != "" {
			words += ": " + shortened(printable(m.Note), 200)
		}
		t.hostLine(&HostEntry{IP: m.IP, Zone: m.Zone}, words)
		if m.Warning != "" {
			t.wrapped("    ! ", printable("WARNING: "+m.Warning))
		}
	}
	t.more(uint64(len(list)), textHosts)
}

// clock writes a time to the second; the summary says once that it is UTC.
func clock(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05") }

// period writes two times, the second one as what comes after the first.
func period(first, last time.Time) string {
	d := last.Sub(first)
	if d < time.Second {
		return clock(first)
	}
	return clock(first) + ", for " + span(d)
}
