package alert

import (
	"fmt"
	"net/netip"
	"slices"
)

// Check says what is in an alert that no detector says: one that was read back
// may be what a stranger wrote.
func (a *Alert) Check() error {
	if a.Phase > PhaseEnd {
		return fmt.Errorf("phase %d", a.Phase)
	}
	addrs := []netip.Addr{a.Host, a.Orig.Addr(), a.Resp.Addr()}
	e := &a.Evidence
	if e.Scan != nil {
		addrs = append(addrs, e.Scan.Sample...)
	}
	if d := e.DNS; d != nil {
		addrs = slices.Concat(addrs, []netip.Addr{d.Resolver}, d.Resolved, d.Listed, d.Last.Resolved)
	}
	if e.Exposure != nil {
		addrs = append(addrs, e.Exposure.By)
	}
	return CheckAddrs(addrs...)
}

// Check is for facts what Check is for alerts.
func (f *Fact) Check() error { return CheckAddrs(f.Host, f.Peer) }

// CheckAddrs refuses an address whose zone can be no interface: it may be any
// text, and is written wherever the address is.
func CheckAddrs(addrs ...netip.Addr) error {
	for _, a := range addrs {
		zone := a.Zone()
		if len(zone) > maxZone || slices.ContainsFunc([]byte(zone), notInZone) {
			return fmt.Errorf("address %s with the zone %.20q", a.WithZone(""), zone)
		}
	}
	return nil
}

// maxZone is what Windows takes for an interface's name; Linux takes less.
const maxZone = 256

// notInZone reports whether no interface has this byte in its name.
func notInZone(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-', c == ':', c == '@':
		return false
	default:
		return true
	}
}
