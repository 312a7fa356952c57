package store

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormscope/detect/alert"
)

// TestTooManyWait: what was told first stays where a disk takes nothing for too
// long, and is there when it takes it again: alerts are not given up for facts. The disk
// is not tried anew with each word.
func TestTooManyWait(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	broken, tries := errors.New("no space"), 0
	s.Begin(func(int) string { return "" }, func() error { tries++; return broken })
	fact := func(i int) alert.Fact {
		host := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		return alert.Fact{Kind: alert.FactResolver, Host: host, Time: now}
	}
	s.Alert(alert.Alert{ID: "first", Host: addr("10.0.0.1"), Time: now})
	const more = 10
	for i := range maxWaiting - 1 + more {
		s.Fact(fact(i))
	}
	s.Alert(alert.Alert{ID: "late", Host: addr("10.0.0.1"), Time: now})
	if got := s.Missed(); got != more+1 || tries != 1 {
		t.Errorf("%d missed, want %d; the disk was tried %d times, want once", got, more+1, tries)
	}
	broken = nil
	got := load(t, s)
	if len(got.alerts) != 1 || got.alerts[0].ID != "first" {
		t.Errorf("alerts %+v, want the first alone", got.alerts)
	}
	last := fact(maxWaiting - 2).Host
	late := fact(maxWaiting - 1).Host
	has := func(host netip.Addr) bool {
		return slices.ContainsFunc(got.facts, func(f alert.Fact) bool { return f.Host == host })
	}
	if len(got.facts) != maxWaiting-1 || !has(last) || has(late) {
		t.Errorf("%d facts, the last of those that there is room for: %v, the next: %v", len(got.facts), has(last), has(late))
	}
	shut(t, s)
}

// TestDeleted: somebody deletes the database under a run, to whose writes the system
// then says nothing.
func TestDeleted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	s.Alert(alert.Alert{ID: "first", Host: addr("10.0.0.1"), Time: now})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, FileName)); err != nil {
		t.Skip(err) // a system on which a file that is open can't be deleted
	}
	for range 2 {
		s.Alert(alert.Alert{ID: "late", Host: addr("10.0.0.1"), Time: now})
		if err := s.Flush(); err == nil || !strings.Contains(err.Error(), "state.db was deleted") {
			t.Errorf("what is kept nowhere is written without a word: %v", err)
		}
	}
	if err := s.Close(); err == nil {
		t.Error("closed without a word, with an alert that is nowhere")
	}
}
