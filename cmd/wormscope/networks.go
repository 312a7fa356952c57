package main

import (
	"fmt"
	"net/netip"

	"go.yaml.in/yaml/v3"
)

// networkList is networks and single addresses, or one of them alone.
type networkList []netip.Prefix

// UnmarshalYAML reads them as the flags do.
func (l *networkList) UnmarshalYAML(n *yaml.Node) error {
	items := n.Content
	if n.Kind != yaml.SequenceNode {
		items = []*yaml.Node{n}
	}
	*l = make(networkList, 0, len(items)) // not nil: an empty list is not the same as no setting
	for _, item := range items {
		var text string
		if err := item.Decode(&text); err != nil {
			return fmt.Errorf("line %d: want a network such as 10.0.0.0/8", item.Line)
		}
		p, err := parseNetwork(text)
		if err != nil {
			return fmt.Errorf("line %d: %w", item.Line, err)
		}
		*l = append(*l, p)
	}
	return nil
}

// parseNetwork reads a network or a single address.
func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		if isNetwork(a) {
			return netip.Prefix{}, fmt.Errorf("%q lacks its mask (want CIDR such as %s; %s/%d for that one address)", text, likely(a), a, a.BitLen())
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if a := p.Addr(); err == nil && a.Is4In6() { // packets' addresses are never IPv4-mapped
		const mapped = 96
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-mapped)
	}
	if err != nil || !p.IsValid() {
		return p, fmt.Errorf("%q is no network (want an address or CIDR such as 10.0.0.0/8)", text)
	}
	return p.Masked(), nil
}

// isNetwork reports whether an address looks like that of a network, of which the mask
// was forgotten. It would be taken for one host, and all others of the network for
// hosts outside, who can't be infected.
func isNetwork(a netip.Addr) bool {
	b := a.As16()
	if a.Is4() {
		return b[15] == 0
	}
	return [8]byte(b[8:]) == [8]byte{}
}

// likely returns the smallest network that such an address is likely meant for.
func likely(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		b := a.As4()
		for bits = 24; bits > 8 && b[bits/8-1] == 0; bits -= 8 {
		}
	}
	return netip.PrefixFrom(a, bits)
}
