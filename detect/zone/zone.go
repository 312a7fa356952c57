// Package zone says which addresses are inside the watched institution, and in
// which of its zones.
package zone

import (
	"fmt"
	"net/netip"

	"github.com/gaissmai/bart"
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
	names  []string           // in the order given
	inside bart.Lite          // everything inside
	zones  bart.Table[string] // the named zones
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
	m := &Map{}
	for _, p := range inside {
		m.inside.Insert(p.Masked())
	}
	for _, z := range zones {
		if z.Name == "" {
			return nil, fmt.Errorf("zone without a name for %v", z.Prefixes)
		}
		m.names = append(m.names, z.Name)
		for _, p := range z.Prefixes {
			if other, ok := m.zones.Get(p.Masked()); ok && other != z.Name {
				return nil, fmt.Errorf("zone %s: %s is in zone %s already", z.Name, p, other)
			}
			m.zones.Insert(p.Masked(), z.Name)
			if z.Name != Internet {
				m.inside.Insert(p.Masked())
			}
		}
	}
	return m, nil
}

// Inside reports whether an address belongs to the watched institution.
// Multicast and unspecified addresses never do.
func (m *Map) Inside(a netip.Addr) bool {
	if !m.inside.Contains(a) || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	name, ok := m.zones.Lookup(a)
	return !ok || name != Internet
}

// Name returns the zone of an address: the most specific named one, Internal
// for another address inside, Internet for any other.
func (m *Map) Name(a netip.Addr) string {
	if name, ok := m.zones.Lookup(a); ok {
		return name
	}
	if m.Inside(a) {
		return Internal
	}
	return Internet
}

// Names returns the named zones in the order given to New.
func (m *Map) Names() []string { return m.names }
