package ioc

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	list := []Indicator{
		{Type: Domain, Value: "evil.example"},
		{Type: Domain, Value: "www.evil.example"},
		{Type: Address, Value: "198.51.100.7", Port: 443},
		{Type: Address, Value: "198.51.100.7"},
		{Type: Address, Value: "2001:db8::7"},
		{Type: Network, Value: "203.0.113.0/24"},
		{Type: Network, Value: "203.0.113.0/24", Port: 445},
		{Type: Network, Value: "203.0.113.128/25"},
	}
	s := build(t, list...)
	for _, want := range list {
		m, ok := s.Find(want)
		if !ok {
			t.Errorf("%v is not found", want)
			continue
		}
		if got := s.Indicator(m); got.Type != want.Type || got.Value != want.Value || got.Port != want.Port {
			t.Errorf("Find(%v) is %v", want, got)
		}
	}
	for _, other := range []Indicator{
		{Type: Domain, Value: "a.www.evil.example"},
		{Type: Domain, Value: "example"},
		{Type: Address, Value: "198.51.100.7", Port: 80},
		{Type: Address, Value: "203.0.113.5"},
		{Type: Address, Value: "2001:db8::7", Port: 1},
		{Type: Network, Value: "203.0.113.0/25"},
		{Type: Network, Value: "203.0.113.128/25", Port: 445},
	} {
		if m, ok := s.Find(other); ok {
			t.Errorf("Find(%v) is %v", other, s.Indicator(m))
		}
	}
}

func TestOfFeed(t *testing.T) {
	s := build(
		t,
		Indicator{Type: Domain, Value: "one.example", Feed: "a", Description: "of a"},
		Indicator{Type: Domain, Value: "both.example", Feed: "a", Description: "of a"},
		Indicator{Type: Domain, Value: "both.example", Feed: "b", Description: "of b"},
		Indicator{Type: Domain, Value: "two.example", Feed: "b"},
		Indicator{Type: Address, Value: "198.51.100.7", Feed: "b", Port: 443},
		Indicator{Type: Address, Value: "2001:db8::7", Feed: "a"},
		Indicator{Type: Network, Value: "203.0.113.0/24", Feed: "b"},
	)
	var got []string
	for i := range s.OfFeed("b") {
		if i.Feed != "b" || i.AlsoIn != nil {
			t.Errorf("%s is of %s and %v", i.Value, i.Feed, i.AlsoIn)
		}
		got = append(got, i.Value)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"198.51.100.7", "203.0.113.0/24", "both.example", "two.example"}, got); diff != "" {
		t.Error(diff)
	}
	for i := range s.OfFeed("c") {
		t.Errorf("%s is of no feed", i.Value)
	}
}
