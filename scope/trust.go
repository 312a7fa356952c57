package scope

import (
	"net/netip"
	"slices"
	"strings"
)

// Trust is whom and what the institution trusts. The zero value is nobody.
type Trust struct {
	// Scanners may scan and check: vulnerability scanners, monitoring. Address
	// translators and proxies, which act for others, are among them.
	Scanners []netip.Prefix
	// KillSwitch reports whether a name is a worm's kill switch, or one below
	// it, whatever a feed calls it. It may be nil.
	KillSwitch func(name string) bool

	addresses []netip.Prefix
	names     []string
}

// Allow trusts an address, a network, or a name with what is below it.
func (t *Trust) Allow(text string) error {
	if a, err := netip.ParseAddr(text); err == nil {
		a = plain(a)
		t.addresses = append(t.addresses, netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	if strings.Contains(text, "/") {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return err
		}
		t.addresses = append(t.addresses, prefix.Masked())
		return nil
	}
	t.names = append(t.names, strings.ToLower(strings.TrimSuffix(text, ".")))
	return nil
}

// Names returns the names that are trusted, with what is below them.
func (t *Trust) Names() []string { return t.names }

// mayScan reports whether a host is one that may scan, or acts for others.
func (t *Trust) mayScan(a netip.Addr) bool { return within(t.Scanners, a) }

// EndsWorm reports whether a name is a kill switch.
func (t *Trust) EndsWorm(name string) bool { return t.KillSwitch != nil && t.KillSwitch(name) }

// NeverBlock returns why an outside address must not be blocked whatever it
// did, empty if it may.
func (t *Trust) NeverBlock(a netip.Addr) string { return t.protects(plain(a)).String() }

// protects returns why an outside address must not be blocked whatever it did.
func (t *Trust) protects(a netip.Addr) protection {
	switch {
	case !a.IsGlobalUnicast(): // such as loopback, multicast, and 255.255.255.255
		return noHost
	case within(t.Scanners, a), within(t.addresses, a):
		return allowed
	default:
		return mayBlock
	}
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// plain returns an address as packet filters write it: no IPv4 in IPv6, no
// interface.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
