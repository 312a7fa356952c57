package ioc

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"wormscope/internal/ip"
)

// within returns an address of a network, drawn by lot.
func within(r *rand.Rand, p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= byte(r.IntN(2)) << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// TestNearNeverHidesAnIndicator draws networks of every length, the beginning
// of IPv6 included, and asks for addresses in them.
func TestNearNeverHidesAnIndicator(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		b := NewBuilder()
		note := b.Note(Indicator{Feed: "feed"})
		var networks []netip.Prefix
		for range 1 + r.IntN(4) {
			a := netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
			if r.IntN(2) == 0 {
				var b [16]byte
				for i := r.IntN(16); i < 16; i++ { // often with zeros first
					b[i] = byte(r.Uint32())
				}
				a = netip.AddrFrom16(b).Unmap()
			}
			p := netip.PrefixFrom(a, r.IntN(a.BitLen()+1)).Masked()
			if p.Addr().Is4In6() {
				continue // refused
			}
			networks = append(networks, p)
			if _, err := b.AddNetwork(p, 0, 1, note); err != nil {
				t.Fatal(err)
			}
		}
		s := b.Build()
		for _, p := range networks {
			for range 50 {
				a := within(r, p)
				if a.Is4In6() {
					continue // is looked up as IPv4
				}
				if _, ok := s.Address(netip.AddrPortFrom(a, 80), 0); !ok {
					t.Fatalf("seed %d: %s is not in %s", seed, a, p)
				}
				if !s.Near(ip.From(a)) || s.Neither(ip.From(a), ip.From4(r.Uint32())) || s.Neither(ip.Addr{Lo: 1}, ip.From(a)) {
					t.Fatalf("seed %d: %s of %s is hidden", seed, a, p)
				}
			}
		}
	}
}

// TestNearIsSeldomTrue asks for addresses that are not indicators.
func TestNearIsSeldomTrue(t *testing.T) {
	for _, n := range []int{10, 1000, 30000} {
		s, _ := bigSet(t, 0, n)
		r, near := rand.New(rand.NewPCG(1, 7)), 0
		const asked = 10_000
		for range asked {
			if s.Near(ip.From4(r.Uint32())) {
				near++
			}
		}
		if near > asked/25 {
			t.Errorf("with %d addresses %d of %d others may be near", n, near, asked)
		}
	}
	var none *Set
	if none.Near(ip.From4(1)) || (&Set{}).Near(ip.From4(1)) || NewBuilder().Build().Near(ip.Addr{}) {
		t.Error("near nothing")
	}
}
