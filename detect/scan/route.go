package scan

import "wormscope/internal/ip"

// Hosts may have IPv6 addresses, and names that lead to them, though no route does:
// between two sites, or out of the institution. Then each client tries all of its
// servers over IPv6 first, hears nothing, and goes on over IPv4, which says nothing
// against the client. A route is taken to be missing where no packet ever came from
// the destination's /64 and, if that is outside, nobody outside ever answered the
// source's /64.

// routeHash returns the hash under which the /64 of an IPv6 address is remembered as
// one that somebody was answered from.
func routeHash(a ip.Addr) uint64 { return mix(net64(a).Hash()^seedA, seedC) }

// reachableHash returns the hash under which it is remembered as one that IPv6 leads
// to: a host in it was answered or refused an attempt, or a router said of a single
// address in it that nobody has it.
func reachableHash(a ip.Addr) uint64 { return mix(net64(a).Hash()^seedB, seedD) }

// egressHash returns the hash under which it is remembered as one from which IPv6
// leads out of the institution.
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
