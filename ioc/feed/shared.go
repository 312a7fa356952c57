package feed

import (
	_ "embed"
	"strings"
	"sync"
)

// shared.txt has hosts that many share, one per line.
//
//go:embed shared.txt
var sharedHosts string

// newSharedHosts returns the hosts of shared.txt.
var newSharedHosts = sync.OnceValue(func() map[string]bool { //nolint:gochecknoglobals // a function that remembers
	hosts := map[string]bool{}
	for host := range strings.Lines(sharedHosts) {
		if host = strings.TrimSpace(host); host != "" && host[0] != '#' {
			hosts[host] = true
		}
	}
	return hosts
})

// isShared reports whether a name is a host that many share, or below one.
func (g *guards) isShared(name string) bool {
	for ; name != ""; _, name, _ = strings.Cut(name, ".") {
		if g.shared[name] {
			return true
		}
	}
	return false
}
