package scan

import (
	"net/netip"

	"wormscope/internal/ip"

	"wormscope/detect/zone"
)

// role is what an address is to the watched institution.
type role uint8

const (
	isOutside role = iota
	isInside
	isAllowed // may scan
)

// roles are what addresses are to the watched institution.
type roles struct{ chart *ip.Chart[role] }

func newRoles(zones *zone.Map, allow []netip.Prefix) roles {
	ask := func(a netip.Addr) role {
		for _, p := range allow {
			if p.Contains(a) {
				return isAllowed
			}
		}
		if zones.Inside(a) {
			return isInside
		}
		return isOutside
	}
	return roles{ip.NewChart(append(zones.Prefixes(), allow...), ask)}
}

func (r *roles) of(a ip.Addr) role { return r.chart.Of(a) }

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

// smb reports whether a port carries SMB.
func smb(port uint16) bool { return port == 445 || port == 139 }
