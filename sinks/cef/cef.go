// Package cef renders alerts and changes of state in the Common Event Format,
// version 0 (ArcSight Common Event Format Implementation Standard, revision
// 26), one line an event. It is the message of a syslog record; package syslog
// puts the record's header before it. docs/formats.md is the reference.
package cef

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/scope"
	"wormscope/sinks/event"
	"wormscope/sinks/traits"
)

// Options are the settings of a Renderer.
type Options struct {
	Version string    // of the program
	Sensor  string    // name of the sensor, dvchost; empty leaves it out
	Zones   *zone.Map // must be set
}

// A Renderer writes events. It is safe for use by several goroutines.
type Renderer struct{ opts Options }

// New makes a Renderer.
func New(o Options) *Renderer { return &Renderer{opts: o} }

// Event renders an alert or a change as one line without a newline. It is valid
// UTF-8 of less than 8 KiB, what receivers take unless they are told otherwise.
// The same event gives the same bytes.
func (r *Renderer) Event(e *event.Event) ([]byte, error) {
	switch {
	case e.Alert != nil:
		return r.alert(e), nil
	case e.Change != nil:
		return r.change(e), nil
	default:
		return nil, event.ErrFact
	}
}

// alert renders one phase of an alert.
func (r *Renderer) alert(e *event.Event) []byte {
	a := e.Alert
	rule, zoneName := traits.OfRule(a.Rule), r.opts.Zones.Name(a.Host)
	l := r.begin(string(a.Rule), traits.Title(a), a.Severity)
	l.moment("rt", a.Time)
	l.moment("start", a.First)
	l.moment("end", a.Last)
	l.text("externalId", e.ID())
	l.text("dvchost", r.opts.Sensor)
	l.text("cat", rule.Group)
	l.text("msg", limit(traits.Address(a.Host)+" ("+zoneName+") "+scope.Predicate(a), maxMessage))
	l.number("cnt", a.Count)
	l.end("src", "spt", "c6a2", "Source IPv6 Address", a.Orig)
	l.end("dst", "dpt", "c6a3", "Destination IPv6 Address", a.Resp)
	l.text("proto", strings.ToUpper(traits.Transport(a.Proto)))
	l.text("app", strings.ToUpper(traits.Protocol(a)))
	l.direction(a, r.opts.Zones)
	l.labelled("cs1", "host", traits.Address(a.Host))
	l.labelled("cs2", "zone", zoneName)
	if i := a.Indicator; i != nil {
		l.labelled("cs3", "indicator", i.Value)
		l.labelled("cs4", "feed", i.Feed)
	}
	l.labelled("cs5", "alertId", a.ID)
	l.labelled("cs6", "technique", rule.Technique.ID)
	l.labelled("flexString1", "phase", a.Phase.String())
	l.labelled("flexString2", "cve", traits.CVE(a))
	l.evidence(a)
	l.frame(e, a.Frames)
	return l.b
}

// evidence writes what a rule counted, and the name that was asked for.
func (l *line) evidence(a *alert.Alert) {
	count := func(label string, n uint64) {
		l.labelled("cn1", label, strconv.FormatUint(n, 10))
	}
	switch e := a.Evidence; {
	case e.Scan != nil:
		count("targets", e.Scan.Targets)
	case e.Flood != nil:
		count("sources", e.Flood.Sources)
	case e.Exposure != nil:
		count("clients", e.Exposure.Clients)
	case e.Crossing != nil:
		count("targets", e.Crossing.Targets)
	case e.Contact != nil:
		l.number("in", e.Contact.BytesOrig) // from source to destination, says the standard
		l.number("out", e.Contact.BytesResp)
		l.text("outcome", e.Contact.State)
	case e.DNS != nil:
		l.text("destinationDnsDomain", limit(e.DNS.Question, maxName))
		l.text("outcome", e.DNS.ResponseCode)
	case e.SMB != nil && e.SMB.Check != nil:
		l.text("outcome", string(e.SMB.Check.Patch))
	case e.SMB != nil && e.SMB.Exploit != nil:
		l.text("outcome", string(e.SMB.Exploit.Outcome))
	case e.SMB != nil && e.SMB.Implant != nil:
		l.text("outcome", e.SMB.Implant.State)
	}
}

