package scan

import (
	"testing"
	"time"

	"wormscope/detect/alert"
)

// TestSeveral shows that the alert that a scanner's further ports share counts
// hosts, and not the ports of each.
func TestSeveral(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for _, p := range []uint16{445, 139, 135, 3389, 22, 23, 5985, 5986} {
		b.sweep(worm, "10.9.0.1", 30, p, time.Second, always(refused))
	}
	b.engine.Close()
	ends := 0
	for _, a := range b.rec.alerts {
		if s := a.Evidence.Scan; a.Phase == alert.PhaseEnd && len(s.Ports) > 1 {
			ends++
			if s.Targets != 30 || s.Refused != 120 || len(s.Ports) != 4 {
				t.Errorf("ports %v, %s", s.Ports, summary(&a))
			}
		}
	}
	if ends != 1 {
		t.Errorf("%d alerts about several ports", ends)
	}
}

// TestSeveralSMB shows that who sweeps SMB after many other ports is told for it
// as whoever begins with it.
func TestSeveralSMB(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for _, p := range []uint16{22, 23, 135, 3389, 5985, 5986, 445} {
		b.sweep(worm, "10.9.0.1", 30, p, time.Second, always(refused))
	}
	for _, a := range b.rec.starts() {
		if a.Evidence.Scan.Port == 445 && a.Severity == alert.Critical {
			return
		}
	}
	t.Errorf("no critical alert about port 445: %v", summaries(b.rec.starts()))
}
