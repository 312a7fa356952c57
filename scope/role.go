package scope

import (
	"net/netip"
	"slices"

	"wormscope/detect/alert"
)

// fileServerFrom is how many clients a host serves on an SMB port before it is taken
// for a file server.
const fileServerFrom = 5

// roles returns what the host is for, as far as it shows.
func (h *host) roles() []string {
	roles := []string{}
	if h.resolver {
		roles = append(roles, "resolver")
	}
	if slices.ContainsFunc(h.facts, h.servesFiles) {
		roles = append(roles, "file-server")
	}
	return roles
}

// servesFiles reports whether a fact shows the clients of a file server. Who
// tried the host as a scanner is none: in an outbreak every worm tries all hosts
// around it. Where there may be more clients than are told apart (alert.MaxClients),
// and scanners enough to be nearly all of these, it is one if it had clients before
// the first of them came.
func (h *host) servesFiles(f fact) bool {
	if !h.answersSMB(&f) || f.count < fileServerFrom {
		return false
	}
	scanners, came := map[netip.Addr]bool{}, int64(neverHappening)
	for t := range h.all() {
		if t.kind == kindTargeted && t.port == f.port && t.first <= f.last && t.last >= f.first {
			scanners[t.peer] = true
			came = min(came, t.first)
		}
	}
	if f.count >= fileServerFrom+uint64(len(scanners)) {
		return true
	}
	return f.count >= alert.MaxClients && f.first < came
}
