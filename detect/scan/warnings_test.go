package scan

import (
	"slices"
	"testing"
)

// TestWarningsCount: a warning of one thing is not told as of several.
func TestWarningsCount(t *testing.T) {
	for _, tt := range []struct {
		stats Stats
		want  []string
	}{
		{Stats{}, nil},
		{Stats{ClockSet: 1, SourcesEvicted: 1, Unsaid: 1}, []string{
			"the capture's clock went back once; scans that span that time may be missed",
			"more sources than the scan detector remembers: 1 was let go; slow scans may be missed",
			"1 alert of a scan or flood was not raised: too many were open",
		}},
		{Stats{ClockSet: 2, SourcesEvicted: 3, Unsaid: 4}, []string{
			"the capture's clock went back 2 times; scans that span such a time may be missed",
			"more sources than the scan detector remembers: 3 were let go; slow scans may be missed",
			"4 alerts of scans and floods were not raised: too many were open",
		}},
	} {
		if got := tt.stats.Warnings(); !slices.Equal(got, tt.want) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
