package scope_test

import (
	"slices"
	"strings"
	"testing"

	"wormscope/detect/alert"
)

// TestAttackersFirst: of those outside the ones that attacked come first, however
// few answered them, and what they did is told. A check is no attack, nor is a mark
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
