package ip

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// narrowest is the number of the longest prefix that holds an address, -1 when
// none does.
func narrowest(prefixes []netip.Prefix, a netip.Addr) int {
	best := -1
	for i, p := range prefixes {
		if p.Contains(a) && (best < 0 || p.Bits() >= prefixes[best].Bits()) {
			best = i
		}
	}
	return best
}

// TestChart compares charts of random prefixes with a search through all of
// these, at addresses in and around them.
func TestChart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	address := func() netip.Addr {
		if r.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{byte(r.UintN(256)), byte(r.UintN(3)), byte(r.UintN(256)), byte(r.UintN(256))})
		}
		b := [16]byte{byte(r.UintN(256)), byte(r.UintN(3)), 13: byte(r.UintN(256)), 15: byte(r.UintN(256))}
		return netip.AddrFrom16(b)
	}
	for n := range 300 {
		var prefixes []netip.Prefix
		for range n % 30 {
			a := address()
			prefixes = append(prefixes, netip.PrefixFrom(a, r.IntN(a.BitLen()+1)).Masked())
		}
		ask := func(a netip.Addr) int { return narrowest(prefixes, a) }
		chart := NewChart(prefixes, ask)
		check := func(a netip.Addr) {
			if !a.IsValid() || a.Is4In6() {
				return
			}
			if got, want := chart.Of(From(a)), ask(a); got != want {
				t.Fatalf("%s is in prefix %d, want %d of %v", a, got, want, prefixes)
			}
		}
		for range 300 {
			check(address())
		}
		for _, p := range prefixes {
			for _, a := range []netip.Addr{p.Addr(), last(p)} {
				check(a)
				check(a.Prev())
				check(a.Next())
			}
		}
	}
}

func TestChartOfNothing(t *testing.T) {
	chart := NewChart(nil, netip.Addr.Is4)
	for _, s := range []string{"0.0.0.0", "255.255.255.255", "::", "ffff::"} {
		a := netip.MustParseAddr(s)
		if got := chart.Of(From(a)); got != a.Is4() {
			t.Errorf("%s: %v", a, got)
		}
	}
}
