package ocsf

import (
	"net/netip"
	"slices"
	"strings"

	"wormscope/detect/alert"
	"wormscope/ioc"
	"wormscope/sinks/traits"
)

// Identifiers of observables, and of what an indicator is.
const (
	observableHostname = 1
	observableAddress  = 2
	osintAddress       = 1
	osintDomain        = 2
)

// indicator fills in the indicator that was matched, and declares the profile
// that has a field for it.
func (d *document) indicator(i *ioc.Indicator) {
	o := osint{
		TypeID: osintAddress, Type: "IP Address", Value: i.Value, Vendor: i.Feed, Description: i.Description,
		Created: millis(i.FirstSeen), Expires: millis(i.Expires), Labels: []string{i.Class.String()},
		// The schema's AMBER+STRICT has a space.
		TLP: strings.ReplaceAll(i.TLP, "+", " "),
	}
	switch i.Type {
	case ioc.Domain:
		o.TypeID, o.Type = osintDomain, "Domain"
	case ioc.Network:
		o.Subnet = i.Value
	case ioc.Address:
	}
	if i.Reference != "" {
		o.References = []string{i.Reference}
		d.Finding.Source = i.Reference
	}
	switch i.Confidence {
	case ioc.HighConfidence:
		o.ConfidenceID, o.Confidence = 3, "High"
	case ioc.MediumConfidence:
		o.ConfidenceID, o.Confidence = 2, "Medium"
	case ioc.LowConfidence:
		o.ConfidenceID, o.Confidence = 1, "Low"
	default:
		o.Confidence = "Unknown"
	}
	d.OSINT, d.Metadata.Profiles = []osint{o}, []string{"osint"}
}

// observe lists what to search for in other logs, the host first, each once.
func (d *document) observe(a *alert.Alert) {
	d.address("device.ip", a.Host)
	d.address("evidences[0].src_endpoint.ip", a.Orig.Addr())
	d.address("evidences[0].dst_endpoint.ip", a.Resp.Addr())
	e := &a.Evidence
	if q := e.DNS; q != nil {
		d.hostname("evidences[0].query.hostname", q.Question)
		d.hostname("unmapped.wormscope.dns.matched", q.Matched)
		d.address("unmapped.wormscope.dns.resolver", q.Resolver)
		for _, at := range q.Resolved {
			d.address("unmapped.dns.resolved_ip", at)
		}
	}
	if x := e.Exposure; x != nil {
		d.address("unmapped.wormscope.smb.by", x.By)
	}
	if s := e.Scan; s != nil {
		for _, at := range s.Sample {
			d.address("unmapped.wormscope.scan.sample", at)
		}
	}
}

func (d *document) address(field string, a netip.Addr) {
	if a.IsValid() && !a.IsUnspecified() {
		d.see(observable{field, observableAddress, "IP Address", traits.Address(a)})
	}
}

func (d *document) hostname(field, name string) {
	if name != "" {
		d.see(observable{field, observableHostname, "Hostname", name})
	}
}

func (d *document) see(o observable) {
	known := func(k observable) bool { return k.TypeID == o.TypeID && k.Value == o.Value }
	if !slices.ContainsFunc(d.Observables, known) {
		d.Observables = append(d.Observables, o)
	}
}
