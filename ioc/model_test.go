package ioc

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/internal/ip"
)

// A model answers as a Set must, the slow way.
type model struct {
	all  []Indicator
	time time.Time // at which it is asked
}

// best returns the indicator of a name or network, and port, that speaks for it.
func (m *model) best(value string, port uint16) (best Indicator, ok bool) {
	for _, i := range m.all {
		if i.Value == value && i.Port == port && active(&i, m.time) && (!ok || goesBefore(i, best)) {
			best, ok = i, true
		}
	}
	return best, ok
}

// active reports whether an indicator still holds at a packet time.
func active(i *Indicator, at time.Time) bool {
	return i.Expires.IsZero() || !at.After(i.Expires)
}

// goesBefore says which of two that hold speaks for an observable.
func goesBefore(a, b Indicator) bool {
	order := func(i Indicator) []string {
		class := strings.Index("kill-switch sinkhole malicious anonymizer", i.Class.String())
		sure := strings.Index("High Medium Not Specified Low None", i.Confidence.String())
		until := time.Duration(1<<62) - time.Duration(i.Expires.Unix())*time.Second
		if i.Expires.IsZero() {
			until = 0
		}
		return []string{fmt.Sprintf("%03d %03d %t %020d", class, sure, i.Description == "", until), i.Feed}
	}
	return slices.Compare(order(a), order(b)) < 0
}

// show returns an indicator with who says so, empty for none.
func show(i Indicator, ok bool) string {
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s|%d of %s, %v, %v, until %d", i.Value, i.Port, i.Feed, i.Class, i.Confidence, i.Expires.Unix())
}

func (m *model) name(name string) string {
	longest, found := Indicator{}, false
	labels := strings.Split(name, ".")
	for from := range labels {
		for to := len(labels); to > from; to-- {
			part := strings.Join(labels[from:to], ".")
			i, ok := m.best(part, 0)
			if !ok || i.Class != KillSwitch || i.Exact && part != name {
				continue
			}
			if len(part) > len(longest.Value) {
				longest, found = i, true
			}
		}
	}
	for from := 0; from < len(labels) && !found; from++ {
		if i, ok := m.best(strings.Join(labels[from:], "."), 0); ok && (!i.Exact || from == 0) {
			longest, found = i, true
		}
	}
	return show(longest, found)
}

func (m *model) address(ap netip.AddrPort) string {
	best, found, bestRank := Indicator{}, false, -1
	for _, i := range m.all {
		p, err := netip.ParsePrefix(i.Value)
		if err != nil {
			a := netip.MustParseAddr(i.Value)
			p = netip.PrefixFrom(a, a.BitLen())
		}
		speaks, ok := m.best(i.Value, i.Port)
		if !ok || !p.Contains(ap.Addr()) || i.Port != 0 && i.Port != ap.Port() {
			continue
		}
		rank := 2 * p.Bits()
		if i.Port != 0 {
			rank++
		}
		if rank > bestRank {
			best, found, bestRank = speaks, true, rank
		}
	}
	return show(best, found)
}

// says makes up what a feed says of an indicator, mostly nothing.
func says(r *rand.Rand, i *Indicator) {
	i.Feed = string(rune('a' + r.IntN(4)))
	if r.IntN(3) == 0 {
		i.Expires = time.Unix(100*int64(r.IntN(4)), 0)
	}
	if r.IntN(2) == 0 {
		i.Confidence = Confidence(r.IntN(5))
	}
	if r.IntN(4) == 0 {
		i.Description = "described"
	}
}

// moments are when Sets are asked: at, before and after what says gives.
func moments(r *rand.Rand) time.Time { return time.Unix(50*int64(r.IntN(8)), int64(r.IntN(2))) }

// randomName makes names of few labels, so that they are often below each other.
func randomName(r *rand.Rand) string {
	words := []string{"a", "b", "cc", "evil", "example", "a-long-label-of-more-than-sixteen-bytes", `x\.y`, `z\\`}
	n := 2 + r.IntN(4)
	labels := make([]string, n)
	for i := range labels {
		labels[i] = words[r.IntN(len(words)-2)]
	}
	return strings.Join(labels, ".")
}

func TestNameAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var m model
		listed := map[string]bool{} // by each feed once
		for range 1 + r.IntN(200) {
			i := Indicator{Type: Domain, Value: randomName(r), Class: Class(r.IntN(30) / 28)}
			i.Exact = len(i.Value)%5 == 0
			says(r, &i)
			if key := i.Feed + i.Value; !listed[key] {
				listed[key] = true
				m.all = append(m.all, i)
			}
		}
		s := build(t, m.all...)
		for range 150 {
			name := randomName(r)
			m.time = moments(r)
			want := m.name(name)
			match, ok := s.Name([]byte(name), m.time.UnixNano())
			if !ok {
				match = Match{}
			}
			if got := shown(s, match); got != want {
				t.Fatalf("seed %d: Name(%q) at %v is %q, the model says %q", seed, name, m.time, got, want)
			}
		}
	}
}

