package ocsf

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/scope"
	"wormscope/sinks/detail"
	"wormscope/sinks/event"
	"wormscope/sinks/traits"
)

// Options are the settings of a Renderer.
type Options struct {
	Version string    // of the program; empty leaves it out
	Sensor  string    // name of the sensor, which tells sites apart; empty leaves it out
	Zones   *zone.Map // must be set
}

// A Renderer writes events. It is safe for use by several goroutines.
type Renderer struct{ opts Options }

// New makes a Renderer.
func New(o Options) *Renderer { return &Renderer{opts: o} }

// Event renders an alert or a change as one line without a newline. The same
// event gives the same bytes.
func (r *Renderer) Event(e *event.Event) ([]byte, error) {
	var d *document
	switch {
	case e.Alert != nil:
		d = r.alert(e)
	case e.Change != nil:
		d = r.change(e)
	default:
		return nil, event.ErrFact
	}
	return detail.Line(d)
}

// activity returns the OCSF activity of an event: the first of a finding creates
// it, others update it. None closes it, which is for the analyst to do.
func activity(first bool) (id int, name string) {
	if first {
		return 1, "Create"
	}
	return 2, "Update"
}

// alert renders one phase of an alert.
func (r *Renderer) alert(e *event.Event) *document {
	a := e.Alert
	rule := traits.OfRule(a.Rule)
	zoneName := r.opts.Zones.Name(a.Host)
	d := r.begin(e, zoneName, a.Phase == alert.PhaseStart)
	d.Message = traits.Address(a.Host) + " (" + zoneName + ") " + scope.Predicate(a)
	d.StartTime, d.EndTime, d.Count = millis(a.First), millis(a.Last), a.Count
	d.IsAlert = true
	d.Finding = finding{
		UID: a.ID, Title: traits.Title(a), Types: []string{rule.Group}, FirstSeen: millis(a.First), LastSeen: millis(a.Last),
		Analytic: analytic{UID: string(a.Rule), Name: rule.Name, TypeID: 1, Type: "Rule"},
		Attacks:  attacks(&rule),
	}
	d.Metadata.Labels, d.Metadata.Sequence = []string{string(a.Rule)}, a.Seq
	d.evidence(a, r.opts.Zones)
	if id := traits.CVE(a); id != "" {
		d.Flaws = []vulnerability{{CVE: cve{id}, References: []string{"https://www.cve.org/CVERecord?id=" + id}}}
	}
	if a.Indicator != nil {
		d.indicator(a.Indicator)
	}
	d.Unmapped.Wormscope = detail.OfAlert(a, zoneName, e.FileName)
	d.observe(a)
	return d
}

// change renders a change of a host's state. All changes of one host are one
// finding, which the first change creates. It has the sensor in its id, since the
// same address may be another host at another site.
func (r *Renderer) change(e *event.Event) *document {
	c := e.Change
	d := r.begin(e, c.Zone, c.From == scope.Seen)
	d.Message = traits.Address(c.Host) + " (" + c.Zone + ") is now " + c.To.String() + ", was " + c.From.String() + ": " + c.Why
	confidence := int(math.Round(100 * c.Confidence))
	d.Confidence = &confidence
	d.IsAlert = c.To >= scope.Suspected
	state := traits.State()
	d.Finding = finding{
		UID: alert.Identify(traits.StateAction, c.Host, time.Unix(0, 0), r.opts.Sensor), Title: "Host is " + c.To.String(), Types: []string{state.Group},
		Analytic: analytic{UID: traits.StateAction, Name: state.Name, TypeID: 1, Type: "Rule"},
	}
	d.Metadata.Labels = []string{traits.StateAction, c.To.String()}
	d.Unmapped.Wormscope = detail.OfChange(c, e.FileName)
	d.address("device.ip", c.Host)
	return d
}

// begin fills in what all events have.
func (r *Renderer) begin(e *event.Event, zoneName string, first bool) *document {
	id, name := activity(first)
	severityID, severity := severityOf(e.Severity())
	return &document{
		ActivityID: id, ActivityName: name,
		CategoryUID: categoryUID, CategoryName: "Findings", ClassUID: classUID, ClassName: "Detection Finding",
		TypeUID: classUID*100 + id, TypeName: "Detection Finding: " + name,
		Time: millis(e.Time()), SeverityID: severityID, Severity: severity, RiskScore: int(e.Severity()),
		StatusID: 1, Status: "New",
		Metadata: metadata{
			Version: schemaVersion, UID: e.ID(), Provider: r.opts.Sensor,
			Product: product{Name: "wormscope", Vendor: "wormscope", Version: r.opts.Version},
		},
		Device: device{IP: traits.Address(e.Host()), Zone: zoneName, Type: "Unknown"},
	}
}

func severityOf(s alert.Severity) (id int, name string) {
	switch {
	case s >= alert.Critical:
		return 5, "Critical"
	case s >= alert.High:
		return 4, "High"
	case s >= alert.Medium:
		return 3, "Medium"
	case s >= alert.Low:
		return 2, "Low"
	default:
		return 1, "Informational"
	}
}

func attacks(r *traits.Rule) []attack {
	if r.Technique.ID == "" {
		return nil
	}
	a := attack{Tactic: named{r.Tactic.ID, r.Tactic.Name}, Technique: named{r.Technique.ID, r.Technique.Name}}
	if r.Sub.ID != "" {
		a.Sub = &named{r.Sub.ID, r.Sub.Name}
	}
	return []attack{a}
}

// evidence fills in the deciding flow and the lookup.
func (d *document) evidence(a *alert.Alert, zones *zone.Map) {
	e := evidence{Source: end(a.Orig, zones, a.VLAN), Destination: end(a.Resp, zones, a.VLAN)}
	if e.Destination != nil {
		e.Destination.Service = traits.Protocol(a)
	}
	if e.Source != nil && e.Destination != nil {
		e.Connection = connectionOf(a, zones)
	}
	if q := a.Evidence.DNS; q != nil {
		e.Query = &query{Hostname: q.Question, Type: q.Type}
		if q.ResponseCode != "" {
			d.Unmapped.DNS = &answer{ResponseCode: q.ResponseCode, ResolvedIP: traits.Addresses(q.Resolved)}
		}
	}
	if e != (evidence{}) {
		d.Evidences = []evidence{e}
	}
}

func end(ap netip.AddrPort, zones *zone.Map, vlan uint16) *endpoint {
	if !traits.Known(ap) {
		return nil
	}
	e := &endpoint{IP: traits.Address(ap.Addr()), Port: ap.Port(), Zone: zones.Name(ap.Addr())}
	if vlan != 0 {
		e.VLAN = strconv.Itoa(int(vlan))
	}
	return e
}

func connectionOf(a *alert.Alert, zones *zone.Map) *connection {
	c := &connection{
		Protocol: traits.Transport(a.Proto), ProtocolNum: int(a.Proto), VersionID: 4,
		CommunityID: traits.CommunityID(a.Proto, a.Orig, a.Resp),
	}
	if !a.Orig.Addr().Unmap().Is4() {
		c.VersionID = 6
	}
	switch traits.Direction(zones, a.Orig.Addr(), a.Resp.Addr()) {
	case "internal":
		c.DirectionID, c.Direction = 3, "Lateral"
	case "outbound":
		c.DirectionID, c.Direction = 2, "Outbound"
	case "inbound":
		c.DirectionID, c.Direction = 1, "Inbound"
	default:
		c.Direction = "Unknown"
	}
	return c
}

// millis returns a time in milliseconds since the Unix epoch, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
