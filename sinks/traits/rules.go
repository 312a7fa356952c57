// Package traits has what all renderings say of an alert beside its evidence: names
// and groups of rules, techniques of MITRE ATT&CK, the CVE, protocols, Community IDs.
package traits

import "wormscope/detect/alert"

// Rule is what all alerts of a rule have in common.
type Rule struct {
	Name  string // for alerts without a variant
	Group string // indicator, scan, flood, exposure, policy, smb or scope
	// Those of MITRE ATT&CK for enterprises
	// (https://attack.mitre.org/techniques/). Sub is the subtechnique, often none.
	Tactic, Technique, Sub Named
}

// Named is an entry of a catalogue; the zero value is none.
type Named struct{ ID, Name string }

// The tactics and techniques that several rules share.
func control() Named   { return Named{"TA0011", "Command and Control"} }
func discovery() Named { return Named{"TA0007", "Discovery"} }
func lateral() Named   { return Named{"TA0008", "Lateral Movement"} }
func protocols() Named { return Named{"T1071", "Application Layer Protocol"} }
func services() Named  { return Named{"T1046", "Network Service Discovery"} }
func exploits() Named  { return Named{"T1210", "Exploitation of Remote Services"} }

// OfRule returns the traits of a rule.
func OfRule(r alert.Rule) Rule {
	switch r {
	case alert.RuleDomain:
		return Rule{"Indicator name looked up", "indicator", control(), protocols(), Named{"T1071.004", "DNS"}}
	case alert.RuleContact:
		return Rule{"Traffic with an indicator address", "indicator", control(), protocols(), Named{}}
	case alert.RuleScan:
		return Rule{"Scan", "scan", discovery(), services(), Named{}}
	case alert.RuleFlood:
		return Rule{"Flood", "flood", Named{"TA0040", "Impact"}, Named{"T1498", "Network Denial of Service"}, Named{}}
	case alert.RuleExposure:
		return Rule{"Host answers on a lateral port", "exposure", lateral(), exploits(), Named{}}
	case alert.RuleCrossing:
		return Rule{"Closed border", "policy", lateral(), Named{"T1021", "Remote Services"}, Named{}}
	case alert.RuleCheck:
		return Rule{"Check for MS17-010", "smb", discovery(), services(), Named{}}
	case alert.RuleDoublePulsar:
		return Rule{"DoublePulsar", "smb", control(), Named{"T1205", "Traffic Signaling"}, Named{}}
	case alert.RuleExploit:
		return Rule{"SMB exploit", "smb", lateral(), exploits(), Named{}}
	default:
		return Rule{Name: string(r), Group: "other"}
	}
}

// State is what is said of all changes of a host's state.
func State() Rule { return Rule{Name: "Host state", Group: "scope"} }

// StateAction is event.action of a change of a host's state.
const StateAction = "host-state"

// Name is what an alert's rule is called: its variant, where it has one.
func Name(a *alert.Alert) string {
	if a.Name != "" {
		return a.Name
	}
	return OfRule(a.Rule).Name
}

// Title is what an alert is called where there is no room for more: the rule,
// and its variant.
func Title(a *alert.Alert) string {
	title := OfRule(a.Rule).Name
	if a.Name != "" {
		title += ": " + a.Name
	}
	return title
}

// CVE returns the vulnerability that an alert is about, empty when it is about none.
// For a check it is one of those that MS17-010 closes, which a host has all or none
// of.
func CVE(a *alert.Alert) string {
	switch s := a.Evidence.SMB; {
	case s == nil:
		return ""
	case s.Check != nil:
		return "CVE-2017-0143"
	case s.Exploit != nil:
		return s.Exploit.CVE
	default:
		return ""
	}
}
