package scope_test

import (
	"testing"

	"wormscope/scope"

	"github.com/google/go-cmp/cmp"
)

func TestMatrix(t *testing.T) {
	l, _ := ledgerOf(t, []said{
		factOf(targeted("10.3.0.20", "10.1.0.14", 1, 1)),
		factOf(targeted("10.3.0.20", "10.1.0.14", 2, 2)), // the same pair again
		factOf(targeted("10.3.0.20", "10.1.0.15", 3, 3)), // another source
		factOf(targeted("10.3.0.21", "10.1.0.14", 4, 4)), // another target
		factOf(targeted("10.1.0.31", "10.1.0.14", 5, 5)),
		factOf(targeted("10.3.0.20", "203.0.113.9", 6, 6)),
		factOf(targeted("192.168.7.7", "10.2.0.4", 7, 7)),
		alertOf(lookup("10.3.0.21", killSwitch, "NXDOMAIN", 8, 8)),
		alertOf(exposed("10.2.0.9", 445, "203.0.113.5", 3, true, 9, 9)), // no attack
	})
	want := []scope.ZoneAttack{
		{From: "internet", To: "servers", Sources: 1, Targets: 1, Attempts: 1},
		{From: "office", To: "office", Sources: 1, Targets: 1, Attempts: 1},
		{From: "office", To: "servers", Sources: 2, Targets: 2, Affected: 1, Attempts: 4},
		{From: "plant", To: "internal", Sources: 1, Targets: 1, Attempts: 1},
	}
	d := l.Document(capture())
	if diff := cmp.Diff(want, d.Matrix); diff != "" {
		t.Errorf("matrix (-want +got):\n%s", diff)
	}
}
