package scope

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// A killSwitch is what became of a host's last lookup of a kill-switch name.
// The worm stops where the name leads to a web server, and goes on elsewhere.
type killSwitch uint8

const (
	notAsked killSwitch = iota
	unknown
	reached
	notReached
)

// String returns the word of the scope document, empty when the host did not ask.
func (k killSwitch) String() string {
	return [...]string{"", "unknown", "reached", "not reached"}[k]
}

// asksKillSwitch reports whether the fact is the host's own lookup of a
// kill-switch name.
func (f *fact) asksKillSwitch() bool {
	return f.alert != nil && f.alert.Rule == alert.RuleDomain &&
		f.alert.Indicator != nil && f.alert.Indicator.Class == ioc.KillSwitch
}

// killSwitch returns what became of the last lookup; of two at one time, the
// worse.
func (h *host) killSwitch() killSwitch {
	outcome, at := notAsked, int64(0)
	for i := range h.facts {
		f := &h.facts[i]
		if !f.asksKillSwitch() || h.weight(f) == 0 {
			continue
		}
		o := lookupOutcome(f.alert.Evidence.DNS)
		if outcome == notAsked || f.last > at || f.last == at && o > outcome {
			outcome, at = o, f.last
		}
	}
	return outcome
}

// lookupOutcome tells from the answer whether a web server could be reached.
func lookupOutcome(d *alert.DNS) killSwitch {
	switch {
	case d.ResponseCode == "":
		return unknown
	case d.ResponseCode != "NOERROR":
		return notReached
	}
	for _, a := range d.Resolved {
		if !a.IsUnspecified() && !a.IsLoopback() { // what filters answer
			return reached
		}
	}
	if len(d.Resolved) == 0 && d.Type != "A" { // the worm asks for A
		return unknown
	}
	return notReached
}

// why says in words what led to a verdict.
func (h *host) why(from State, v verdict) string {
	if v.state < from && h.resolver {
		return "it is a DNS resolver and asks for its clients"
	}
	if len(v.because) == 0 {
		return "nothing speaks against it any more"
	}
	told := make([]string, len(v.because))
	for i, f := range v.because {
		told[i] = f.words()
	}
	return strings.Join(told, "; ")
}

// words tells a fact as the predicate of a sentence about its host.
func (f *fact) words() string {
	switch f.kind {
	case kindExposed:
		return f.exposedWords()
	case kindTargeted:
		return f.targetedWords()
	case kindBeaconing:
		if f.alert.Rule == alert.RuleDomain {
			return lookupWords(f.alert)
		}
		return contactWords(f.alert)
	case kindScanning:
		return scanWords(f.alert)
	default:
		return f.kind.String()
	}
}

func (f *fact) exposedWords() string {
	s := "answers on port " + strconv.Itoa(int(f.port))
	if f.count > 1 && f.id != "" {
		s += ", to " + grouped(f.count) + " clients"
	}
	if f.outside {
		s += ", also to outside (" + f.peer.String() + ")"
	}
	return s
}

func (f *fact) targetedWords() string {
	if f.alert != nil {
		return "was called by the indicator address " + f.peer.String() +
			onPort(f.port) + " (" + f.alert.Evidence.Contact.State + ")" + source(f.alert.Indicator)
	}
	return "was tried by the scanner " + f.peer.String() + onPort(f.port)
}

func onPort(p uint16) string {
	if p == 0 {
		return ""
	}
	return " on port " + strconv.Itoa(int(p))
}

func lookupWords(a *alert.Alert) string {
	d := a.Evidence.DNS
	what := "name "
	if a.Indicator != nil && a.Indicator.Class == ioc.KillSwitch {
		what = "kill-switch name "
	}
	s := "asked for the " + what + printable(d.Question)
	if d.Matched != "" && d.Matched != d.Question {
		s += ", which leads to " + printable(d.Matched)
	}
	if a.Count > 1 {
		s += " " + grouped(a.Count) + " times"
	}
	s += ": " + answerWords(d)
	switch {
	case d.OnBehalf:
		return s + "; on behalf of a client"
	case a.Indicator == nil || a.Indicator.Class != ioc.KillSwitch:
		return s + source(a.Indicator)
	}
	switch lookupOutcome(d) {
	case reached:
		return s + "; the worm may be dormant"
	case notReached:
		return s + "; the worm goes on"
	case notAsked, unknown:
	}
	return s
}

