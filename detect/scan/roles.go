package scan

import (
	"net/netip"

	"wormscope/detect/zone"
	"wormscope/internal/ip"
)

// role is what an address is to the watched institution.
type role uint8

const (
	isOutside role = iota
	isInside
	isAllowed // may scan
)

// roles finds the role of an address.
type roles struct {
	zones *zone.Map
	allow []netip.Prefix
}

func (r *roles) of(a ip.Addr) role {
	if len(r.allow) > 0 && r.allowed(a.Netip()) {
		return isAllowed
	}
	if r.zones.Of(a).Inside {
		return isInside
	}
	return isOutside
}

func (r *roles) allowed(a netip.Addr) bool {
	for _, p := range r.allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// class says which rules a port is under.
type class uint8

const (
	ordinary class = iota // none but the vertical one: peer-to-peer programs fail here as much as scanners
	watched               // the sequential test, patiently
	public                // the same, inside only: honest hosts try many dead addresses outside
	lateral               // all
)

// ports holds the class of each port.
type ports struct{ class []class }

func newPorts(lateralPorts, watchedPorts []uint16) ports {
	p := ports{make([]class, 1<<16)}
	for _, port := range watchedPorts {
		p.class[port] = watched
	}
	// Browsers, crawlers and mail and name servers meet dead addresses all
	// day, and a host whose IPv6 leads nowhere fails at every site it tries.
	for _, port := range []uint16{25, 53, 80, 443, 853} {
		if p.class[port] == watched {
			p.class[port] = public
		}
	}
	for _, port := range lateralPorts {
		p.class[port] = lateral
	}
	return p
}
