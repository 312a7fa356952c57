// Package eve renders alerts and changes of state as alert records of the EVE
// format of Suricata 8 (https://docs.suricata.io/en/suricata-8.0.0/output/eve/),
// one JSON document a line, for programs that read Suricata's output. What EVE has
// no key for stands under wormscope, as in ECS documents. docs/formats.md is the
// reference.
package eve

import (
	"net/netip"
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
	Sensor string    // name of the sensor, host; empty leaves it out
	Zones  *zone.Map // must be set
	Live   bool      // file names of events are names of interfaces
}

// A Renderer writes events. It is safe for use by several goroutines.
type Renderer struct{ opts Options }

// New makes a Renderer.
func New(o Options) *Renderer { return &Renderer{opts: o} }

// record is an EVE record.
type record struct {
	Timestamp   string        `json:"timestamp"`
	FlowID      uint64        `json:"flow_id,omitempty"`
	Interface   string        `json:"in_iface,omitempty"`
	EventType   string        `json:"event_type"`
	VLAN        []uint16      `json:"vlan,omitempty"`
	SrcIP       string        `json:"src_ip,omitempty"`
	SrcPort     *uint16       `json:"src_port,omitempty"`
	DestIP      string        `json:"dest_ip,omitempty"`
	DestPort    *uint16       `json:"dest_port,omitempty"`
	Proto       string        `json:"proto,omitempty"`
	AppProto    string        `json:"app_proto,omitempty"`
	CommunityID string        `json:"community_id,omitempty"`
	Host        string        `json:"host,omitempty"`
	PcapCount   uint64        `json:"pcap_cnt,omitempty"`
	PcapFile    string        `json:"pcap_filename,omitempty"`
	Alert       alertField    `json:"alert"`
	DNS         *dnsField     `json:"dns,omitempty"`
	Wormscope   detail.Detail `json:"wormscope"`
}

type alertField struct {
	Action      string              `json:"action"`
	GID         int                 `json:"gid"`
	SignatureID int                 `json:"signature_id"`
	Rev         int                 `json:"rev"`
	Signature   string              `json:"signature"`
	Category    string              `json:"category"`
	Severity    int                 `json:"severity"` // 1 is the worst
	Metadata    map[string][]string `json:"metadata"`
}

// dnsField is dns as records of type alert have it.
type dnsField struct {
	Query []dnsQuery `json:"query"`
}

type dnsQuery struct {
	Type   string `json:"type"`
	RRName string `json:"rrname"`
	RRType string `json:"rrtype,omitempty"`
}

// timestamp is how EVE writes times.
const timestamp = "2006-01-02T15:04:05.000000-0700"

// Event renders an alert or a change as one line without a newline. The same
// event gives the same bytes.
func (r *Renderer) Event(e *event.Event) ([]byte, error) {
	var d *record
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

// alert renders one phase of an alert.
func (r *Renderer) alert(e *event.Event) *record {
	a := e.Alert
	rule := traits.OfRule(a.Rule)
	zoneName := r.opts.Zones.Name(a.Host)
	d := r.begin(e.Time())
	d.Alert = alertField{
		Action: "allowed", GID: 1, SignatureID: SignatureID(string(a.Rule)), Rev: 1,
		Signature: "wormscope " + traits.Title(a), Category: rule.Name, Severity: severity(a.Severity),
		Metadata: map[string][]string{
			"event_id": {e.ID()}, "host": {traits.Address(a.Host)}, "rule": {string(a.Rule)},
			"message": {traits.Address(a.Host) + " (" + zoneName + ") " + scope.Predicate(a)},
		},
	}
	meta := d.Alert.Metadata
	add := func(key, value string) {
		if value != "" {
			meta[key] = []string{value}
		}
	}
	add("mitre_tactic_id", rule.Tactic.ID)
	add("mitre_tactic_name", rule.Tactic.Name)
	add("mitre_technique_id", rule.Technique.ID)
	add("mitre_technique_name", rule.Technique.Name)
	add("cve", traits.CVE(a))
	if i := a.Indicator; i != nil {
		add("indicator", i.Value)
		add("feed", i.Feed)
		add("tlp", i.TLP)
	}
	d.flow(a)
	d.Wormscope = detail.OfAlert(a, zoneName, e.FileName)
	d.where(e, a.Frames, r.opts.Live)
	if q := a.Evidence.DNS; q != nil {
		d.DNS = &dnsField{[]dnsQuery{{Type: "query", RRName: q.Question, RRType: q.Type}}}
	}
	return d
}

// change renders a change of a host's state.
func (r *Renderer) change(e *event.Event) *record {
	c := e.Change
	d := r.begin(c.Time)
	d.SrcIP = traits.Address(c.Host)
	d.Alert = alertField{
		Action: "allowed", GID: 1, SignatureID: SignatureID(traits.StateAction), Rev: 1,
		Signature: "wormscope Host is " + c.To.String(), Category: traits.State().Name, Severity: severity(c.To.Severity()),
		Metadata: map[string][]string{
			"event_id": {c.ID}, "host": {traits.Address(c.Host)}, "rule": {traits.StateAction}, "why": {c.Why},
		},
	}
	d.Wormscope = detail.OfChange(c, e.FileName)
	if c.Frame.Number > 0 {
		d.where(e, []alert.FrameRef{c.Frame}, r.opts.Live)
	}
	return d
}

func (r *Renderer) begin(at time.Time) *record {
	return &record{Timestamp: at.UTC().Format(timestamp), EventType: "alert", Host: r.opts.Sensor}
}

// flow fills in the deciding flow. Of a scan without one the first destination of its
// sample stands for all.
func (d *record) flow(a *alert.Alert) {
	resp := a.Resp
	if s := a.Evidence.Scan; s != nil && !traits.Known(resp) && len(s.Sample) > 0 {
		resp = netip.AddrPortFrom(s.Sample[0], s.Port)
	}
	d.SrcIP, d.SrcPort = end(a.Orig)
	d.DestIP, d.DestPort = end(resp)
	d.Proto = protocol(a.Proto)
	d.AppProto = traits.Protocol(a)
	d.CommunityID = traits.CommunityID(a.Proto, a.Orig, a.Resp)
	if d.CommunityID != "" {
		d.FlowID = flowID(d.CommunityID)
	}
	if a.VLAN != 0 {
		d.VLAN = []uint16{a.VLAN}
	}
}

func end(ap netip.AddrPort) (string, *uint16) {
	if !traits.Known(ap) {
		return "", nil
	}
	if ap.Port() == 0 {
		return traits.Address(ap.Addr()), nil
	}
	port := ap.Port()
	return traits.Address(ap.Addr()), &port
}

// where fills in where the event is seen first.
func (d *record) where(e *event.Event, frames []alert.FrameRef, live bool) {
	if len(frames) == 0 {
		return
	}
	d.PcapCount = frames[0].Number
	if name := e.FileName(frames[0].File); live {
		d.Interface = name
	} else {
		d.PcapFile = name
	}
}
