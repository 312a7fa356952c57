package feed

import (
	"fmt"
	"strings"

	"wormscope/ioc"
)

// Allowed returns in canonical form, for Builder.Allow, what an entry of an allow
// list names: an address, a network, or a name with what is below it, which may
// be a public suffix. It may be written as in a feed: defanged, with a wildcard,
// internationalised. What would allow more or less than it says is an error.
func Allowed(text string) (string, error) {
	p := parser{guards: newGuards(), force: true}
	p.guards.broad = true
	o, reason := p.takeApart(strings.TrimSpace(text))
	switch {
	case reason != "":
	case o.url != "":
		reason = reasonURL
	case o.port != 0:
		reason = reasonOnePort
	case o.kind == ioc.Network:
		return o.net.String(), nil
	case o.kind == ioc.Address:
		return o.net.Addr().String(), nil
	case !strings.Contains(o.name, "."):
		reason = reasonNoDot
	default:
		return o.name, nil
	}
	return "", fmt.Errorf("%q: %s", text, reason)
}
