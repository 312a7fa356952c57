package scope_test

import (
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// TestInfectedWhileItPushed: a server whose alert began with what it pushed to its
// clients, and that scans since later, was infected by who attacked it in between.
func TestInfectedWhileItPushed(t *testing.T) {
	const server, worm = "10.3.0.50", "10.1.0.14"
	push := scan(server, "fan-out", alert.Scan{Port: 445, Targets: 40, Answered: 40, Since: at(100)}, 139, 10)
	push.First = at(100)
	later := push
	later.Seq, later.Phase, later.Time, later.Last = 1, alert.PhaseUpdate, at(340), at(339)
	later.Evidence.Scan = &alert.Scan{Port: 445, Targets: 320, Answered: 120, Silent: 200, Since: at(330)}
	l, _ := ledgerOf(t, append([]said{alertOf(push)}, append(facts(
		smbFact(alert.FactExploitSent, worm, server, blue, 306),
		smbFact(alert.FactExploitCompleted, server, worm, blue, 306),
		smbFact(alert.FactImplanted, server, worm, "", 309),
		smbFact(alert.FactPayload, server, worm, "", 310),
	), alertOf(later))...))
	d := l.Document(capture())
	for i := range d.Hosts {
		h := &d.Hosts[i]
		if h.IP != server {
			continue
		}
		if h.State != scope.Infected || len(h.InfectedBy) != 1 || h.InfectedBy[0].IP != worm || h.PatientZero {
			t.Errorf("%s by %+v, patient zero %v; want it infected by %s alone", h.State, h.InfectedBy, h.PatientZero, worm)
		}
		return
	}
	t.Error("the server is not listed")
}

// TestPushIsNoFirstSign: what a server pushed to its clients, long before it scans and
// in another alert, is not the first that speaks against it, unless nothing else does.
func TestPushIsNoFirstSign(t *testing.T) {
	const server = "10.3.0.50"
	push := scan(server, "slow", alert.Scan{Port: 445, Targets: 200, Answered: 190, Silent: 10, Since: at(100)}, 440, 10)
	asks := contact(server, weakAddr, 443, alert.Contact{State: "established", Initiator: "host"}, 900, 20)
	worm := scan(server, "sequential", alert.Scan{Port: 445, Targets: 300, Answered: 56, Refused: 244, Since: at(2000)}, 2012, 30)
	worm.First = at(2000)
	for _, c := range []struct {
		what  string
		words []said
		want  int
	}{
		{"a scan", []said{alertOf(push), alertOf(worm)}, 2000},
		{"a contact", []said{alertOf(push), alertOf(asks)}, 900},
	} {
		l, _ := ledgerOf(t, c.words)
		d := l.Document(capture())
		if h := &d.Hosts[0]; h.IP != server || h.Since == nil || !h.Since.Equal(at(c.want)) {
			t.Errorf("with %s it is %s since %v, want %v", c.what, h.State, h.Since, at(c.want))
		}
	}
}
