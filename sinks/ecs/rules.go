package ecs

import (
	"wormscope/detect/alert"
	"wormscope/ioc"
)

// traits is what the schema says of all alerts of a rule.
type traits struct {
	name      string // rule.name where the alert has no variant
	group     string // rule.category
	category  []string
	technique technique
	tactic    named
}

// traitsOf returns the traits of a rule. Techniques are those of MITRE ATT&CK
// for enterprises (https://attack.mitre.org/techniques/).
func traitsOf(r alert.Rule) traits {
	both := []string{"intrusion_detection", "network"}
	switch r {
	case alert.RuleDomain:
		return traits{
			name: "Indicator name looked up", group: "indicator", category: both,
			technique: technique{
				ID: []string{"T1071"}, Name: []string{"Application Layer Protocol"},
				Subtechnique: &named{[]string{"T1071.004"}, []string{"DNS"}},
			},
			tactic: named{[]string{"TA0011"}, []string{"Command and Control"}},
		}
	case alert.RuleContact:
		return traits{
			name: "Traffic with an indicator address", group: "indicator", category: both,
			technique: technique{ID: []string{"T1071"}, Name: []string{"Application Layer Protocol"}},
			tactic:    named{[]string{"TA0011"}, []string{"Command and Control"}},
		}
	case alert.RuleScan:
		return traits{
			name: "Scan", group: "scan", category: both,
			technique: technique{ID: []string{"T1046"}, Name: []string{"Network Service Discovery"}},
			tactic:    named{[]string{"TA0007"}, []string{"Discovery"}},
		}
	case alert.RuleFlood:
		return traits{
			name: "Flood", group: "flood", category: both,
			technique: technique{ID: []string{"T1498"}, Name: []string{"Network Denial of Service"}},
			tactic:    named{[]string{"TA0040"}, []string{"Impact"}},
		}
	case alert.RuleExposure:
		return traits{
			name: "Host answers on a lateral port", group: "exposure", category: []string{"network"},
			technique: technique{ID: []string{"T1210"}, Name: []string{"Exploitation of Remote Services"}},
			tactic:    named{[]string{"TA0008"}, []string{"Lateral Movement"}},
		}
	case alert.RuleCrossing:
		return traits{
			name: "Closed border", group: "policy", category: both,
			technique: technique{ID: []string{"T1021"}, Name: []string{"Remote Services"}},
			tactic:    named{[]string{"TA0008"}, []string{"Lateral Movement"}},
		}
	case alert.RuleCheck, alert.RuleExploit, alert.RuleDoublePulsar:
		return smbTraits(r)
	default:
		return traits{name: string(r), group: "other", category: []string{"network"}}
	}
}

// threat fills in the technique of the rule and the indicator that matched.
func (t *traits) threat(i *ioc.Indicator) *threat {
	f := &threat{}
	if len(t.technique.ID) > 0 {
		f.Framework, f.Technique, f.Tactic = "MITRE ATT&CK", &t.technique, &t.tactic
	}
	if i == nil {
		return f
	}
	if i.Feed != "" {
		f.Feed = &feed{i.Feed}
	}
	f.Indicator = &indicator{
		Name: i.Value, Port: i.Port, Provider: i.Feed, Description: i.Description,
		Reference: i.Reference, FirstSeen: utc(i.FirstSeen), Confidence: i.Confidence.String(),
	}
	if i.TLP != "" {
		f.Indicator.Marking = &marking{i.TLP}
	}
	f.Indicator.typed(i)
	return f
}

// typed fills in what depends on the indicator's type. The schema's ip holds
// one address: a network has its name only.
func (f *indicator) typed(i *ioc.Indicator) {
	if i.Type == ioc.Domain {
		f.Type, f.URL = "domain-name", &urlField{i.Value}
		return
	}
	f.Type = "ipv4-addr"
	for _, c := range i.Value {
		if c == ':' {
			f.Type = "ipv6-addr"
			break
		}
	}
	if i.Type == ioc.Address {
		f.IP = i.Value
	}
}