// change renders a change of a host's state.
func (r *Renderer) change(e *event.Event) []byte {
	c := e.Change
	l := r.begin(traits.StateAction, "Host is "+c.To.String(), c.To.Severity())
	l.moment("rt", c.Time)
	l.text("externalId", c.ID)
	l.text("dvchost", r.opts.Sensor)
	l.text("cat", traits.State().Group)
	l.text("msg", limit(traits.Address(c.Host)+" ("+c.Zone+") is now "+c.To.String()+", was "+c.From.String()+": "+c.Why, maxMessage))
	l.end("src", "spt", "c6a2", "Source IPv6 Address", netip.AddrPortFrom(c.Host, 0))
	l.labelled("cs1", "host", traits.Address(c.Host))
	l.labelled("cs2", "zone", c.Zone)
	l.labelled("flexString1", "from", c.From.String())
	l.labelled("flexString2", "to", c.To.String())
	l.labelled("cfp1", "confidence", strconv.FormatFloat(c.Confidence, 'f', 3, 64))
	if c.Frame.Number > 0 {
		l.frame(e, []alert.FrameRef{c.Frame})
	}
	return l.b
}

// Limits of lengths, in bytes.
const (
	maxField   = 512  // of a field of the header, as in the standard
	maxMessage = 1023 // of msg, as in the standard
	maxName    = 255  // of a domain name
	maxValue   = 1023 // of any other value
)

// A line is a record in the making.
type line struct{ b []byte }

// begin writes the header. The first key comes after a space, since liblognorm
// would otherwise take it for a part of the header.
func (r *Renderer) begin(rule, name string, s alert.Severity) *line {
	l := &line{b: make([]byte, 0, 1024)}
	l.b = append(l.b, "CEF:0|wormscope|wormscope|"...)
	for _, field := range []string{r.opts.Version, rule, name, strconv.Itoa(severity(s))} {
		l.b = append(appendEscaped(l.b, limit(field, maxField), true), '|')
	}
	return l
}

// severity returns a severity on CEF's scale, 0 to 10.
func severity(s alert.Severity) int { return min(int(s+5)/10, 10) }

func (l *line) text(key, value string) {
	if value == "" {
		return
	}
	l.b = append(append(append(l.b, ' '), key...), '=')
	l.b = appendEscaped(l.b, limit(value, maxValue), false)
}

// labelled writes a custom field and what it holds.
func (l *line) labelled(key, label, value string) {
	if value != "" {
		l.text(key+"Label", label)
		l.text(key, value)
	}
}

func (l *line) number(key string, n uint64) { l.text(key, strconv.FormatUint(n, 10)) }

// moment writes a time in milliseconds since the Unix epoch.
func (l *line) moment(key string, t time.Time) {
	if !t.IsZero() {
		l.text(key, strconv.FormatInt(t.UnixMilli(), 10))
	}
}

// end writes one end of the deciding flow: src and dst hold IPv4 only.
func (l *line) end(v4, port, v6, label string, ap netip.AddrPort) {
	if !traits.Known(ap) {
		return
	}
	if ap.Addr().Unmap().Is4() {
		l.text(v4, traits.Address(ap.Addr()))
	} else {
		l.labelled(v6, label, traits.Address(ap.Addr()))
	}
	if ap.Port() != 0 {
		l.text(port, strconv.Itoa(int(ap.Port())))
	}
}

// direction writes whether a flow comes in (0) or goes out (1).
func (l *line) direction(a *alert.Alert, zones *zone.Map) {
	if !traits.Known(a.Orig) || !traits.Known(a.Resp) {
		return
	}
	switch traits.Direction(zones, a.Orig.Addr(), a.Resp.Addr()) {
	case "inbound":
		l.text("deviceDirection", "0")
	case "outbound":
		l.text("deviceDirection", "1")
	}
}

// frame writes where the event is seen first.
func (l *line) frame(e *event.Event, frames []alert.FrameRef) {
	if len(frames) > 0 {
		l.text("fname", e.FileName(frames[0].File))
		l.labelled("cn2", "frame", strconv.FormatUint(frames[0].Number, 10))
	}
}

// appendEscaped appends text as valid UTF-8 without what can't be seen, or turns
// text around. Within the header | and \ are escaped, within a value = and \ and the
// ends of lines.
func appendEscaped(b []byte, s string, header bool) []byte {
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\\', r == '|' && header, r == '=' && !header:
			b = append(b, '\\', byte(r))
		case r == '\n' && !header:
			b = append(b, `\n`...)
		case r == '\r' && !header:
			b = append(b, `\r`...)
		case !unicode.IsGraphic(r):
			b = append(b, ' ')
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// limit cuts text to so many bytes, between characters.
func limit(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
