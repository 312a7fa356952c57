package ioc

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gaissmai/bart"
)

// An allowList has what is never an indicator. It is asked only about what
// matched, so it may be slow. The zero value allows nothing.
type allowList struct {
	names    map[string]struct{}
	prefixes *bart.Lite
}

// add adds a name, an address or a network.
func (l *allowList) add(value string) error {
	if p, err := netip.ParsePrefix(value); err == nil {
		l.addPrefix(p.Masked())
		return nil
	}
	if a, err := netip.ParseAddr(value); err == nil {
		a = a.Unmap().WithZone("")
		l.addPrefix(netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	if strings.IndexByte(value, '/') >= 0 {
		return fmt.Errorf("allow list: %q is no network", value)
	}
	name := strings.ToLower(strings.TrimSuffix(value, "."))
	if err := checkName([]byte(name)); err != nil {
		return fmt.Errorf("allow list: %q: %w", value, err)
	}
	if l.names == nil {
		l.names = map[string]struct{}{}
	}
	l.names[name] = struct{}{}
	return nil
}

func (l *allowList) addPrefix(p netip.Prefix) {
	if l.prefixes == nil {
		l.prefixes = new(bart.Lite)
	}
	l.prefixes.Insert(p)
}

// hasName reports whether a name, or one above it, is allowed.
func (l *allowList) hasName(name []byte) bool {
	if len(l.names) == 0 {
		return false
	}
	for end := len(name); end > 0; {
		start := labelStart(name, end)
		if _, ok := l.names[string(name[start:])]; ok {
			return true
		}
		end = start - 1
	}
	return false
}

// hasAddr reports whether an address is allowed.
func (l *allowList) hasAddr(a netip.Addr) bool {
	return l.prefixes != nil && l.prefixes.Contains(a)
}

// hasPrefix reports whether all of a network is allowed.
func (l *allowList) hasPrefix(p netip.Prefix) bool {
	return l.prefixes != nil && l.prefixes.LookupPrefix(p)
}
