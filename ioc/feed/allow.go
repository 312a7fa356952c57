package feed

import (
	"fmt"
	"strings"

	"wormscope/ioc"
)

// Allowed returns an entry of an allow list in the canonical form that Builder.Allow
// wants. It is an address, a network, or a name that stands for all names below it as
// well, and may be a public suffix. As in a feed, it may be defanged, have a wildcard,
// or be internationalised. It is an error if the entry would allow more or less than
// it says, as a URL or a port would.
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
