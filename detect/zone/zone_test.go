package zone

import (
	"net/netip"
	"strings"
	"testing"
)

func prefixes(t *testing.T, s ...string) []netip.Prefix {
	t.Helper()
	var out []netip.Prefix
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// TestMap checks in which zone an address is, and whether that is inside.
func TestMap(t *testing.T) {
	m, err := New(DefaultInside(), []Zone{
		{"office", prefixes(t, "10.10.0.0/16", "2001:db8:1::/48")},
		{"lab", prefixes(t, "10.10.7.0/24")},
		{"dmz", prefixes(t, "203.0.113.0/24")},
		{Internet, prefixes(t, "10.99.0.0/16")},
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		addr   string
		inside bool
		zone   string
	}{
		{"10.10.1.1", true, "office"},
		{"2001:db8:1::5", true, "office"},
		{"10.10.7.1", true, "lab"},
		{"203.0.113.9", true, "dmz"},
		{"10.99.1.1", false, Internet},
		{"10.1.1.1", true, Internal},
		{"100.64.0.1", true, Internal},
		{"fd00::1", true, Internal},
		{"8.8.8.8", false, Internet},
		{"2001:db8:2::1", false, Internet},
		{"224.0.0.251", false, Internet},
		{"0.0.0.0", false, Internet},
	}
	for _, tt := range tests {
		a := netip.MustParseAddr(tt.addr)
		if got := m.Inside(a); got != tt.inside {
			t.Errorf("Inside(%s) = %v", a, got)
		}
		if got := m.Name(a); got != tt.zone {
			t.Errorf("Name(%s) = %q, want %q", a, got, tt.zone)
		}
	}
}

func TestMulticastIsNeverInside(t *testing.T) {
	m, err := New(prefixes(t, "0.0.0.0/0", "::/0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"224.0.0.1", "ff02::1", "0.0.0.0", "::"} {
		if m.Inside(netip.MustParseAddr(a)) {
			t.Errorf("Inside(%s) = true", a)
		}
	}
	if !m.Inside(netip.MustParseAddr("8.8.8.8")) {
		t.Error("8.8.8.8 is not inside, though everything is")
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name  string
		zones []Zone
		want  string
	}{
		{"no name", []Zone{{"", prefixes(t, "10.0.0.0/8")}}, "zone without a name"},
		{"twice", []Zone{{"a", prefixes(t, "10.0.0.0/8")}, {"b", prefixes(t, "10.1.0.0/8")}}, "zone b: 10.1.0.0/8 is in zone a already"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(nil, tt.zones)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v, want %q", err, tt.want)
			}
		})
	}
}
