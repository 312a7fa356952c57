package ioc

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSeveralFeeds shows whose entry a match has when several feeds list an observable,
// in whichever order they are added.
func TestSeveralFeeds(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2017, 5, day, 0, 0, 0, 0, time.UTC) }
	for _, test := range []struct {
		name string
		add  []Indicator
		want Indicator
	}{
		{
			"the first leads",
			[]Indicator{{Feed: "a", Line: 1}, {Feed: "b", Line: 2}, {Feed: "a", Line: 9}, {Feed: "b", Line: 3}, {Feed: "c"}},
			Indicator{Feed: "a", Line: 1, AlsoIn: []string{"b", "c"}},
		},
		{
			"the class goes before the order",
			[]Indicator{
				{Feed: "a", Class: Anonymizer, Line: 1},
				{Feed: "b", Class: Malicious, Line: 200},
				{Feed: "c", Class: KillSwitch, Line: 70000, Description: "kill"},
				{Feed: "d", Class: Sinkhole},
			},
			Indicator{Feed: "c", Class: KillSwitch, Line: 70000, Description: "kill", AlsoIn: []string{"a", "b", "d"}},
		},
		{
			"the confidence goes before the description",
			[]Indicator{{Feed: "a", Description: "bot", Confidence: LowConfidence}, {Feed: "b"}, {Feed: "c", Confidence: None}},
			Indicator{Feed: "b", AlsoIn: []string{"a", "c"}},
		},
		{
			"the description goes before the time",
			[]Indicator{{Feed: "a"}, {Feed: "b", Description: "bot", Expires: at(10)}},
			Indicator{Feed: "b", Description: "bot", Expires: at(10), AlsoIn: []string{"a"}},
		},
		{
			"who expires later",
			[]Indicator{{Feed: "a", Expires: at(10)}, {Feed: "b", Expires: at(12)}, {Feed: "c", Expires: at(11)}},
			Indicator{Feed: "b", Expires: at(12), AlsoIn: []string{"a", "c"}},
		},
		{
			"what has expired is not there",
			[]Indicator{
				{Feed: "a", Class: KillSwitch, Expires: at(1)},
				{Feed: "b", Confidence: HighConfidence, Expires: at(3)},
				{Feed: "c", Confidence: LowConfidence},
				{Feed: "d", Confidence: None},
			},
			Indicator{Feed: "c", Confidence: LowConfidence, AlsoIn: []string{"a", "b", "d"}},
		},
	} {
		for _, observable := range []Indicator{
			{Type: Domain, Value: "evil.example"},
			{Type: Address, Value: "192.0.2.1"},
			{Type: Address, Value: "2001:db8::1"},
			{Type: Network, Value: "192.0.2.0/24"},
		} {
			want := test.want
			want.Type, want.Value = observable.Type, observable.Value
			for i := range test.add {
				test.add[i].Type, test.add[i].Value = observable.Type, observable.Value
			}
			// In the order given, in which a feed may have several lines, and
			// backwards where each has one.
			orders := [][]Indicator{test.add}
			if backwards := slices.Clone(test.add); oneLineEach(test.add) {
				slices.Reverse(backwards)
				orders = append(orders, backwards)
			}
			for _, add := range orders {
				s := build(t, add...)
				m, ok := s.Name([]byte(observable.Value), at(5).UnixNano())
				if observable.Type != Domain {
					a, _, _ := strings.Cut(observable.Value, "/")
					m, ok = s.Address(netip.AddrPortFrom(netip.MustParseAddr(a), 9), at(5).UnixNano())
				}
				if !ok {
					t.Fatalf("%s: %s is not found", test.name, observable.Value)
				}
				if got := s.Indicator(m); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: %+v, want %+v", test.name, got, want)
				}
				if c := s.Counts(); c.Total() != 1 || len(c.Feeds) != 1 {
					t.Errorf("%s: counts %+v", test.name, c)
				}
			}
		}
	}
}

// oneLineEach reports whether each feed has one line only.
func oneLineEach(list []Indicator) bool {
	feeds := map[string]bool{}
	for _, i := range list {
		feeds[i.Feed] = true
	}
	return len(feeds) == len(list)
}

// TestAllow shows that what is on the allow list is neither added nor matched.
func TestAllow(t *testing.T) {
	b := NewBuilder()
	for _, a := range []string{"Good.Evil.Example.", "192.0.2.7", "198.51.100.0/25", "2001:db8::/48", "::ffff:192.0.2.8"} {
		if err := b.Allow(a); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range []string{"", "com", "bad name.example", "1.2.3.4/33"} {
		if b.Allow(a) == nil {
			t.Errorf("Allow(%q) is no error", a)
		}
	}
	for _, i := range []Indicator{
		{Value: "good.evil.example"},
		{Value: "very.good.evil.example"},
		{Type: Address, Value: "192.0.2.7"},
		{Type: Network, Value: "198.51.100.64/26"},
		{Type: Address, Value: "198.51.100.3"},
		{Type: Network, Value: "2001:db8:0:1::/64"},
		{Type: Address, Value: "192.0.2.8"},
	} {
		if err := b.Add(i); !errors.Is(err, ErrAllowed) {
			t.Errorf("Add(%s) = %v", i.Value, err)
		}
	}
	for _, i := range []Indicator{
		{Value: "evil.example"}, {Type: Network, Value: "192.0.2.0/24"}, {Type: Network, Value: "198.51.100.0/24"},
	} {
		if err := b.Add(i); err != nil {
			t.Error(err)
		}
	}
	s := b.Build()
	for name, want := range map[string]bool{
		"evil.example": true, "x.evil.example": true, "good.evil.example": false, "x.good.evil.example": false,
		"notgood.evil.example": true,
	} {
		if _, ok := s.Name([]byte(name), 0); ok != want {
			t.Errorf("Name(%q) = %v", name, ok)
		}
	}
	for addr, want := range map[string]bool{
		"192.0.2.7:1": false, "192.0.2.9:1": true, "198.51.100.1:1": false, "198.51.100.200:1": true,
	} {
		if _, ok := s.Address(netip.MustParseAddrPort(addr), 0); ok != want {
			t.Errorf("Address(%s) = %v", addr, ok)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	for _, test := range []struct {
		i    Indicator
		want string
	}{
		{Indicator{Value: ""}, `indicator "": not a name of 1 to 253 bytes`},
		{Indicator{Value: "com"}, `indicator "com": a name without a dot`},
		{Indicator{Value: "Evil.example"}, `indicator "Evil.example": a name with a byte that is not lower-case ASCII`},
		{Indicator{Value: "evil.example."}, `indicator "evil.example.": a name with a label that is empty or longer than 63 bytes`},
		{Indicator{Value: "a..example"}, `indicator "a..example": a name with a label that is empty or longer than 63 bytes`},
		{Indicator{Type: Address, Value: "fe80::1%eth0"}, `indicator "fe80::1%eth0": not an address, or one with a zone`},
		{Indicator{Type: Network, Value: "192.0.2.1/24"}, `indicator "192.0.2.1/24": not a network, or one with bits behind its mask`},
		{Indicator{Value: "a.example", Class: 9}, `indicator "a.example": class, confidence or line is out of range`},
		{Indicator{Value: "a.example", Type: 9}, `indicator "a.example": unknown type`},
	} {
		if err := NewBuilder().Add(test.i); err == nil || err.Error() != test.want {
			t.Errorf("Add(%q) = %v, want %s", test.i.Value, err, test.want)
		}
	}
}
