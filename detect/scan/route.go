package scan

import "wormscope/internal/ip"

// Hosts have addresses of IPv6, and names that lead to such, where IPv6 leads
// nowhere: between two sites, or out of the institution. Every client tries each
// of its servers there first, hears nothing, and goes on over IPv4. That says
// nothing of the client. It is so for all that is known where no packet of a
// destination's /64 ever came, and, outside, where nobody of the source's /64 was
// ever answered.

// routeHash is the hash that the /64 of an IPv6 address is remembered by as one
// that somebody was answered from.
func routeHash(a ip.Addr) uint64 { return mix(net64(a).Hash()^seedA, seedC) }

// reachableHash is the hash that it is remembered by as one that IPv6 leads to: a
// host of it was answered, or refused an attempt, or a router said of one that it
// alone is missing.
func reachableHash(a ip.Addr) uint64 { return mix(net64(a).Hash()^seedB, seedD) }

// egressHash is the hash that it is remembered by as one that IPv6 leads out of.
func egressHash(a ip.Addr) uint64 { return mix(net64(a).Hash()^seedD, seedB) }

// reached notes what an answer to a source inside shows of IPv6.
func (d *Detector) reached(a *attempt) {
	if a.src.Is4() {
		return
	}
	d.alive.see(reachableHash(a.src))
	if d.roles.of(a.dst) == isOutside {
		d.alive.see(egressHash(a.src))
	}
}

// astray reports whether an attempt failed as all do where IPv6 leads nowhere.
func (d *Detector) astray(a *attempt) bool {
	if a.dst.Is4() || !a.has(inside) || a.state == refused || d.alive.has(routeHash(a.dst)) || d.alive.has(reachableHash(a.dst)) {
		return false
	}
	return d.roles.of(a.dst) != isOutside || !d.alive.has(egressHash(a.src))
}
