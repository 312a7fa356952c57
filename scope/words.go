package scope

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

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
// kill-switch name, and more than an answer that anyone can send.
func (f *fact) asksKillSwitch() bool {
	return f.alert != nil && f.alert.Rule == alert.RuleDomain && !f.alert.Evidence.DNS.Unasked &&
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
		o := lastLookup(f.alert.Evidence.DNS).outcome()
		if outcome == notAsked || f.last > at || f.last == at && o > outcome {
			outcome, at = o, f.last
		}
	}
	return outcome
}

// lastLookup returns what became of the last lookup, or the most that any
// brought, where an earlier version has kept no more.
func lastLookup(d *alert.DNS) lookup {
	if !d.Last.Time.IsZero() {
		return lookup(d.Last)
	}
	return allLookups(d)
}

// allLookups returns the most that any lookup brought.
func allLookups(d *alert.DNS) lookup {
	return lookup{Type: d.Type, ResponseCode: d.ResponseCode, Resolved: d.Resolved}
}

// lookup is what became of a lookup.
type lookup alert.Lookup

// outcome tells from the answer whether a web server could be reached.
func (l lookup) outcome() killSwitch {
	switch {
	case l.ResponseCode == "":
		return unknown
	case l.ResponseCode != "NOERROR":
		return notReached
	}
	for _, a := range l.Resolved {
		if !a.IsUnspecified() && !a.IsLoopback() { // what filters answer
			return reached
		}
	}
	if len(l.Resolved) == 0 && l.Type != "A" { // the worm asks for A
		return unknown
	}
	return notReached
}

// words tells the answer.
func (l lookup) words() string {
	switch {
	case l.ResponseCode == "":
		return "no answer seen"
	case len(l.Resolved) > 0:
		return "resolved to " + addresses(l.Resolved, 2)
	case l.ResponseCode == "NOERROR":
		return "no address"
	default:
		return printable(l.ResponseCode)
	}
}

// Predicate tells an alert as the predicate of a sentence about its host,
// without a full stop: "scanned port 445: 254 targets, 12 answered, ...".
func Predicate(a *alert.Alert) string {
	e := &a.Evidence
	switch {
	case e.DNS != nil:
		return lookupWords(a)
	case e.Contact != nil:
		return contactWords(a)
	case e.Scan != nil && e.Scan.Sources > 0:
		return "is in a network that about " + counted(e.Scan.Sources, "source") + " scanned together" + onPort(e.Scan.Port)
	case e.Scan != nil:
		return scanWords(a)
	case e.Flood != nil:
		return "was flooded" + onPort(e.Flood.Port) + " by about " + counted(e.Flood.Sources, "source")
	case e.Crossing != nil:
		return crossingWords(a)
	case e.SMB != nil:
		return smbPredicate(a)
	case e.Exposure != nil:
		x := e.Exposure
		return exposedWords(x.Port, x.Clients, x.FromOutside, x.By) + zoneWords(x.Zones)
	default:
		return "is the subject of the rule " + string(a.Rule)
	}
}

// words tells a fact as the predicate of a sentence about its host.
func (f *fact) words() string {
	switch {
	case f.alert != nil && f.chained && f.answered:
		return Predicate(f.alert) + "; hosts do so one after another, each soon after it was tried"
	case f.alert != nil:
		return Predicate(f.alert)
	case f.smb != nil:
		return f.smbWords()
	case f.kind == kindExposed:
		return exposedWords(f.port, f.count, f.outside, f.peer)
	case f.kind == kindTargeted:
		return "was tried by the scanner " + f.peer.String() + onPort(f.port)
	default:
		return f.kind.String()
	}
}

func exposedWords(port uint16, clients uint64, outside bool, by netip.Addr) string {
	s := "answers on port " + strconv.Itoa(int(port))
	switch {
	case clients >= alert.MaxClients:
		s += ", to at least " + grouped(clients) + " clients"
	case clients > 1:
		s += ", to " + grouped(clients) + " clients"
	}
	if outside {
		s += ", also to outside (" + by.String() + ")"
	}
	return s
}

// zoneWords names the zones that clients were in, when there are several.
func zoneWords(zones []string) string {
	if len(zones) < 2 {
		return ""
	}
	return ", in " + printable(strings.Join(zones, ", "))
}

// calledWords tells a contact that the indicator address began.
func calledWords(a *alert.Alert, peer netip.AddrPort) string {
	s := "was called by the indicator address " + peer.Addr().String() + onPort(a.Resp.Port())
	if a.Count > 1 {
		s += " " + grouped(a.Count) + " times"
	}
	switch c := a.Evidence.Contact; {
	case c.State == alert.ContactEstablished, c.BytesResp > 0:
		s += transferred(a)
	case c.Answered:
		s += " and answered"
	case c.Refused:
		s += " and refused"
	default:
		s += " and did not answer"
	}
	return s + source(a.Indicator)
}

