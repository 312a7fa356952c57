package ecs

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/ioc"
	"wormscope/scope"
	"wormscope/sinks/event"

	"golang.org/x/net/publicsuffix"
)

// Options are the settings of a Renderer.
type Options struct {
	Version  string                 // of the program, observer.version; empty leaves it out
	Observer string                 // name of the sensor, observer.name; empty leaves it out
	Zones    *zone.Map              // must be set
	FileName func(index int) string // name of a capture file; nil leaves names out
}

// A Renderer writes events. It is safe for use by several goroutines.
type Renderer struct{ opts Options }

// New makes a Renderer.
func New(o Options) *Renderer { return &Renderer{opts: o} }

// Alert renders one word of an alert as one line without a newline. The same
// alert gives the same bytes.
func (r *Renderer) Alert(a *alert.Alert) ([]byte, error) {
	traits := traitsOf(a.Rule)
	zoneName := r.opts.Zones.Name(a.Host)
	e := r.begin(a.Time, a.Host, zoneName, a.Frames)
	e.Message = text(a.Host) + " (" + zoneName + ") " + scope.Predicate(a)
	e.Event = meta{
		ID: a.ID + "-" + strconv.Itoa(a.Seq), Kind: "alert",
		Category: traits.category, Type: []string{"info"},
		Action: string(a.Rule), Module: module, Dataset: module + ".alert", Code: code(a),
		Severity: uint8(a.Severity), RiskScore: float64(a.Severity), Outcome: outcome(a),
		Start: utc(a.First), End: utc(a.Last),
	}
	e.Rule = rule{ID: string(a.Rule), Name: traits.name, Category: traits.group}
	if a.Name != "" {
		e.Rule.Name = a.Name
	}
	e.Wormscope.Alert = &alertField{ID: a.ID, Phase: a.Phase.String(), Seq: a.Seq}
	e.Wormscope.Count = &a.Count
	e.Wormscope.evidence(a)
	e.flow(a, r.opts.Zones)
	e.DNS = dnsOf(a.Evidence.DNS)
	e.Threat = traits.threat(a.Indicator)
	e.Flaw = flawOf(a)
	if i := a.Indicator; i != nil {
		e.Rule.Reference = i.Reference
		e.Wormscope.Indicator = &ownIndicator{Class: i.Class.String(), Exact: i.Exact, Line: i.Line, Feeds: feeds(i)}
		e.Tags = append(e.Tags, i.Class.String())
	}
	e.Tags = append(e.Tags, string(a.Rule))
	e.Related = relatedTo(a)
	return line(e)
}

// Change renders a change of a host's state as one line without a newline.
func (r *Renderer) Change(c *scope.Change) ([]byte, error) {
	var frames []alert.FrameRef
	if c.Frame.Number > 0 {
		frames = append(frames, c.Frame)
	}
	e := r.begin(c.Time, c.Host, c.Zone, frames)
	e.Message = text(c.Host) + " (" + c.Zone + ") is now " + c.To.String() + ", was " + c.From.String() + ": " + c.Why
	severity := c.To.Severity()
	e.Event = meta{
		ID: c.ID, Kind: "state", Category: []string{"host"}, Type: []string{"info"},
		Action: actionState, Module: module, Dataset: module + ".state", Reason: c.Why,
		Severity: uint8(severity), RiskScore: float64(severity),
	}
	e.Rule = rule{ID: actionState, Name: "Host state", Category: "scope"}
	e.Tags = append(e.Tags, actionState, c.To.String())
	e.Related = related{IP: []string{text(c.Host)}}
	e.Wormscope.State = &stateField{From: c.From, To: c.To, Confidence: c.Confidence}
	return line(e)
}

// Event renders an alert or a change as one line without a newline. Its frames
// are of the files that the event itself names.
func (r *Renderer) Event(e *event.Event) ([]byte, error) {
	own := *r
	own.opts.FileName = e.FileName
	switch {
	case e.Alert != nil:
		return own.Alert(e.Alert)
	case e.Change != nil:
		return own.Change(e.Change)
	default:
		return nil, errors.New("no event to render: neither an alert nor a change")
	}
}

const (
	module      = "wormscope"
	actionState = "host-state"
)

// begin fills in what all events have.
func (r *Renderer) begin(at time.Time, host netip.Addr, zoneName string, frames []alert.FrameRef) *document {
	e := &document{
		Timestamp: at.UTC(),
		ECS:       version{schemaVersion},
		Tags:      []string{module},
		Host:      hostField{IP: []string{text(host)}},
		Observer:  observer{Name: r.opts.Observer, Product: module, Type: "ids", Version: r.opts.Version},
		Wormscope: own{Zone: zoneName, Frames: make([]frame, 0, len(frames))},
	}
	for _, f := range frames {
		ref := frame{Number: f.Number}
		if r.opts.FileName != nil {
			ref.File = r.opts.FileName(f.File)
		}
		e.Wormscope.Frames = append(e.Wormscope.Frames, ref)
	}
	return e
}

