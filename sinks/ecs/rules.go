package ecs

import (
	"strings"

	"wormscope/detect/alert"
	"wormscope/ioc"
	"wormscope/sinks/traits"
)

// categories returns event.category of a rule: allowed values of the schema
// that go with type info.
func categories(r alert.Rule) []string {
	switch r {
	case alert.RuleExposure:
		return []string{"network"}
	case alert.RuleCheck:
		return []string{"intrusion_detection", "network", "vulnerability"}
	default:
		return []string{"intrusion_detection", "network"}
	}
}

// threatOf fills in the technique of the rule and the indicator that matched.
func threatOf(r *traits.Rule, i *ioc.Indicator) *threat {
	f := &threat{}
	if r.Technique.ID != "" {
		f.Framework = "MITRE ATT&CK"
		f.Technique = &technique{ID: []string{r.Technique.ID}, Name: []string{r.Technique.Name}, Subtechnique: entry(r.Sub)}
		f.Tactic = entry(r.Tactic)
	}
	if i == nil {
		return f
	}
	if i.Feed != "" {
		f.Feed = &feed{i.Feed}
	}
	f.Indicator = &indicator{
		Name: i.Value, Port: i.Port, Provider: i.Feed, Description: described(i.Description),
		Reference: i.Reference, FirstSeen: utc(i.FirstSeen), Confidence: i.Confidence.String(),
	}
	if i.TLP != "" {
		f.Indicator.Marking = &marking{i.TLP}
	}
	f.Indicator.typed(i)
	return f
}

// maxDescription is how many characters a description may have, the schema's
// ignore_above: a longer one, which a feed may have, would not be found by a search.
const maxDescription = 1024

func described(text string) string {
	if len(text) <= maxDescription {
		return text
	}
	if r := []rune(text); len(r) > maxDescription {
		return string(r[:maxDescription])
	}
	return text
}

func entry(n traits.Named) *named {
	if n.ID == "" {
		return nil
	}
	return &named{[]string{n.ID}, []string{n.Name}}
}

// typed fills in what depends on the indicator's type. The schema's ip holds one
// address, so that a network is only in the indicator's name.
func (f *indicator) typed(i *ioc.Indicator) {
	if i.Type == ioc.Domain {
		f.Type, f.URL = "domain-name", &urlField{i.Value}
		return
	}
	f.Type = "ipv4-addr"
	if strings.Contains(i.Value, ":") {
		f.Type = "ipv6-addr"
	}
	if i.Type == ioc.Address {
		f.IP = i.Value
	}
}

// outcome returns event.outcome of an exploit: success if it was completed, else
// unknown. Other events have none.
func outcome(a *alert.Alert) string {
	switch s := a.Evidence.SMB; {
	case s == nil || s.Exploit == nil:
		return ""
	case s.Exploit.Outcome == alert.Completed:
		return "success"
	default:
		return "unknown"
	}
}

// flawOf returns the flaw that an alert is about.
func flawOf(a *alert.Alert) *flaw {
	id := traits.CVE(a)
	if id == "" {
		return nil
	}
	return &flaw{ID: id, Enumeration: "CVE", Reference: "https://www.cve.org/CVERecord?id=" + id}
}
