// Package detail is what wormscope says of an event and no schema has a field for:
// the object that stands under "wormscope" in each JSON rendering. It is the same in
// all of them. docs/events.md is the reference.
package detail

import (
	"wormscope/detect/alert"
	"wormscope/ioc"
	"wormscope/scope"
	"wormscope/sinks/traits"
)

// Detail is the object wormscope.*. Pointers are nil where they are about another
// kind of event.
type Detail struct {
	Zone      string     `json:"zone"` // of the host
	Count     *uint64    `json:"count,omitempty"`
	Alert     *Alert     `json:"alert,omitempty"`
	State     *State     `json:"state,omitempty"`
	Indicator *Indicator `json:"indicator,omitempty"`
	Scan      *Scan      `json:"scan,omitempty"`
	Flood     *Flood     `json:"flood,omitempty"`
	DNS       *DNS       `json:"dns,omitempty"`
	Contact   *Contact   `json:"contact,omitempty"`
	SMB       *SMB       `json:"smb,omitempty"`
	Crossing  *Crossing  `json:"crossing,omitempty"`
	Patch     string     `json:"patch,omitempty"` // of MS17-010 on the host
	Frames    []Frame    `json:"frames"`
}

// Alert ties the events of one alert together: its start, its updates and its end.
type Alert struct {
	ID    string `json:"id"`
	Phase string `json:"phase"`
	Seq   int    `json:"seq"`
}

// State is a change of a host's state.
type State struct {
	From       scope.State `json:"from"`
	To         scope.State `json:"to"`
	Confidence float64     `json:"confidence"`
}

// Indicator is what the feeds say of the indicator that no schema has a field for.
type Indicator struct {
	Class string   `json:"class"`
	Exact bool     `json:"exact,omitempty"`
	Line  int      `json:"line,omitempty"`
	Feeds []string `json:"feeds,omitempty"`
}

// Scan is the evidence of a scan.
type Scan struct {
	Port      uint16   `json:"port"`
	Ports     []uint16 `json:"ports,omitempty"`
	Targets   uint64   `json:"targets"`
	Estimated bool     `json:"estimated,omitempty"`
	Answered  uint64   `json:"answered"`
	Refused   uint64   `json:"refused"`
	Silent    uint64   `json:"silent"`
	Rate      float64  `json:"rate"`
	Rule      string   `json:"rule"`
	Attempts  uint64   `json:"attempts"`
	LLR       float64  `json:"llr,omitempty"`
	Sources   uint64   `json:"sources,omitempty"`
	Sample    []string `json:"sample"`
}

// Flood is the evidence of a flood.
type Flood struct {
	Port    uint16  `json:"port"`
	Sources uint64  `json:"sources"`
	Packets uint64  `json:"packets"`
	Rate    float64 `json:"rate"`
}

// DNS is what a lookup shows beyond the name.
type DNS struct {
	Matched  string   `json:"matched"`
	Resolver string   `json:"resolver,omitempty"`
	Client   string   `json:"client,omitempty"`
	OnBehalf bool     `json:"on_behalf"`
	Listed   []string `json:"listed,omitempty"`
}

// Contact is the evidence of traffic with an indicator address; bytes are of payload.
type Contact struct {
	State          string `json:"state"`
	Initiator      string `json:"initiator"`
	BytesOrig      uint64 `json:"bytes_orig"`
	BytesResp      uint64 `json:"bytes_resp"`
	Packets        uint64 `json:"packets"`
	Refused        bool   `json:"refused"`
	TransportGuess bool   `json:"transport_guess,omitempty"`
	OnBehalf       bool   `json:"on_behalf,omitempty"`
	Hosts          uint64 `json:"hosts,omitempty"`
	HostsAnswered  uint64 `json:"hosts_answered,omitempty"`
}

// SMB is wormscope.smb.*: of a host that answers, or of what was done
// to it.
type SMB struct {
	Port        uint16   `json:"port"`
	By          string   `json:"by,omitempty"`
	FromOutside *bool    `json:"from_outside,omitempty"`
	Clients     *uint64  `json:"clients,omitempty"`
	Zones       []string `json:"zones,omitempty"`

	Check   *Check   `json:"check,omitempty"`
	Exploit *Exploit `json:"exploit,omitempty"`
	Implant *Implant `json:"implant,omitempty"`
	Marks   []string `json:"wannacry_marks,omitempty"`
	OneWay  bool     `json:"one_way,omitempty"`
}

