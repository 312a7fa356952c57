package scope_test

import (
	"net/netip"
	"slices"
	"testing"

	"wormscope/detect/alert"
)

// TestAskersThatAreNotInside: a host that asked for a kill switch and is not
// listed, since nobody said that its network is inside, is told of all the same.
func TestAskersThatAreNotInside(t *testing.T) {
	const host, other, resolver = "2001:db8:1::5", "2001:db8:1::7", "2001:db8:1::53"
	asks := func(host string, change func(*alert.Alert)) said {
		a := lookup(host, killSwitch, "NXDOMAIN", 5, 5)
		a.Resp = netip.MustParseAddrPort("[2001:db8:1::53]:53")
		change(&a)
		return alertOf(a)
	}
	asIs := func(*alert.Alert) {}
	const words = " as inside: say with --internal which addresses are yours"
	for _, c := range []struct {
		name string
		said []said
		want []string
	}{
		{"one", []said{asks(host, asIs)}, []string{host + " asked for a kill-switch name and does not count" + words}},
		{"two", []said{asks(other, asIs), asks(host, asIs)}, []string{host + " and 1 other host asked for a kill-switch name and do not count" + words}},
		{"inside", []said{asks("10.1.0.14", asIs)}, nil},
		{"asks a server inside", []said{asks(host, func(a *alert.Alert) { a.Resp = netip.MustParseAddrPort("10.3.0.53:53") })}, nil},
		{"for a client", []said{asks(host, func(a *alert.Alert) { a.Evidence.DNS.OnBehalf = true })}, nil},
		{"never seen to ask", []said{asks(host, func(a *alert.Alert) { a.Evidence.DNS.Unasked = true })}, nil},
		{"another name", []said{asks(host, func(a *alert.Alert) { a.Indicator = badName })}, nil},
		{"a resolver", []said{asks(resolver, asIs), factOf(alert.Fact{Kind: alert.FactResolver, Host: addr(resolver), Time: at(6)})}, nil},
	} {
		if got := ledgerWarnings(t, c.said); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestScannersThatAreNotInside: where somebody scans and neither he nor whom he tries
// is inside, it is likely that nobody said what is.
func TestScannersThatAreNotInside(t *testing.T) {
	const host, other = "2001:db8:1::5", "2001:db8:1::7"
	scans := func(host, whom string) said {
		a := scan(host, "sequential", alert.Scan{Port: 445, Targets: 9, Silent: 9}, 1, 1)
		a.Resp = netip.AddrPortFrom(addr(whom), 445)
		return alertOf(a)
	}
	inside := alertOf(exposed("10.1.0.14", 445, "10.1.0.15", 1, false, 1, 1))
	const words = " as inside no more than they do: say with --internal which addresses are yours, before you block any"
	for _, c := range []struct {
		name string
		said []said
		want []string
	}{
		{"one", []said{inside, scans(host, "2001:db8:2::9")}, []string{host + " scans others and counts" + words}},
		{"two", []said{inside, scans(other, "2001:db8:2::9"), scans(host, "2001:db8:2::9")}, []string{host + " and 1 other host scan others and count" + words}},
		{"from outside", []said{inside, scans(host, "10.1.0.14")}, nil},
		{"to outside", []said{inside, scans("10.1.0.15", "2001:db8:2::9")}, nil},
		{"nobody is inside", []said{scans(host, "2001:db8:2::9")}, nil},
	} {
		if got := ledgerWarnings(t, c.said); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// ledgerWarnings returns what a ledger that was told this adds to the warnings of
// the capture.
func ledgerWarnings(t *testing.T, list []said) []string {
	t.Helper()
	l, _ := ledgerOf(t, list)
	if d := l.Document(capture()); len(d.Capture.Warnings) > len(capture().Warnings) {
		return d.Capture.Warnings[len(capture().Warnings):]
	}
	return nil
}
