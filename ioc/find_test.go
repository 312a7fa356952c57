package ioc

import (
	"fmt"
	"slices"
	"testing"
	"time"

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
		m, ok := s.Find(want, 0)
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
		if m, ok := s.Find(other, 0); ok {
			t.Errorf("Find(%v) is %v", other, s.Indicator(m))
		}
	}
}

// TestOfFile has two files of one feed name, and one of another: each is known
// with its own words, if there was a need to keep them.
func TestOfFile(t *testing.T) {
	soon, late := time.Unix(1000, 0).UTC(), time.Unix(2000, 0).UTC()
	b := NewBuilder()
	for _, line := range []struct {
		file string
		Indicator
	}{
		{"a/list", Indicator{Type: Domain, Value: "one.example", Feed: "list", Description: "of a"}},
		{"a/list", Indicator{Type: Domain, Value: "both.example", Feed: "list", Description: "of a", Confidence: HighConfidence, Expires: soon}},
		{"b/list", Indicator{Type: Domain, Value: "both.example", Feed: "list", Description: "of b", Confidence: LowConfidence, Line: 7}},
		{"c/list", Indicator{Type: Domain, Value: "both.example", Feed: "other", Confidence: LowConfidence, Expires: late}},
		{"b/list", Indicator{Type: Domain, Value: "two.example", Feed: "list", Line: 8}},
		{"b/list", Indicator{Type: Address, Value: "198.51.100.7", Feed: "list", Port: 443}},
		{"a/list", Indicator{Type: Address, Value: "2001:db8::7", Feed: "list"}},
		{"b/list", Indicator{Type: Network, Value: "203.0.113.0/24", Feed: "list"}},
	} {
		b.From(line.file)
		if err := b.Add(line.Indicator); err != nil {
			t.Fatal(err)
		}
	}
	s := b.Build()
	for file, want := range map[string][]string{
		"a/list": {"2001:db8::7 list  0", "both.example list of a 0", "one.example list of a 0"},
		"b/list": {"198.51.100.7 list  0", "203.0.113.0/24 list  0", "both.example list of b 0", "two.example list  8"},
		"c/list": {"both.example other of b 0"}, // which goes before it and holds longer
		"list":   nil,
	} {
		var got []string
		for i := range s.OfFile(file) {
			if i.AlsoIn != nil {
				t.Errorf("%s is of %v", i.Value, i.AlsoIn)
			}
			got = append(got, fmt.Sprint(i.Value, " ", i.Feed, " ", i.Description, " ", i.Line))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
	for range s.OfFile("a/list") {
		break
	}
}

// TestFilesOfOneName adds a name from two files of one feed name in both orders.
func TestFilesOfOneName(t *testing.T) {
	for _, files := range [][]string{{"a/list", "b/list"}, {"b/list", "a/list"}} {
		b := NewBuilder()
		for _, file := range files {
			b.From(file)
			if err := b.Add(Indicator{Value: "evil.example", Feed: "list", Line: int(file[0])}); err != nil {
				t.Fatal(err)
			}
		}
		s := b.Build()
		m, _ := s.Name([]byte("evil.example"), 0)
		if i := s.Indicator(m); i.Line != 'a' || i.AlsoIn != nil {
			t.Errorf("%v: %+v", files, i)
		}
	}
}