// flow fills in the ends of the deciding flow. An end that is many hosts, or
// none, is left out.
func (e *document) flow(a *alert.Alert, zones *zone.Map) {
	e.Source, e.Destination = end(a.Orig), end(a.Resp)
	if e.Source == nil && e.Destination == nil {
		return
	}
	n := &network{
		Transport: transport(a.Proto), Type: ipVersion(a.Host), Protocol: protocol(a),
		CommunityID: communityID(a.Proto, a.Orig, a.Resp),
	}
	if a.VLAN != 0 {
		n.VLAN = &vlan{ID: strconv.Itoa(int(a.VLAN))}
	}
	e.Network = n
	if e.Source != nil {
		e.Observer.Ingress = &zoneField{zones.Name(a.Orig.Addr())}
	}
	if e.Destination != nil {
		e.Observer.Egress = &zoneField{zones.Name(a.Resp.Addr())}
	}
	if e.Source != nil && e.Destination != nil {
		n.Direction = direction(zones.Inside(a.Orig.Addr()), zones.Inside(a.Resp.Addr()))
	}
	if c := a.Evidence.Contact; c != nil {
		n.Packets = &c.Packets
		if e.Source != nil {
			e.Source.Bytes = &c.BytesOrig
		}
		if e.Destination != nil {
			e.Destination.Bytes = &c.BytesResp
		}
	}
}

func end(ap netip.AddrPort) *endpoint {
	a := text(ap.Addr())
	if a == "" || ap.Addr().IsUnspecified() {
		return nil
	}
	return &endpoint{Address: a, IP: a, Port: ap.Port()}
}

func transport(proto uint8) string {
	switch proto {
	case protoTCP:
		return "tcp"
	case protoUDP:
		return "udp"
	case protoICMP:
		return "icmp"
	case protoICMPv6:
		return "ipv6-icmp"
	case protoSCTP:
		return "sctp"
	default:
		return ""
	}
}

func ipVersion(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "ipv4"
	}
	return "ipv6"
}

// protocol names the application protocol where the rule knows it.
func protocol(a *alert.Alert) string {
	switch {
	case a.Evidence.DNS != nil:
		return "dns"
	case a.Evidence.SMB != nil, a.Evidence.Exposure != nil && (a.Evidence.Exposure.Port == 445 || a.Evidence.Exposure.Port == 139):
		return "smb"
	default:
		return ""
	}
}

func direction(fromInside, toInside bool) string {
	switch {
	case fromInside && toInside:
		return "internal"
	case fromInside:
		return "outbound"
	case toInside:
		return "inbound"
	default:
		return "external"
	}
}

func dnsOf(d *alert.DNS) *dns {
	if d == nil {
		return nil
	}
	f := &dns{
		Type: "query", Question: dnsQuestion{Name: d.Question, Type: d.Type},
		ResponseCode: d.ResponseCode, ResolvedIP: texts(d.Resolved),
	}
	if d.ResponseCode != "" {
		f.Type = "answer"
	}
	if domain, err := publicsuffix.EffectiveTLDPlusOne(d.Question); err == nil {
		f.Question.RegisteredDomain = domain
	}
	return f
}

// feeds names every feed that lists the indicator.
func feeds(i *ioc.Indicator) []string {
	if i.Feed == "" {
		return i.AlsoIn
	}
	return append([]string{i.Feed}, i.AlsoIn...)
}

// relatedTo lists the addresses and names to search for, the host first.
func relatedTo(a *alert.Alert) related {
	addrs := []netip.Addr{a.Host, a.Orig.Addr(), a.Resp.Addr()}
	var r related
	if d := a.Evidence.DNS; d != nil {
		addrs = append(append(addrs, d.Resolver), d.Resolved...)
		for _, name := range []string{d.Question, d.Matched} {
			if name != "" && !slices.Contains(r.Hosts, name) {
				r.Hosts = append(r.Hosts, name)
			}
		}
	}
	if x := a.Evidence.Exposure; x != nil {
		addrs = append(addrs, x.By)
	}
	if s := a.Evidence.Scan; s != nil {
		addrs = append(addrs, s.Sample...)
	}
	for _, at := range addrs {
		if s := text(at); s != "" && !at.IsUnspecified() && !slices.Contains(r.IP, s) {
			r.IP = append(r.IP, s)
		}
	}
	return r
}

// code tells a rule's variants apart: scan/fan-out.
func code(a *alert.Alert) string {
	if a.Name == "" {
		return string(a.Rule)
	}
	return string(a.Rule) + "/" + strings.ReplaceAll(a.Name, " ", "-")
}

func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// line encodes an event. Names stay as they are: <, > and & are not escaped.
func line(e *document) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
