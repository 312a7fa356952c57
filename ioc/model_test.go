package ioc

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"wormscope/internal/ip"
)

// A model answers as a Set must, the slow way.
type model struct {
	names map[string]Indicator
	rest  []Indicator
}

func (m *model) name(name string) string {
	best := ""
	labels := strings.Split(name, ".")
	for from := range labels {
		for to := len(labels); to > from; to-- {
			part := strings.Join(labels[from:to], ".")
			i, ok := m.names[part]
			if !ok || i.Class != KillSwitch || i.Exact && part != name {
				continue
			}
			if len(part) > len(best) {
				best = part
			}
		}
	}
	for from := 0; from < len(labels) && best == ""; from++ {
		part := strings.Join(labels[from:], ".")
		if i, ok := m.names[part]; ok && (!i.Exact || from == 0) {
			best = part
		}
	}
	return best
}

func (m *model) address(ap netip.AddrPort) string {
	best, bestBits := "", -1
	for _, i := range m.rest {
		p, err := netip.ParsePrefix(i.Value)
		if err != nil {
			a := netip.MustParseAddr(i.Value)
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if !p.Contains(ap.Addr()) || i.Port != 0 && i.Port != ap.Port() {
			continue
		}
		rank := 2 * p.Bits()
		if i.Port != 0 {
			rank++
		}
		if rank > bestBits {
			best, bestBits = fmt.Sprintf("%s|%d", i.Value, i.Port), rank
		}
	}
	return best
}

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
		b, m := NewBuilder(), model{names: map[string]Indicator{}}
		for range 1 + r.IntN(200) {
			i := Indicator{Type: Domain, Value: randomName(r), Class: Class(r.IntN(30) / 28), Exact: r.IntN(5) == 0}
			if _, ok := m.names[i.Value]; ok {
				continue
			}
			m.names[i.Value] = i
			if err := b.Add(i); err != nil {
				t.Fatal(err)
			}
		}
		s := b.Build()
		for range 500 {
			name := randomName(r)
			want := m.name(name)
			got := ""
			if match, ok := s.Name([]byte(name)); ok {
				i := s.Indicator(match)
				got = i.Value
				if i.Class != match.Class() {
					t.Fatalf("%s: the match is %v, the indicator %v", name, match.Class(), i.Class)
				}
			}
			if got != want {
				t.Fatalf("seed %d: Name(%q) = %q, the model says %q", seed, name, got, want)
			}
		}
	}
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
		b, m := NewBuilder(), model{}
		seen := map[string]bool{}
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
			key := fmt.Sprint(i.Value, i.Port)
			if seen[key] {
				continue
			}
			seen[key] = true
			m.rest = append(m.rest, i)
			if err := b.Add(i); err != nil {
				t.Fatal(err)
			}
		}
		s := b.Build()
		for range 500 {
			ap := netip.AddrPortFrom(randomAddr(r), uint16(r.IntN(4)))
			want, got := m.address(ap), ""
			if match, ok := s.Address(ap); ok {
				i := s.Indicator(match)
				got = fmt.Sprintf("%s|%d", i.Value, i.Port)
			}
			if got != want {
				t.Fatalf("seed %d: Address(%v) = %q, the model says %q", seed, ap, got, want)
			}
		}
	}
}

// FuzzName compares Name with the model on hostile names.
func FuzzName(f *testing.F) {
	f.Add("www.kill.example.corp")
	f.Add(`a\.evil.example`)
	f.Add("...")
	b := NewBuilder()
	m := model{names: map[string]Indicator{}}
	for _, i := range []Indicator{
		{Value: "kill.example", Class: KillSwitch},
		{Value: "evil.example"},
		{Value: "a.b.evil.example"},
		{Value: "page.host.example", Exact: true},
		{Value: "example.test"},
	} {
		m.names[i.Value] = i
		if err := b.Add(i); err != nil {
			f.Fatal(err)
		}
	}
	s := b.Build()
	f.Fuzz(func(t *testing.T, name string) {
		match, ok := s.Name([]byte(name))
		if bytes.ContainsAny([]byte(name), `\`) || strings.Contains("."+name+".", "..") {
			return // the model knows no escapes and no empty labels
		}
		got := ""
		if ok {
			got = s.Indicator(match).Value
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
		_, inX := s.Address(netip.AddrPortFrom(x, 80))
		_, inY := s.Address(netip.AddrPortFrom(y, 80))
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
