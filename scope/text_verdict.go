package scope

import (
	"fmt"
	"strings"

	"wormscope/internal/plural"
)

// verdict writes the answer in one sentence, and what it rests on.
func (t *text) verdict() {
	t.wrapped("", t.answer())
	c := &t.doc.Capture
	switch {
	case c.First == nil && t.doc.Blank() && c.Packets > 0:
		t.printf("\nCapture   %s, none of which was looked at\n", counted(c.Packets, "packet"))
		return
	case c.First == nil && t.doc.Blank():
		t.printf("\nCapture   no packet could be read\n")
		return
	case c.First == nil:
		t.printf("\nCapture   its packets are not counted yet\n")
	case len(c.Sensors) > 0:
		t.period()
		t.wrapped("          ", counted(uint64(len(c.Sensors)), "sensor")+": "+printable(strings.Join(c.Sensors, ", ")))
	default:
		t.period()
		t.wrapped("          ", fmt.Sprintf("%s, %s%s", counted(c.Packets, "packet"), size(c.Bytes), c.filesWords()))
	}
	if h := t.doc.FirstSign(); h != nil {
		t.printf("First sign  %s (%s) at %s\n", h.IP, printable(h.Zone), clock(*h.Since))
	}
	if words := t.doc.KillSwitches(); words != "" {
		t.wrapped("Kill switch  ", words)
	}
}

// period writes when the capture was.
func (t *text) period() {
	c := &t.doc.Capture
	t.printf("\nCapture   %s to %s UTC (%s)\n", clock(*c.First), clock(*c.Last), span(c.Last.Sub(*c.First)))
}

// FirstSign returns the host that acted first: of the infected ones, or of the
// suspected where there are none. It is nil where there is neither.
func (d *Document) FirstSign() *HostEntry {
	var first *HostEntry
	for i := range d.Hosts {
		h := &d.Hosts[i]
		if h.Since == nil || first != nil && h.State < first.State {
			continue
		}
		if first == nil || h.State > first.State || h.Since.Before(*first.Since) {
			first = h
		}
	}
	return first
}

// filesWords says how many files there were, and where.
func (c *CaptureSummary) filesWords() string {
	words := ""
	if n := len(c.Files); n > 1 {
		words = fmt.Sprintf(", %d files", n)
	}
	if folder := c.folder(); folder != "" {
		words += " in " + printable(folder)
	}
	return words
}

// folder returns the folder that several files are all in, with a final slash: it need
// not be said of each. It is empty where there is none but the root.
func (c *CaptureSummary) folder() string {
	if len(c.Files) < 2 {
		return ""
	}
	above := func(path string) string { return path[:strings.LastIndexByte(strings.TrimSuffix(path, "/"), '/')+1] }
	folder := above(c.Files[0])
	for _, f := range c.Files[1:] {
		for !strings.HasPrefix(f, folder) {
			folder = above(folder)
		}
	}
	if folder == "/" {
		return ""
	}
	return folder
}

// Verdict is the answer in a sentence, and in a second one, which begins with
// "Also: ", what else matters.
func (d *Document) Verdict() string { return (&text{doc: d}).answer() }

// answer is the verdict in one sentence, and what else matters in a second.
func (t *text) answer() string {
	s := t.worst()
	if s == "" {
		return "Nothing to judge: " + t.nothing() + "."
	}
	also := t.also()
	if len(also) == 0 {
		return s + "."
	}
	return s + ". Also: " + strings.Join(also, ", ") + "."
}

// nothing says why there was nothing to judge.
func (t *text) nothing() string {
	c := &t.doc.Capture
	switch {
	case c.Packets == 0:
		return "the capture holds no packet that could be read"
	case c.First == nil:
		return "of " + counted(c.Packets, "packet") + " none was looked at"
	case c.NotIP >= c.Packets:
		return "of " + counted(c.Packets, "packet") + " none holds IP, and nothing else is looked at"
	case c.NotIP > 0:
		return "of " + counted(c.Packets, "packet") + " none could be looked at: " + grouped(c.NotIP) +
			plural.Word(c.NotIP, " holds", " hold") + " no IP, and the rest could not be decoded"
	default:
		return "of " + counted(c.Packets, "packet") + " none could be decoded"
	}
}

