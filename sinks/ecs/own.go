package ecs

import (
	"net/netip"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// own is wormscope.*: what the schema has no field for.
type own struct {
	Zone      string        `json:"zone"` // of the host
	Count     *uint64       `json:"count,omitempty"`
	Alert     *alertField   `json:"alert,omitempty"`
	State     *stateField   `json:"state,omitempty"`
	Indicator *ownIndicator `json:"indicator,omitempty"`
	Scan      *scanField    `json:"scan,omitempty"`
	Flood     *floodField   `json:"flood,omitempty"`
	DNS       *ownDNS       `json:"dns,omitempty"`
	Contact   *contactField `json:"contact,omitempty"`
	SMB       *smbField     `json:"smb,omitempty"`
	Crossing  *crossField   `json:"crossing,omitempty"`
	Patch     string        `json:"patch,omitempty"` // of MS17-010 on the host
	Frames    []frame       `json:"frames"`
}

// alertField ties the words of one alert together.
type alertField struct {
	ID    string `json:"id"`
	Phase string `json:"phase"`
	Seq   int    `json:"seq"`
}

type stateField struct {
	From       scope.State `json:"from"`
	To         scope.State `json:"to"`
	Confidence float64     `json:"confidence"`
}

type ownIndicator struct {
	Class string   `json:"class"`
	Exact bool     `json:"exact,omitempty"`
	Line  int      `json:"line,omitempty"`
	Feeds []string `json:"feeds,omitempty"`
}

type scanField struct {
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

type floodField struct {
	Port    uint16  `json:"port"`
	Sources uint64  `json:"sources"`
	Packets uint64  `json:"packets"`
	Rate    float64 `json:"rate"`
}

type ownDNS struct {
	Matched  string   `json:"matched"`
	Resolver string   `json:"resolver,omitempty"`
	Client   string   `json:"client,omitempty"`
	OnBehalf bool     `json:"on_behalf"`
	Listed   []string `json:"listed,omitempty"`
}

type contactField struct {
	State          string `json:"state"`
	Initiator      string `json:"initiator"`
	BytesOrig      uint64 `json:"bytes_orig"`
	BytesResp      uint64 `json:"bytes_resp"`
	Packets        uint64 `json:"packets"`
	Refused        bool   `json:"refused"`
	TransportGuess bool   `json:"transport_guess,omitempty"`
	OnBehalf       bool   `json:"on_behalf,omitempty"`
	Hosts          uint64 `json:"hosts,omitempty"`
}

// smbField is wormscope.smb.*: of a host that answers, or of what was done
// to it.
type smbField struct {
	Port        uint16   `json:"port"`
	By          string   `json:"by,omitempty"`
	FromOutside *bool    `json:"from_outside,omitempty"`
	Clients     *uint64  `json:"clients,omitempty"`
	Zones       []string `json:"zones,omitempty"`

	Check   *checkField   `json:"check,omitempty"`
	Exploit *exploitField `json:"exploit,omitempty"`
	Implant *implantField `json:"implant,omitempty"`
	Marks   []string      `json:"wannacry_marks,omitempty"`
	OneWay  bool          `json:"one_way,omitempty"`
}

type crossField struct {
	Port     uint16 `json:"port"`
	FromZone string `json:"from_zone"`
	ToZone   string `json:"to_zone"`
	State    string `json:"state"` // open or blocked
	Targets  uint64 `json:"targets"`
	Refused  uint64 `json:"refused"`
	Silent   uint64 `json:"silent"`
}

type frame struct {
	File   string `json:"file,omitempty"`
	Number uint64 `json:"number"`
}

// evidence fills in what an alert's rule found.
func (o *own) evidence(a *alert.Alert) {
	e := &a.Evidence
	if s := e.Scan; s != nil {
		o.Scan = &scanField{
			Port: s.Port, Ports: s.Ports, Targets: s.Targets, Estimated: s.Estimated,
			Answered: s.Answered, Refused: s.Refused, Silent: s.Silent, Rate: s.Rate,
			Rule: a.Name, Attempts: s.Attempts, LLR: s.LLR, Sources: s.Sources, Sample: texts(s.Sample),
		}
	}
	if f := e.Flood; f != nil {
		o.Flood = &floodField{Port: f.Port, Sources: f.Sources, Packets: f.Packets, Rate: f.Rate}
	}
	if d := e.DNS; d != nil {
		o.DNS = &ownDNS{Matched: d.Matched, Resolver: text(d.Resolver), OnBehalf: d.OnBehalf, Listed: texts(d.Listed)}
		if d.Client.IsValid() {
			o.DNS.Client = d.Client.String()
		}
	}
	if c := e.Contact; c != nil {
		o.Contact = &contactField{
			State: c.State, Initiator: c.Initiator, BytesOrig: c.BytesOrig, BytesResp: c.BytesResp,
			Packets: c.Packets, Refused: c.Refused, TransportGuess: c.TransportGuess,
			OnBehalf: c.OnBehalf, Hosts: c.Hosts,
		}
	}
	if x := e.Crossing; x != nil {
		o.Crossing = &crossField{
			Port: x.Port, FromZone: x.FromZone, ToZone: x.ToZone, State: a.Name,
			Targets: x.Targets, Refused: x.Refused, Silent: x.Silent,
		}
	}
	if x := e.Exposure; x != nil {
		o.SMB = &smbField{Port: x.Port, By: text(x.By), FromOutside: &x.FromOutside, Clients: &x.Clients, Zones: x.Zones}
	}
	if e.SMB != nil {
		o.smb(a)
	}
}

// text writes an address without its IPv6 zone, which the schema's ip type
// does not take; the empty string when it is invalid.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

func texts(list []netip.Addr) []string {
	told := make([]string, 0, len(list))
	for _, a := range list {
		told = append(told, text(a))
	}
	return told
}
