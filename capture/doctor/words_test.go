package doctor

import (
	"strings"
	"testing"
)

// TestWords: what is said fits the number of things that it is said of.
func TestWords(t *testing.T) {
	one := Link{Name: "eth1", Up: true, Offloads: Offloads{Known: true, GRO: true}}
	both := one
	both.Offloads.LRO = true
	single := &Traffic{frames: 1, bytes: 60}
	for _, tt := range []struct{ got, want string }{
		{one.offloads().Text, "GRO puts received segments together: all of them are read, "},
		{both.offloads().Text, "GRO and LRO put received segments together: all of them are read, "},
		{single.rate("eth1", Loss{}).Text, "1 frame, 60 bytes"},
		{single.drops(Loss{Dropped: 1}).Text, "1 frame was lost, 50.00%: "},
		{single.drops(Loss{Dropped: 3}).Text, "3 frames were lost, 75.00%: "},
		{written(t, 1, 2), "1 of 3 checks needs attention."},
		{written(t, 2, 0), "2 of 2 checks need attention."},
		{written(t, 0, 1), "Nothing to do."},
	} {
		if !strings.Contains(tt.got, tt.want) {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// written returns the text of a report with so many findings.
func written(t *testing.T, warnings, well int) string {
	t.Helper()
	var r Report
	for range warnings {
		r.Findings = append(r.Findings, Finding{Status: Warning})
	}
	for range well {
		r.Findings = append(r.Findings, Finding{Status: OK})
	}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