// Crossing is the evidence of traffic over a closed border.
type Crossing struct {
	Port     uint16 `json:"port"`
	FromZone string `json:"from_zone"`
	ToZone   string `json:"to_zone"`
	State    string `json:"state"` // open or blocked
	Targets  uint64 `json:"targets"`
	Refused  uint64 `json:"refused"`
	Silent   uint64 `json:"silent"`
}

// Frame is a frame that shows the event, numbered as in Wireshark.
type Frame struct {
	File   string `json:"file,omitempty"`
	Number uint64 `json:"number"`
}

// OfAlert returns the detail of one phase of an alert; zoneName is the zone of its
// host. fileName names capture files by their index; it may be nil.
func OfAlert(a *alert.Alert, zoneName string, fileName func(int) string) Detail {
	d := Detail{
		Zone: zoneName, Count: &a.Count, Frames: frames(a.Frames, fileName),
		Alert: &Alert{ID: a.ID, Phase: a.Phase.String(), Seq: a.Seq},
	}
	if i := a.Indicator; i != nil {
		d.Indicator = &Indicator{Class: i.Class.String(), Exact: i.Exact, Line: i.Line, Feeds: feeds(i)}
	}
	d.evidence(a)
	return d
}

// OfChange returns the detail of a change of a host's state, as OfAlert does.
func OfChange(c *scope.Change, fileName func(int) string) Detail {
	var at []alert.FrameRef
	if c.Frame.Number > 0 {
		at = append(at, c.Frame)
	}
	return Detail{
		Zone: c.Zone, Frames: frames(at, fileName),
		State: &State{From: c.From, To: c.To, Confidence: c.Confidence},
	}
}

func frames(list []alert.FrameRef, fileName func(int) string) []Frame {
	out := make([]Frame, 0, len(list))
	for _, f := range list {
		ref := Frame{Number: f.Number}
		if fileName != nil {
			ref.File = fileName(f.File)
		}
		out = append(out, ref)
	}
	return out
}

// feeds names every feed that lists the indicator.
func feeds(i *ioc.Indicator) []string {
	if i.Feed == "" {
		return i.AlsoIn
	}
	return append([]string{i.Feed}, i.AlsoIn...)
}

// evidence fills in what an alert's rule found.
func (o *Detail) evidence(a *alert.Alert) {
	e := &a.Evidence
	if s := e.Scan; s != nil {
		o.Scan = &Scan{
			Port: s.Port, Ports: s.Ports, Targets: s.Targets, Estimated: s.Estimated,
			Answered: s.Answered, Refused: s.Refused, Silent: s.Silent, Rate: s.Rate,
			Rule: a.Name, Attempts: s.Attempts, LLR: s.LLR, Sources: s.Sources, Sample: traits.Addresses(s.Sample),
		}
	}
	if f := e.Flood; f != nil {
		o.Flood = &Flood{Port: f.Port, Sources: f.Sources, Packets: f.Packets, Rate: f.Rate}
	}
	if d := e.DNS; d != nil {
		o.DNS = &DNS{Matched: d.Matched, Resolver: traits.Address(d.Resolver), OnBehalf: d.OnBehalf, Listed: traits.Addresses(d.Listed)}
		if d.Client.IsValid() {
			o.DNS.Client = d.Client.String()
		}
	}
	if c := e.Contact; c != nil {
		o.Contact = &Contact{
			State: c.State, Initiator: c.Initiator, BytesOrig: c.BytesOrig, BytesResp: c.BytesResp,
			Packets: c.Packets, Refused: c.Refused, TransportGuess: c.TransportGuess,
			OnBehalf: c.OnBehalf, Hosts: c.Hosts, HostsAnswered: c.HostsAnswered,
		}
	}
	if x := e.Crossing; x != nil {
		o.Crossing = &Crossing{
			Port: x.Port, FromZone: x.FromZone, ToZone: x.ToZone, State: a.Name,
			Targets: x.Targets, Refused: x.Refused, Silent: x.Silent,
		}
	}
	if x := e.Exposure; x != nil {
		o.SMB = &SMB{Port: x.Port, By: traits.Address(x.By), FromOutside: &x.FromOutside, Clients: &x.Clients, Zones: x.Zones}
	}
	if e.SMB != nil {
		o.smb(a)
	}
}
