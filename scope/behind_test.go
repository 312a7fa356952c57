package scope_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/ioc"
	"wormscope/scope"
)

// TestClientsThatAreNotSeen: where a kill-switch name was looked up on behalf of a host
// that the capture does not show, nobody says that there is no sign of a worm, and it is
// told who knows the host. Where the client is seen, there is no other to be found.
func TestClientsThatAreNotSeen(t *testing.T) {
	const client, resolver, other = "10.1.0.14", "10.3.0.53", "10.3.0.54"
	asks := func(host string, change func(*alert.DNS)) said {
		a := lookup(host, killSwitch, "NXDOMAIN", 5, 5)
		a.Resp = netip.MustParseAddrPort("198.51.100.53:53")
		change(a.Evidence.DNS)
		return alertOf(a)
	}
	weakName := &ioc.Indicator{Type: ioc.Domain, Value: "relay.example.net", Class: ioc.Anonymizer}
	own := func(*alert.DNS) {}
	behalf := func(d *alert.DNS) { d.OnBehalf = true }
	resolves := factOf(alert.Fact{Kind: alert.FactResolver, Host: addr(resolver), Time: at(6)})
	const unseen = "Not known yet: a host that the capture does not show had a kill-switch name looked up"
	const name = " asked for an indicator's name on behalf of a host that the capture does not show"
	const words = " asked for a kill-switch name on behalf of a host that the capture does not show"
	for _, c := range []struct {
		name    string
		said    []said
		behind  []string
		verdict string
		warning string
	}{
		{"iterates", []said{asks(resolver, behalf)}, []string{resolver}, unseen, resolver + words},
		{"is known later", []said{asks(resolver, own), resolves}, []string{resolver}, unseen, resolver + words},
		{"two", []said{asks(other, behalf), asks(resolver, behalf)}, []string{resolver, other}, unseen, resolver + " and 1 other host" + words},
		{"the client is seen", []said{asks(client, own), asks(resolver, behalf)}, nil, "1 host is INFECTED", ""},
		{"asks for itself", []said{asks(resolver, own)}, nil, "1 host is INFECTED", ""},
		{"another name", []said{alertOf(lookup(resolver, badName, "NXDOMAIN", 5, 5)), resolves}, nil, "No sign of a worm", resolver + name},
		{"another name, the client is seen", []said{alertOf(lookup(resolver, badName, "NXDOMAIN", 5, 5)), resolves, alertOf(lookup(client, badName, "NXDOMAIN", 5, 5))}, nil, "1 host is SUSPECTED", ""},
		{"a name that weighs little", []said{alertOf(lookup(resolver, weakName, "NXDOMAIN", 5, 5)), resolves}, nil, "No sign of a worm", ""},
	} {
		l, _ := ledgerOf(t, c.said)
		d := l.Document(capture())
		if !slices.Equal(d.Behind, c.behind) || !strings.HasPrefix(d.Verdict(), c.verdict) {
			t.Errorf("%s: %q, %s", c.name, d.Behind, d.Verdict())
		}
		if got := strings.Join(ledgerWarnings(t, c.said), "; "); got != c.warning {
			t.Errorf("%s: warns %q, want %q", c.name, got, c.warning)
		}
		if find := action(&d, scope.FindClient); (find != nil) != (len(c.behind) > 0) {
			t.Errorf("%s: actions %+v", c.name, d.Actions())
		}
	}
	many := []said{resolves} // more than are kept whole, of the client's in another order
	for i := range 100 {
		one := &ioc.Indicator{Type: ioc.Domain, Value: fmt.Sprintf("c%d.example.net", i), Class: ioc.Malicious}
		many = append(many, alertOf(lookup(resolver, one, "NXDOMAIN", 500+i, 5)), alertOf(lookup(client, one, "NXDOMAIN", 499-i, 5)))
	}
	if got := ledgerWarnings(t, many); len(got) > 0 {
		t.Errorf("the client is seen to ask for all, and it warns %q", got)
	}
	l, _ := ledgerOf(t, []said{asks(resolver, behalf)})
	l.Mark(scope.Mark{Host: addr(resolver), Kind: scope.FalsePositive, Time: at(50)})
	if d := l.Document(capture()); len(d.Behind) > 0 {
		t.Errorf("an analyst has explained it, and it is told still: %q", d.Behind)
	}
}