// worst says how many hosts are in the worst state that there is, without a
// full stop; empty when there was nothing to judge.
func (t *text) worst() string {
	n := &t.doc.Totals
	switch {
	case n.Infected > 0 && n.Suspected > 0:
		return hostsAre(n.Infected) + " INFECTED and " + grouped(n.Suspected) + " suspected" + t.affected()
	case n.Infected > 0:
		return hostsAre(n.Infected) + " INFECTED" + t.affected()
	case n.Suspected > 0:
		return hostsAre(n.Suspected) + " SUSPECTED of infection, none for certain" + t.affected()
	case n.Exploited > 0:
		return hostsWere(n.Exploited) + " EXPLOITED, none is known to be infected"
	case n.Attacked > 0:
		return hostsWere(n.Attacked) + " ATTACKED, none is known to be exploited"
	case t.doc.OthersOnly():
		n := uint64(len(t.doc.NotInside))
		return "Not known yet: " + counted(n, "host") + " with signs of a worm " + plural.Word(n, "does", "do") + " not count as inside"
	case t.doc.UnseenOnly():
		return "Not known yet: a host that the capture does not show had a kill-switch name looked up"
	case len(t.doc.Capture.Sensors) > 0:
		return "No sign of a worm in what " + counted(uint64(len(t.doc.Capture.Sensors)), "sensor") + " told"
	case t.doc.Blank():
		return ""
	case t.doc.Capture.Packets == 0:
		return "No sign of a worm so far"
	default:
		return "No sign of a worm in " + counted(t.doc.Capture.Packets, "packet")
	}
}

// also lists what matters beside the worst state.
func (t *text) also() (also []string) {
	n := &t.doc.Totals
	exploited, targeted := n.Exploited, n.Targeted-n.Exploited
	if n.Infected+n.Suspected == 0 { // as worst says
		if exploited == 0 {
			targeted -= n.Attacked
		}
		exploited = 0
	}
	if n := uint64(len(t.doc.Contradicted(Isolated))); n > 0 {
		also = append(also, grouped(n)+" marked isolated"+plural.Word(n, " is", " are")+" STILL ACTIVE")
	}
	if n := t.doc.openBorders(); n > 0 {
		also = append(also, counted(n, "closed border")+plural.Word(n, " does", " do")+" not hold")
	}
	if exploited > 0 {
		also = append(also, grouped(exploited)+" more"+plural.Word(exploited, " was", " were")+" EXPLOITED")
	}
	if targeted > 0 {
		these := grouped(targeted) + " more"
		if n.Infected+n.Suspected+n.Exploited+n.Attacked == 0 {
			these = counted(targeted, "host")
		}
		also = append(also, these+plural.Word(targeted, " was", " were")+" targeted")
	}
	if n.SMBExposed > 0 {
		these := grouped(n.SMBExposed)
		if n.Infected+n.Suspected+n.Exploited+n.Attacked+targeted == 0 { // the verdict is about packets
			these = counted(n.SMBExposed, "host")
		}
		also = append(also, these+plural.Word(n.SMBExposed, " answers", " answer")+" on the SMB port")
	}
	if n.FromInternet > 0 {
		also = append(also, grouped(n.FromInternet)+" of these to the internet")
	}
	if n := uint64(len(t.doc.Internal)); n > 0 {
		also = append(also, counted(n, "other inside host")+plural.Word(n, " scans or checks others", " scan or check others"))
	}
	if n.External > 0 {
		also = append(also, counted(n.External, "outside scanner"))
	}
	if n := t.doc.distributed(); n > 0 {
		also = append(also, counted(n, "distributed scan"))
	}
	return also
}

// affected names the zones of infected and suspected hosts.
func (t *text) affected() string {
	var names []string
	for i := range t.doc.Zones {
		if z := &t.doc.Zones[i]; z.Hosts.Infected+z.Hosts.Suspected > 0 {
			names = append(names, z.Name)
		}
	}
	switch {
	case len(t.doc.Zones) < 2:
		return ""
	case len(names) == 1:
		return ", in zone " + printable(names[0])
	case len(names) <= 4:
		return ", in zones " + printable(strings.Join(names, ", "))
	default:
		return fmt.Sprintf(", in %d zones", len(names))
	}
}

func hostsAre(n uint64) string { return counted(n, "host") + plural.Word(n, " is", " are") }

func hostsWere(n uint64) string { return counted(n, "host") + plural.Word(n, " was", " were") }
