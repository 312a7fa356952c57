package store

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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

// TestOverlap: what captures hold that overlap counts once, in whatever order they
// come, and as often as in the one that has most of it: in one capture the times of
// several packets may be the same.
func TestOverlap(t *testing.T) {
	ping := func(file, number, when int) alert.Fact {
		return alert.Fact{
			Kind: alert.FactProbed, Host: addr("10.0.0.5"), Peer: addr("10.0.0.6"), Port: 445, Time: at(when),
			Frame: alert.FrameRef{File: file, Number: uint64(number)},
		}
	}
	names := []string{"part.pcap", "whole.pcap", "other.pcap"}
	captures := [][]alert.Fact{
		{ping(0, 5, 1), ping(0, 6, 1), ping(0, 9, 2)},
		{ping(1, 15, 1), ping(1, 16, 1), ping(1, 19, 2), ping(1, 20, 3)},
		{ping(2, 30, 3), ping(2, 31, 3), ping(2, 32, 4)},
	}
	want := []string{"part.pcap 5", "part.pcap 6", "part.pcap 9", "other.pcap 30", "other.pcap 31", "other.pcap 32"}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 1, 2, 0}} {
		s := open(t, t.TempDir(), Options{})
		s.Begin(func(i int) string { return names[i] }, nil)
		for _, i := range order {
			for _, f := range captures[i] {
				s.Fact(f)
			}
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		facts := load(t, s).facts
		c, err := s.Capture()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range facts {
			got = append(got, fmt.Sprint(c.Files[f.Frame.File], " ", f.Frame.Number))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", order, diff)
		}
		shut(t, s)
	}
}

// TestUnknown: of very many hosts it is found in one go of which nothing was said.
func TestUnknown(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	defer shut(t, s)
	const many = 5000
	host := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}) }
	for i := range many {
		s.Alert(alert.Alert{ID: strconv.Itoa(i), Name: strings.Repeat("x", 1000), Host: host(i), Orig: netip.AddrPortFrom(addr("10.9.0.1"), 1)})
	}
	s.Fact(alert.Fact{Kind: alert.FactTargeted, Host: addr("fd00::1"), Peer: addr("10.9.0.2"), Time: at(1)})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	want := []netip.Addr{addr("10.9.0.1"), addr("10.9.0.2")} // others met these
	for i := range many {
		want = append(want, netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}))
	}
	asked := append([]netip.Addr{host(0), addr("fd00::1"), host(many - 1)}, want...)
	unknown, err := s.Unknown(asked)
	if err != nil || !slices.Equal(unknown, want) {
		t.Errorf("%d are unknown, want %d; %v", len(unknown), len(want), err)
	}
	if unknown, err = s.Unknown(asked[:3]); err != nil || len(unknown) > 0 {
		t.Errorf("%v are unknown, %v", unknown, err)
	}
}
