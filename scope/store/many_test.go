package store

import (
	"bytes"
	"fmt"
	"testing"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/scope"

	"github.com/google/go-cmp/cmp"
)

// TestManyFactsAddUp: of a host that did more than a ledger keeps whole, runs
// that share a state tell what one run over all tells.
func TestManyFactsAddUp(t *testing.T) {
	zones, err := zone.New(zone.DefaultInside(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l := scope.New(zones, scope.Options{})
	dir := t.TempDir()
	for run := range 3 {
		s := open(t, dir, Options{})
		for i := range 50 {
			n := 40*run + i // the first ten of a run were attacked before
			f := alert.Fact{
				Kind: alert.FactExploitSent, Host: addr("10.0.0.5"), Peer: addr(fmt.Sprintf("10.0.1.%d", n)), Port: 445,
				Detail: "EternalBlue", Time: at(1000*run + i), Frame: alert.FrameRef{Number: uint64(1000*run + i + 1)},
			}
			s.Fact(f)
			l.Fact(f)
		}
		shut(t, s)
	}
	s := open(t, dir, Options{})
	defer shut(t, s)
	c, err := s.Capture()
	if err != nil {
		t.Fatal(err)
	}
	d := l.Document(c)
	if sum := d.Hosts[0].Totals[0]; sum.Peers != 130 || sum.Count != 150 {
		t.Errorf("totals %+v", sum)
	}
	var want bytes.Buffer
	if err := d.WriteJSON(&want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), document(t, s)); diff != "" {
		t.Errorf("one run (-) and three that share a state (+):\n%s", diff)
	}
}
