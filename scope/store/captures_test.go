package store

import (
	"fmt"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFileNamesSurvive(t *testing.T) {
	dir := t.TempDir()
	for run, names := range [][]string{{"a.pcap", "b.pcap"}, {"c.pcap", "a.pcap"}} {
		s, err := Open(dir, now, Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.Begin(func(i int) string { return names[i] }, nil)
		for file := range names {
			s.Alert(alert.Alert{
				ID: fmt.Sprint(run, file), Time: at(run*10 + file), Host: addr("10.0.0.1"),
				Frames: []alert.FrameRef{{File: file, Number: 7}},
			})
		}
		shut(t, s)
	}
	s := open(t, dir, Options{})
	defer shut(t, s)
	c, err := s.Capture()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range load(t, s).alerts {
		got = append(got, c.Files[a.Frames[0].File])
	}
	if diff := cmp.Diff([]string{"a.pcap", "b.pcap", "c.pcap", "a.pcap"}, got); diff != "" {
		t.Error(diff)
	}
}

func capture(id, name string, from, packets int) Capture {
	return Capture{
		Print: id, Name: name, First: at(from), Last: at(from + 10), Packets: uint64(packets), Bytes: uint64(100 * packets),
		Undecoded: map[string]uint64{"bad IPv4 header": 1}, NotIP: 2,
	}
}

func TestCapturesAddUp(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	defer shut(t, s)
	for _, r := range []Run{
		{Captures: []Capture{capture("A", "a.pcap", 0, 10)}, Warnings: []string{"of a"}},
		{Captures: []Capture{capture("A", "a.pcap", 0, 10)}, Warnings: []string{"of a"}},                                       // again
		{Captures: []Capture{capture("A", "copy.pcap", 0, 10)}, Warnings: []string{"of a"}},                                    // under another name
		{Captures: []Capture{capture("A", "a.pcap", 0, 5)}, Warnings: []string{"of a"}},                                        // cut short
		{Captures: []Capture{capture("B", "b.pcap", 20, 5)}, Warnings: []string{"of b, cut short"}},                            // while it is written
		{Captures: []Capture{capture("B", "b.pcap", 20, 50), capture("C", "c.pcap", -5, 1)}, Warnings: []string{"of b and c"}}, // and after
		{Captures: []Capture{capture("B", "b.pcap", 20, 50)}, Warnings: []string{"of b alone"}},                                // known better
		{Captures: []Capture{{Print: "D", Name: "empty.pcap"}}},
		{Captures: []Capture{{Print: "E", Name: "unlooked.pcap", Packets: 4}}}, // a filter left all out
		{Captures: []Capture{{Print: "F", Name: "live", Packets: 7}}},          // counted, and not looked at yet
		{Captures: []Capture{{Print: "F", Name: "live", Packets: 7, First: at(31), Last: at(32), NotIP: 1}}},
		{Captures: []Capture{{Print: "F", Name: "live", Packets: 7, First: at(31), Last: at(33), NotIP: 1, Undecoded: map[string]uint64{"bad IPv4 header": 2}}}},
		{Captures: []Capture{{Print: "F", Name: "filtered", Packets: 7, First: at(31), Last: at(32)}}},
		{Captures: []Capture{{Print: "F", Name: "filtered less", Packets: 7, First: at(31), Last: at(33), NotIP: 1}}},
	} {
		if err := s.Finish(r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Capture()
	if err != nil {
		t.Fatal(err)
	}
	want := scope.Capture{
		First: at(-5), Last: at(33), Packets: 72, Bytes: 6100, Undecoded: map[string]uint64{"bad IPv4 header": 5}, NotIP: 7,
		Warnings: []string{"of a", "of b and c"}, Files: []string{"a.pcap", "b.pcap", "c.pcap", "empty.pcap", "unlooked.pcap", "live"},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCapturesGrow: a capture takes the place of its beginning, in the runs over
// it, too, and the warnings of who had the beginning alone are none of the whole.
func TestCapturesGrow(t *testing.T) {
	beginning, whole, other := capture("B", "b.pcap", 20, 5), capture("W", "b.pcap", 20, 50), capture("C", "c.pcap", 40, 1)
	whole.Beginnings = []string{"A", "B"}
	cut := capture("W", "b.pcap", 20, 40)
	for name, tt := range map[string]struct {
		runs     []Run
		packets  uint64
		warnings []string
	}{
		"alone": {[]Run{
			{Captures: []Capture{beginning}, Warnings: []string{"cut short"}},
			{Captures: []Capture{whole}},
		}, 50, nil},
		"with another": {[]Run{
			{Captures: []Capture{beginning, other}, Warnings: []string{"of two"}},
			{Captures: []Capture{whole}, Warnings: []string{"of the whole"}},
		}, 51, []string{"of two"}},
		"both in one run": {[]Run{
			{Captures: []Capture{beginning, whole}, Warnings: []string{"of both"}},
			{Captures: []Capture{beginning, whole}, Warnings: []string{"of both"}},
		}, 55, []string{"of both"}},
		"cut again": {[]Run{
			{Captures: []Capture{whole}},
			{Captures: []Capture{cut}, Warnings: []string{"cut short"}},
		}, 50, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), Options{})
			defer shut(t, s)
			for _, r := range tt.runs {
				if err := s.Finish(r); err != nil {
					t.Fatal(err)
				}
			}
			got, err := s.Capture()
			if err != nil {
				t.Fatal(err)
			}
			if got.Packets != tt.packets || !cmp.Equal(tt.warnings, got.Warnings, cmpopts.EquateEmpty()) {
				t.Errorf("%d packets and %q, want %d and %q", got.Packets, got.Warnings, tt.packets, tt.warnings)
			}
		})
	}
}
