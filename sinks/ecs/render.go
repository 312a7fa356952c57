package ecs

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/scope"
	"wormscope/sinks/detail"
	"wormscope/sinks/event"
	"wormscope/sinks/traits"

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

// Alert renders one phase of an alert as one line without a newline. The same
// alert gives the same bytes.
func (r *Renderer) Alert(a *alert.Alert) ([]byte, error) {
	rule := traits.OfRule(a.Rule)
	zoneName := r.opts.Zones.Name(a.Host)
	e := r.begin(a.Time, a.Host)
	e.Message = traits.Address(a.Host) + " (" + zoneName + ") " + scope.Predicate(a)
	e.Event = meta{
		ID: a.ID + "-" + strconv.Itoa(a.Seq), Kind: "alert",
		Category: categories(a.Rule), Type: []string{"info"},
		Action: string(a.Rule), Module: module, Dataset: module + ".alert", Code: code(a),
		Severity: uint8(a.Severity), RiskScore: float64(a.Severity), Outcome: outcome(a),
		Start: utc(a.First), End: utc(a.Last),
	}
	e.Rule = ruleField{ID: string(a.Rule), Name: traits.Name(a), Category: rule.Group}
	e.Wormscope = detail.OfAlert(a, zoneName, r.opts.FileName)
	e.flow(a, r.opts.Zones)
	e.DNS = dnsOf(a.Evidence.DNS)
	e.Threat = threatOf(&rule, a.Indicator)
	e.Flaw = flawOf(a)
	if i := a.Indicator; i != nil {
		e.Rule.Reference = i.Reference
		e.Tags = append(e.Tags, i.Class.String())
	}
	e.Tags = append(e.Tags, string(a.Rule))
	e.Related = relatedTo(a)
	return detail.Line(e)
}

// Change renders a change of a host's state as one line without a newline.
func (r *Renderer) Change(c *scope.Change) ([]byte, error) {
	e := r.begin(c.Time, c.Host)
	e.Message = traits.Address(c.Host) + " (" + c.Zone + ") is now " + c.To.String() + ", was " + c.From.String() + ": " + c.Why
	severity := c.To.Severity()
	e.Event = meta{
		ID: c.ID, Kind: "state", Category: []string{"host"}, Type: []string{"info"},
		Action: traits.StateAction, Module: module, Dataset: module + ".state", Reason: c.Why,
		Severity: uint8(severity), RiskScore: float64(severity),
	}
	state := traits.State()
	e.Rule = ruleField{ID: traits.StateAction, Name: state.Name, Category: state.Group}
	e.Tags = append(e.Tags, traits.StateAction, c.To.String())
	e.Related = related{IP: []string{traits.Address(c.Host)}}
	e.Wormscope = detail.OfChange(c, r.opts.FileName)
	return detail.Line(e)
}

// Event renders an alert or a change as one line without a newline. It takes the
// names of capture files from the event, not from Options.
func (r *Renderer) Event(e *event.Event) ([]byte, error) {
	own := *r
	own.opts.FileName = e.FileName
	switch {
	case e.Alert != nil:
		return own.Alert(e.Alert)
	case e.Change != nil:
		return own.Change(e.Change)
	default:
		return nil, event.ErrFact
	}
}

const module = "wormscope"

// begin fills in what all events have.
func (r *Renderer) begin(at time.Time, host netip.Addr) *document {
	return &document{
		Timestamp: stamp(at.UTC()),
		ECS:       version{schemaVersion},
		Tags:      []string{module},
		Host:      hostField{IP: []string{traits.Address(host)}},
		Observer:  observer{Name: r.opts.Observer, Product: module, Type: "ids", Version: r.opts.Version},
	}
}

// flow fills in the ends of the deciding flow. An end that stands for many hosts, or
// is not known, is left out.
func (e *document) flow(a *alert.Alert, zones *zone.Map) {
	e.Source, e.Destination = end(a.Orig), end(a.Resp)
	if e.Source == nil && e.Destination == nil {
		return
	}
	n := &network{
		Transport: traits.Transport(a.Proto), Type: ipVersion(a.Host), Protocol: traits.Protocol(a),
		CommunityID: traits.CommunityID(a.Proto, a.Orig, a.Resp),
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
		n.Direction = traits.Direction(zones, a.Orig.Addr(), a.Resp.Addr())
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
	if !traits.Known(ap) {
		return nil
	}
	a := traits.Address(ap.Addr())
	return &endpoint{Address: a, IP: a, Port: ap.Port()}
}

func ipVersion(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "ipv4"
	}
	return "ipv6"
}

func dnsOf(d *alert.DNS) *dns {
	if d == nil {
		return nil
	}
	f := &dns{
		Type: "query", Question: dnsQuestion{Name: d.Question, Type: d.Type},
		ResponseCode: d.ResponseCode, ResolvedIP: traits.Addresses(d.Resolved),
	}
	if d.ResponseCode != "" {
		f.Type = "answer"
	}
	if domain, err := publicsuffix.EffectiveTLDPlusOne(d.Question); err == nil {
		f.Question.RegisteredDomain = domain
	}
	return f
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
		if s := traits.Address(at); s != "" && !at.IsUnspecified() && !slices.Contains(r.IP, s) {
			r.IP = append(r.IP, s)
		}
	}
	return r
}

// code returns event.code, the rule with its variant, such as scan/fan-out.
func code(a *alert.Alert) string {
	if a.Name == "" {
		return string(a.Rule)
	}
	return string(a.Rule) + "/" + strings.ReplaceAll(a.Name, " ", "-")
}

func utc(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	s := stamp(t.UTC())
	return &s
}
