package scope_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// TestAttackersFirst: of those outside the ones that attacked come first, however
// few answered them, and what they did is told. A check is not an attack, nor is a mark
// of WannaCry's that tools have, too.
func TestAttackersFirst(t *testing.T) {
	const victim, attacker, checker, sweeper = "10.1.0.14", "203.0.113.7", "203.0.113.8", "203.0.113.9"
	words := append(facts(
		smbFact(alert.FactExploitSent, attacker, victim, blue, 1),
		smbFact(alert.FactExecuted, victim, attacker, "", 2),
		sure(smbFact(alert.FactMark, attacker, victim, "ping-timeout", 3), .95),
		sure(smbFact(alert.FactMark, checker, victim, "check-header", 4), .25),
		smbFact(alert.FactPatched, victim, checker, "check", 5),
	), alertOf(scan(sweeper, "external", alert.Scan{Ports: []uint16{445}, Targets: 90, Answered: 9}, 9, 9)))
	l, _ := ledgerOf(t, words)
	d := l.Document(capture())
	var order []string
	for i := range d.External {
		order = append(order, d.External[i].IP+" "+d.External[i].Deeds())
	}
	want := []string{attacker + " EternalBlue, DoublePulsar payload, WannaCry", sweeper + " ", checker + " MS17-010 check"}
	if !slices.Equal(order, want) {
		t.Errorf("outside scanners %q, want %q", order, want)
	}
	if text := strings.Join(strings.Fields(textOf(t, d)), " "); !strings.Contains(text, "; over SMB: EternalBlue, DoublePulsar payload, WannaCry") {
		t.Errorf("not told:\n%s", text)
	}
	sameInAnyOrder(t, words, 10)
}

// TestCheckersInside: who checks others for MS17-010 from inside, and does nothing
// that makes it suspected, is told, unless that is explained.
func TestCheckersInside(t *testing.T) {
	const checker, worm = "10.1.0.14", "10.1.0.15"
	var words []said
	for i := range 40 {
		host := "10.2.0." + strconv.Itoa(i+1)
		words = append(words, factOf(smbFact(alert.FactPatched, host, checker, "check", i+1)))
	}
	words = append(words, facts(
		smbFact(alert.FactVulnerable, "10.2.0.1", worm, "check", 50), smbFact(alert.FactExploitSent, worm, "10.2.0.1", blue, 51),
	)...)
	d, _ := marked(t, words)
	if len(d.Internal) != 1 || d.Internal[0].IP != checker || d.Internal[0].Targets != 40 || d.Internal[0].Deeds() != "MS17-010 check" {
		t.Fatalf("inside scanners %+v", d.Internal)
	}
	if !strings.Contains(d.Verdict(), "1 other inside host scans or checks others") || action(&d, scope.ExamineScanners) == nil {
		t.Errorf("the inside checker is not in the verdict or the advice: %s\n%+v", d.Verdict(), d.Actions())
	}
	sameInAnyOrder(t, words, 10)
	explained, _ := marked(t, words, mark(checker, scope.FalsePositive, 60))
	if len(explained.Internal) != 0 {
		t.Errorf("explained: %+v", explained.Internal)
	}
}

// TestCheckAndItsMark: the header of a tool that checks and its checks are one act,
// which makes nobody suspected.
func TestCheckAndItsMark(t *testing.T) {
	const host, peer = "10.1.0.14", "10.1.0.15"
	l, _ := ledgerOf(t, facts(
		sure(smbFact(alert.FactMark, host, peer, "check-header", 1), .25), smbFact(alert.FactVulnerable, peer, host, "check", 2),
	))
	d := l.Document(capture())
	if h := find(d, host); h.State != scope.Seen || len(d.Internal) != 1 {
		t.Errorf("%s with %v; inside scanners %+v", h.State, h.Confidence, d.Internal)
	}
}
