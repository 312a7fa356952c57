package zone

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"wormscope/internal/ip"
)

// TestAgainstPrefixes compares with the plainest way to find a place: to try
// all prefixes. Addresses are those on both sides of each prefix's ends.
func TestAgainstPrefixes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		inside := randomPrefixes(r, 4)
		zones := []Zone{{"a", randomPrefixes(r, 3)}, {"b", randomPrefixes(r, 20)}, {Internet, randomPrefixes(r, 2)}}
		m, err := New(inside, zones)
		if err != nil {
			continue // a prefix in two zones
		}
		model := model{inside, zones}
		for _, a := range interesting(r, inside, zones) {
			want := model.place(a)
			if got := (Place{m.Name(a), m.Inside(a)}); got != want {
				t.Fatalf("%s: %v, want %v, inside %v, zones %v", a, got, want, inside, zones)
			}
			if a.Is4In6() || !a.IsValid() {
				continue // in the other form they stand for something else
			}
			if got := m.Of(ip.From(a)); got != want {
				t.Fatalf("Of(%s) = %v, want %v, inside %v, zones %v", a, got, want, inside, zones)
			}
		}
	}
}

// model finds places by the documentation of New, Inside and Name.
type model struct {
	inside []netip.Prefix
	zones  []Zone
}

func (m *model) place(a netip.Addr) Place {
	a = a.WithZone("")
	zone, bits := "", -1
	for _, z := range m.zones {
		for _, p := range z.Prefixes {
			if p.Contains(a) && p.Bits() > bits {
				zone, bits = z.Name, p.Bits()
			}
		}
	}
	inside := bits >= 0
	for _, p := range m.inside {
		inside = inside || p.Contains(a)
	}
	inside = inside && !a.IsMulticast() && !a.IsUnspecified() && zone != Internet
	switch {
	case zone != "":
		return Place{zone, inside && m.anyInside(a)}
	case inside:
		return Place{Internal, true}
	default:
		return Place{Internet, false}
	}
}

// anyInside reports whether anything but a zone that is called internet holds
// an address.
func (m *model) anyInside(a netip.Addr) bool {
	for _, p := range m.inside {
		if p.Contains(a) {
			return true
		}
	}
	for _, z := range m.zones {
		for _, p := range z.Prefixes {
			if z.Name != Internet && p.Contains(a) {
				return true
			}
		}
	}
	return false
}

func randomPrefixes(r *rand.Rand, most int) []netip.Prefix {
	var list []netip.Prefix
	for range r.IntN(most + 1) {
		a := randomAddr(r)
		bits := r.IntN(a.BitLen() + 1)
		if r.IntN(2) == 0 { // near the first byte, where blocks begin and end
			bits = min(bits, 4+r.IntN(9))
		}
		list = append(list, netip.PrefixFrom(a, bits).Masked())
	}
	return list
}

// randomAddr returns addresses of which many have a beginning in common.
func randomAddr(r *rand.Rand) netip.Addr {
	b := make([]byte, 16)
	binary.BigEndian.PutUint64(b, r.Uint64())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	for i := range b {
		b[i] &= byte(r.Uint32())
		if i < 4 && r.IntN(3) > 0 {
			b[i] = []byte{0, 10, 11, 0xe0, 0xff}[r.IntN(5)]
		}
	}
	switch r.IntN(5) {
	case 0:
		return netip.AddrFrom16([16]byte(b))
	case 1: // mapped, as it is in no packet
		return netip.AddrFrom16(netip.AddrFrom4([4]byte(b)).As16())
	default:
		return netip.AddrFrom4([4]byte(b))
	}
}

func interesting(r *rand.Rand, inside []netip.Prefix, zones []Zone) []netip.Addr {
	list := []netip.Addr{{}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("fe80::1%eth0")}
	for range 50 {
		list = append(list, randomAddr(r))
	}
	all := append([]netip.Prefix{}, inside...)
	for _, z := range zones {
		all = append(all, z.Prefixes...)
	}
	for _, p := range append(all, never()...) {
		list = append(list, p.Addr(), p.Addr().Prev(), lastOf(p), lastOf(p).Next())
	}
	return list
}

func TestZeroMapHasNothingInside(t *testing.T) {
	var m Map
	for _, a := range []string{"10.0.0.1", "fd00::1", "255.255.255.255"} {
		if got := m.Of(ip.From(netip.MustParseAddr(a))); got != (Place{Zone: Internet}) {
			t.Errorf("%s: %v", a, got)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	m, err := New(DefaultInside(), nil)
	if err != nil {
		b.Fatal(err)
	}
	a := ip.From(netip.MustParseAddr("192.168.7.1"))
	for b.Loop() {
		m.Of(a)
	}
}
