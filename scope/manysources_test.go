package scope_test

import (
	"net/netip"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// TestManySourcesInWords: a distributed scan goes through a network and not at one target,
// its sources are estimated, and the verdict does not keep quiet about it. A flood of
// port 0 is one of many ports.
func TestManySourcesInWords(t *testing.T) {
	spread := word(alert.Alert{
		Rule: alert.RuleScan, Name: alert.NameDistributed, Severity: alert.Low, Host: addr("10.1.0.20"), Proto: 6,
		Orig:     netip.MustParseAddrPort("10.2.0.7:50020"),
		Evidence: alert.Evidence{Scan: &alert.Scan{Port: 445, Targets: 199, Refused: 111, Silent: 367, Sources: 156}},
	}, 60, 600, "445")
	flood := word(alert.Alert{
		Rule: alert.RuleFlood, Host: addr("10.3.0.80"), Resp: netip.MustParseAddrPort("10.3.0.80:0"), Proto: 6,
		Evidence: alert.Evidence{Flood: &alert.Flood{Sources: 3000, Packets: 4000}},
	}, 500, 4000, "")
	l, _ := ledgerOf(t, []said{alertOf(spread), alertOf(flood)})
	d := l.Document(capture())
	if v := d.Verdict(); !strings.Contains(v, ". Also: 1 distributed scan.") {
		t.Errorf("the verdict is %q, and does not tell of the distributed scan", v)
	}
	text := strings.Join(strings.Fields(textOf(t, d)), " ")
	for _, want := range []string{
		"10.1.0.20 distributed scan of its network on port 445 from about 156 sources;",
		"10.3.0.80 flood on many ports from about 3,000 sources;",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told:\n%s", want, text)
		}
	}
	const want = "is in a network that about 156 sources scanned together on port 445"
	if got := scope.Predicate(&spread); got != want {
		t.Errorf("the event says %q, want %q", got, want)
	}
}
