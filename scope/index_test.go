package scope

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// TestIndexAgainstMap does the same to an index and to a map.
func TestIndexAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	x, m := newIndex(), map[netip.Addr]*host{}
	for i := range 60_000 {
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.Uint32())})
		if most := 3000; i < most*10 { // grow, shrink, grow
			a = netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(most) >> 8), byte(r.Uint32())})
		}
		hash := x.hash(a) & 0xff // so that many collide
		if got := x.get(a, hash); got != m[a] {
			t.Fatalf("step %d: %v has %p, want %p", i, a, got, m[a])
		}
		switch h := m[a]; {
		case h == nil:
			h = &host{addr: a, hash: hash}
			x.add(h)
			m[a] = h
		case r.IntN(2) == 0:
			x.remove(h)
			delete(m, a)
		}
		if x.used != len(m) {
			t.Fatalf("step %d: %d hosts, want %d", i, x.used, len(m))
		}
	}
	for a, h := range m {
		if x.get(a, h.hash) != h {
			t.Errorf("%v is lost", a)
		}
	}
}

// TestIndexTellsFormsApart checks that addresses which differ in no bit that
// packets have are hosts of their own all the same, as they are in a map.
func TestIndexTellsFormsApart(t *testing.T) {
	tab := newTable(10)
	for _, text := range []string{"10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fe80::1%eth0"} {
		if tab.find(netip.MustParseAddr(text)) != nil {
			t.Errorf("%s is known already", text)
		}
		tab.get(netip.MustParseAddr(text))
	}
}