func answerWords(d *alert.DNS) string {
	switch {
	case d.ResponseCode == "":
		return "no answer seen"
	case len(d.Resolved) > 0:
		return "resolved to " + addresses(d.Resolved, 2)
	case d.ResponseCode == "NOERROR":
		return "no address"
	default:
		return printable(d.ResponseCode)
	}
}

func contactWords(a *alert.Alert) string {
	c := a.Evidence.Contact
	peer := a.Resp
	if peer.Addr() == a.Host {
		peer = a.Orig
	}
	var s string
	switch {
	case c.Initiator == initiatorUnknown:
		s = "had traffic with " + endpoint(peer)
	case c.State == stateEstablished:
		s = "connected to " + endpoint(peer)
	default:
		s = "tried to reach " + endpoint(peer)
	}
	if a.Count > 1 {
		s += " " + grouped(a.Count) + " times"
	}
	switch {
	case c.State == stateEstablished:
		s += ": sent " + size(c.BytesOrig) + ", received " + size(c.BytesResp)
	case c.Refused:
		s += ": refused"
	default:
		s += ": no answer"
	}
	return s + source(a.Indicator)
}

func scanWords(a *alert.Alert) string {
	s := a.Evidence.Scan
	b := "scanned " + scannedPorts(s) + ": " + counted(s.Targets, "target")
	b += ", " + grouped(s.Answered) + " answered, " + grouped(s.Refused) + " refused, " + grouped(s.Silent) + " silent"
	if s.Rate >= 0.1 {
		b += fmt.Sprintf(", %.1f/s", s.Rate)
	}
	return b
}

func scannedPorts(s *alert.Scan) string {
	if s.Port != 0 {
		return "port " + strconv.Itoa(int(s.Port))
	}
	if len(s.Ports) == 0 {
		return "many ports"
	}
	return "ports " + ports(s.Ports, 4)
}

// source names the feed of an indicator and what the feed says of it.
func source(i *ioc.Indicator) string {
	if i == nil {
		return ""
	}
	var s string
	switch {
	case i.Class == ioc.Sinkhole:
		s = " (a sinkhole"
	case i.Class == ioc.Anonymizer:
		s = " (an anonymizer"
	case i.Description != "":
		s = " (" + shortened(printable(i.Description), 40)
	default:
		s = " (listed"
	}
	if i.Feed != "" {
		s += ", feed " + shortened(printable(i.Feed), 30)
	}
	return s + ")"
}

// endpoint writes an address with its port, or alone where there is none.
func endpoint(ap netip.AddrPort) string {
	if ap.Port() == 0 {
		return ap.Addr().String()
	}
	return ap.String()
}

func addresses(list []netip.Addr, most int) string {
	told := make([]string, 0, most)
	for _, a := range list[:min(len(list), most)] {
		told = append(told, a.String())
	}
	return strings.Join(told, ", ") + andMore(len(list)-most)
}

func ports(list []uint16, most int) string {
	told := make([]string, 0, most)
	for _, p := range list[:min(len(list), most)] {
		told = append(told, strconv.Itoa(int(p)))
	}
	return strings.Join(told, ", ") + andMore(len(list)-most)
}

func andMore(n int) string {
	if n <= 0 {
		return ""
	}
	return " and " + strconv.Itoa(n) + " more"
}

// printable replaces what a terminal must not be given: names and feeds are
// what an attacker or a stranger wrote.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, s)
}

// shortened cuts s to at most n characters.
func shortened(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-3]) + "..."
}

// grouped writes a number with commas between the thousands.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted writes a number with its noun, in the plural where it must be.
func counted(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

// size writes a number of bytes in decimal units.
func size(n uint64) string {
	if n < 1000 {
		return counted(n, "byte")
	}
	v, unit := float64(n)/1000, "kB"
	for _, next := range []string{"MB", "GB", "TB"} {
		if v < 999.5 {
			break
		}
		v, unit = v/1000, next
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " " + unit
}

// span writes a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "under a second"
	case d < 2*time.Minute:
		return counted(uint64(d/time.Second), "second")
	case d < 2*time.Hour:
		return counted(uint64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d days %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}