// shown is show of a match, which may be the zero Match.
func shown(s *Set, m Match) string {
	if m == (Match{}) {
		return ""
	}
	i := s.Indicator(m)
	if i.Class != m.Class() {
		return fmt.Sprintf("the match is %v, the indicator %v", m.Class(), i.Class)
	}
	return show(i, true)
}

func randomAddr(r *rand.Rand) netip.Addr {
	if r.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{byte(r.IntN(3)), byte(r.IntN(2)), byte(r.IntN(4)), byte(r.IntN(8))})
	}
	return netip.AddrFrom16([16]byte{0x20, 1, byte(r.IntN(2)), byte(r.IntN(3)), 15: byte(r.IntN(8))})
}

func TestAddressAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		var m model
		listed := map[string]bool{} // by each feed once
		for range 1 + r.IntN(100) {
			a := randomAddr(r)
			i := Indicator{Type: Address, Value: a.String(), Port: uint16(max(0, r.IntN(5)-2))}
			if r.IntN(2) == 0 {
				p := netip.PrefixFrom(a, r.IntN(a.BitLen()-8)+8).Masked()
				if p.IsSingleIP() {
					continue
				}
				i.Type, i.Value = Network, p.String()
			}
			says(r, &i)
			if key := fmt.Sprint(i.Feed, i.Value, i.Port); !listed[key] {
				listed[key] = true
				m.all = append(m.all, i)
			}
		}
		s := build(t, m.all...)
		for range 80 {
			ap := netip.AddrPortFrom(randomAddr(r), uint16(r.IntN(4)))
			m.time = moments(r)
			want := m.address(ap)
			match, ok := s.Address(ap, m.time.UnixNano())
			if !ok {
				match = Match{}
			}
			if got := shown(s, match); got != want {
				t.Fatalf("seed %d: Address(%v) at %v is %q, the model says %q", seed, ap, m.time, got, want)
			}
		}
	}
}

// FuzzName compares Name with the model on hostile names.
func FuzzName(f *testing.F) {
	f.Add("www.kill.example.corp")
	f.Add(`a\.evil.example`)
	f.Add("...")
	m := model{all: []Indicator{
		{Value: "kill.example", Class: KillSwitch},
		{Value: "evil.example"},
		{Value: "a.b.evil.example"},
		{Value: "page.host.example", Exact: true},
		{Value: "example.test"},
	}}
	s := build(f, m.all...)
	f.Fuzz(func(t *testing.T, name string) {
		match, ok := s.Name([]byte(name), 0)
		if bytes.ContainsAny([]byte(name), `\`) || strings.Contains("."+name+".", "..") {
			return // the model knows no escapes and no empty labels
		}
		got := ""
		if ok {
			got = shown(s, match)
		}
		if want := m.name(name); got != want {
			t.Fatalf("Name(%q) = %q, the model says %q", name, got, want)
		}
	})
}

// TestNeitherNeverHidesAnIndicator checks that what Neither says of a pair
// agrees with Address, and that it says so of most pairs.
func TestNeitherNeverHidesAnIndicator(t *testing.T) {
	b := NewBuilder()
	r := rand.New(rand.NewPCG(3, 4))
	// Of a thousand secrets one or so puts addresses that are so near each other into
	// few words of the filter: what passes is counted under one and the same.
	b.set.secret = secret{a: r.Uint64() | 1, b: r.Uint64() | 1}
	b.set.names.secret, b.set.networks.secret = b.set.secret, b.set.secret
	address := func() netip.Addr { return addrOf4(0x08000000 | r.Uint32N(1<<16)) }
	for range 2000 {
		if err := b.Add(Indicator{Type: Address, Value: address().String()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add(Indicator{Type: Network, Value: "9.9.0.0/20"}); err != nil {
		t.Fatal(err)
	}
	s := b.Build()
	pairs, hidden := 0, 0
	for range 50_000 {
		x, y := address(), address()
		if r.IntN(4) == 0 {
			y = addrOf4(0x09090000 | r.Uint32N(1<<13))
		}
		_, inX := s.Address(netip.AddrPortFrom(x, 80), 0)
		_, inY := s.Address(netip.AddrPortFrom(y, 80), 0)
		switch neither := s.Neither(ip.From(x), ip.From(y)); {
		case neither && (inX || inY):
			t.Fatalf("Neither(%s, %s), and one of them is an indicator", x, y)
		case !inX && !inY:
			pairs++
			if !neither {
				hidden++
			}
		}
	}
	if pairs < 1000 || hidden*10 > pairs*4 {
		t.Errorf("of %d pairs without an indicator Neither let %d pass", pairs, hidden)
	}
	var none *Set
	if !none.Neither(ip.From(address()), ip.From(address())) {
		t.Error("a nil Set has an indicator")
	}
}