// transferred tells a contact's bytes as the host's own.
func transferred(a *alert.Alert) string {
	c := a.Evidence.Contact
	sent, received := c.BytesOrig, c.BytesResp
	if a.Orig.Addr() != a.Host {
		sent, received = received, sent
	}
	return ": sent " + size(sent) + ", received " + size(received)
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
	s := "asked for the "
	if d.Unasked {
		s = "was sent an answer about the "
	}
	s += what + printable(d.Question)
	if d.Matched != "" && d.Matched != d.Question {
		s += ", which leads to " + printable(d.Matched)
	}
	if a.Count > 1 {
		s += " " + grouped(a.Count) + " times"
	}
	s += ": " + allLookups(d).words()
	switch {
	case d.OnBehalf:
		return s + "; on behalf of a client"
	case d.Unasked:
		return s + "; no query was seen" + source(a.Indicator)
	case a.Indicator == nil || a.Indicator.Class != ioc.KillSwitch:
		return s + source(a.Indicator)
	default:
		return s + killSwitchWords(d)
	}
}

// maybeDormant is what a lookup of a kill switch that it reached says of the worm.
const maybeDormant = "; the worm may be dormant"

// killSwitchWords tells how the last lookup of a kill-switch name differs from
// the most that any brought, and what it means.
func killSwitchWords(d *alert.DNS) (s string) {
	last := lastLookup(d)
	if last.outcome() != allLookups(d).outcome() {
		s = ", the last time " + last.words()
	}
	switch last.outcome() {
	case reached:
		return s + maybeDormant
	case notReached:
		return s + "; the worm goes on"
	case notAsked, unknown:
	}
	return s
}

func contactWords(a *alert.Alert) string {
	c := a.Evidence.Contact
	peer := a.Resp
	if peer.Addr() == a.Host {
		peer = a.Orig
	}
	var s string
	switch {
	case c.Hosts > 0:
		return "tried " + counted(c.Hosts, "host") + onPort(a.Resp.Port()) + ", " + grouped(c.HostsAnswered) + " answered" + source(a.Indicator)
	case c.Initiator == alert.InitiatorPeer:
		return calledWords(a, peer)
	case c.Initiator == alert.InitiatorUnknown:
		s = "had traffic with " + endpoint(peer)
	case c.State == alert.ContactEstablished:
		s = "connected to " + endpoint(peer)
	default:
		s = "tried to reach " + endpoint(peer)
	}
	if a.Count > 1 {
		s += " " + grouped(a.Count) + " times"
	}
	switch {
	case c.State == alert.ContactEstablished, c.Initiator == alert.InitiatorUnknown && c.BytesOrig+c.BytesResp > 0:
		s += transferred(a)
	case c.Refused:
		s += ": refused"
	default:
		s += ": no answer"
	}
	if c.OnBehalf {
		s += "; as a resolver, for a client"
	}
	return s + source(a.Indicator)
}

func scanWords(a *alert.Alert) string {
	s := a.Evidence.Scan
	b := "scanned "
	if a.Name == alert.NameVertical {
		b += counted(a.Count, "port") + " of " + counted(s.Targets, "target") + ": " + outcomes(s, a.Count, "")
	} else {
		b += scannedPorts(s) + ": "
		if s.Estimated {
			b += "about "
		}
		least := ""
		if s.Port == 0 {
			least = "at least " // each target may have been tried at each of the ports
		}
		b += counted(s.Targets, "target") + ", " + outcomes(s, s.Targets, least)
	}
	if s.Rate >= 0.1 {
		b += fmt.Sprintf(", %.1f/s", s.Rate)
	}
	return b
}

// outcomes tells what became of so many attempts. Of those that are still open,
// or whose answers the tap does not show, nothing is known: they were not silent.
// What an estimate may be wrong by is not told. least says that it may be more.
func outcomes(s *alert.Scan, attempts uint64, least string) string {
	words := grouped(s.Answered) + " answered, " + grouped(s.Refused) + " refused, " + grouped(s.Silent) + " silent"
	unknown := attempts - min(attempts, s.Answered+s.Refused+s.Silent)
	if unknown > 0 && (!s.Estimated || unknown > attempts/20) {
		words += ", " + least + grouped(unknown) + " unknown"
	}
	return words
}

func scannedPorts(s *alert.Scan) string {
	if s.Port != 0 {
		return "port " + strconv.Itoa(int(s.Port))
	}
	if len(s.Ports) == 0 {
		return "many ports"
	}
	return "ports " + Ports(s.Ports, 4)
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

// Ports writes the first ports of a list, in which those of a scan may be a sample.
func Ports(list []uint16, most int) string {
	told := make([]string, 0, most)
	for _, p := range list[:min(len(list), most)] {
		told = append(told, strconv.Itoa(int(p)))
	}
	if len(list) >= alert.MaxPorts { // there may be others
		return strings.Join(told, ", ") + " and more"
	}
	return strings.Join(told, ", ") + andMore(len(list)-most)
}

func andMore(n int) string {
	if n <= 0 {
		return ""
	}
	return " and " + strconv.Itoa(n) + " more"
}
