package eve

import (
	"hash/fnv"
	"strings"

	"wormscope/detect/alert"
	"wormscope/sinks/traits"
)

// firstSignature is one less than the signature id of the first rule. It is in the
// range that is reserved for local rules.
const firstSignature = 1445000

// rules lists event.action values in the order of their signature ids. A rule
// never changes its place; a new one comes last.
func rules() []string {
	return []string{
		string(alert.RuleDomain), string(alert.RuleContact), string(alert.RuleScan), string(alert.RuleFlood),
		string(alert.RuleExposure), string(alert.RuleCheck), string(alert.RuleExploit), string(alert.RuleDoublePulsar),
		string(alert.RuleCrossing), traits.StateAction,
	}
}

// SignatureID returns the id that stands for a rule (a value of event.action)
// in alert.signature_id: 1445001 and following, 1445000 for one that is not
// known.
func SignatureID(rule string) int {
	for i, r := range rules() {
		if r == rule {
			return firstSignature + 1 + i
		}
	}
	return firstSignature
}

// severity returns a severity on Suricata's scale, from 1, the worst, to 4.
func severity(s alert.Severity) int {
	switch {
	case s >= alert.High:
		return 1
	case s >= alert.Medium:
		return 2
	case s >= alert.Low:
		return 3
	default:
		return 4
	}
}

// protocol names an IP protocol as Suricata does.
func protocol(proto uint8) string {
	if name := traits.Transport(proto); name != "ipv6-icmp" {
		return strings.ToUpper(name)
	}
	return "IPv6-ICMP"
}

// flowID makes a number of a Community ID, which is the same for both directions of
// a flow. It has 53 bits, since many JSON readers take numbers for floats.
func flowID(communityID string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(communityID)) //nolint:gosec // it never fails
	return h.Sum64() >> 11
}
