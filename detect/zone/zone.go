// Package zone says which addresses are inside the watched institution, and in
// which of its zones.
package zone

import (
	"fmt"
	"net/netip"

	"wormscope/internal/ip"
)

// Names of the zones that need no configuration.
const (
	Internal = "internal" // inside, in no named zone
	Internet = "internet" // not inside
)

// A Zone is a named part of the network.
type Zone struct {
	Name     string
	Prefixes []netip.Prefix
}

// A Map tells inside from outside and the zones inside. It is immutable, and
// safe for use by several goroutines. The zero value has nothing inside.
type Map struct {
	names     []string // in the order given
	four, six table
}

// A Place is what a Map says of an address.
type Place struct {
	// Zone is the most specific named zone, Internal for another address
	// inside, Internet for any other.
	Zone string
	// Inside says that the address belongs to the watched institution.
	// Multicast and unspecified addresses never do.
	Inside bool
}

// DefaultInside is what counts as inside when nothing is said: the private
// ranges of RFC 1918, the shared range of RFC 6598, and the link-local and
// unique local ranges of IPv4 and IPv6 (RFC 3927, RFC 4291, RFC 4193).
func DefaultInside() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fe80::/10"),
		netip.MustParsePrefix("fc00::/7"),
	}
}

// New makes a Map. What a named zone holds is inside, unless the zone is
// named internet. An address in several zones is in the most specific one. A
// prefix in two zones is an error.
func New(inside []netip.Prefix, zones []Zone) (*Map, error) {
	var r rules
	for _, p := range inside {
		r.addInside(p.Masked())
	}
	m := &Map{}
	for _, z := range zones {
		if z.Name == "" {
			return nil, fmt.Errorf("zone without a name for %v", z.Prefixes)
		}
		m.names = append(m.names, z.Name)
		for _, p := range z.Prefixes {
			if other, ok := r.zones.Get(p.Masked()); ok && other != z.Name {
				return nil, fmt.Errorf("zone %s: %s is in zone %s already", z.Name, p, other)
			}
			r.addZone(p.Masked(), z.Name)
		}
	}
	m.four, m.six = r.table(netip.IPv4Unspecified()), r.table(netip.IPv6Unspecified())
	return m, nil
}

// Of says what an address is to the institution.
func (m *Map) Of(a ip.Addr) Place {
	if a.Is4() {
		return m.four.place(a, a.Number4()>>24)
	}
	return m.six.place(a, uint32(a.Hi>>56))
}

// of is Of for the form of the standard library, in which an IPv4 address
// mapped to IPv6 is one of IPv6.
func (m *Map) of(a netip.Addr) Place {
	switch n := ip.From(a); {
	case a.Is4():
		return m.four.place(n, n.Number4()>>24)
	case a.IsValid():
		return m.six.place(n, uint32(n.Hi>>56))
	default:
		return Place{Zone: Internet}
	}
}

// Inside reports whether an address belongs to the watched institution.
// Multicast and unspecified addresses never do.
func (m *Map) Inside(a netip.Addr) bool { return m.of(a).Inside }

// Name returns the zone of an address: the most specific named one, Internal
// for another address inside, Internet for any other.
func (m *Map) Name(a netip.Addr) string { return m.of(a).Zone }

// Names returns the named zones in the order given to New.
func (m *Map) Names() []string { return m.names }
