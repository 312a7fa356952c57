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
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
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
