package scope_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/ioc"
	"wormscope/scope"
)

// TestAskersThatAreNotInside: a host that asked for an indicator's name and is not
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
		{"another name", []said{asks(host, func(a *alert.Alert) { a.Indicator = badName })}, []string{host + " asked for an indicator's name and does not count" + words}},
		{"a name of little weight", []said{asks(host, func(a *alert.Alert) {
			i := *badName
			i.Class, a.Indicator = ioc.Anonymizer, &i
		})}, nil},
		{"a resolver, another name", []said{
			asks(resolver, func(a *alert.Alert) { a.Indicator = badName }),
			factOf(alert.Fact{Kind: alert.FactResolver, Host: addr(resolver), Time: at(6)}),
		}, nil},
		{"a resolver", []said{asks(resolver, asIs), factOf(alert.Fact{Kind: alert.FactResolver, Host: addr(resolver), Time: at(6)})}, nil},
	} {
		if got := ledgerWarnings(t, c.said); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestScannersThatAreNotInside: where a host scans and neither it nor its targets are
// inside, it is likely that nobody said what is.
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

// TestAttacksThatAreNotInside: where a host attacks another one over SMB, and neither
// is inside, it is likely that nobody said what is. An attack on a host inside is
// told as such.
func TestAttacksThatAreNotInside(t *testing.T) {
	const host, victim = "2001:db8:1::5", "2001:db8:2::9"
	inside := alertOf(exposed("10.1.0.14", 445, "10.1.0.15", 1, false, 1, 1))
	sent := func(from, to string) said { return factOf(smbFact(alert.FactExploitSent, from, to, blue, 5)) }
	got := func(to, from string) said { return factOf(smbFact(alert.FactExploitCompleted, to, from, blue, 5)) }
	const words = " as inside no more than they do: say with --internal which addresses are yours, before you block any"
	for _, c := range []struct {
		name string
		said []said
		want []string
	}{
		{"one", []said{inside, got(victim, host)}, []string{victim + " attacks others over SMB or is attacked, and counts" + words}},
		{"both", []said{inside, got(victim, host), sent(host, victim)}, []string{host + " and 1 other host attack others over SMB or are attacked, and count" + words}},
		{"from outside", []said{inside, sent(host, "10.1.0.14"), got("10.1.0.14", host)}, nil},
		{"to outside", []said{inside, sent("10.1.0.15", victim), got(victim, "10.1.0.15")}, nil},
		{"nobody is inside", []said{got(victim, host)}, nil},
	} {
		if have := ledgerWarnings(t, c.said); !slices.Equal(have, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, have, c.want)
		}
	}
}

// TestCallersThatAreNotInside: a host that contacted an indicator address, and is not
// listed since nobody said that its network is inside, is told of all the same, if
// that would make one inside suspicious.
func TestCallersThatAreNotInside(t *testing.T) {
	const host, other = "2001:db8:1::5", "2001:db8:1::7"
	calls := func(host string, i *ioc.Indicator, change func(*alert.Contact)) said {
		c := alert.Contact{State: alert.ContactEstablished, Initiator: alert.InitiatorHost, BytesOrig: 100, BytesResp: 500}
		change(&c)
		return alertOf(contact(host, i, 8443, c, 5, 5))
	}
	asIs := func(*alert.Contact) {}
	const words = " as inside: say with --internal which addresses are yours"
	for _, c := range []struct {
		name string
		said []said
		want []string
	}{
		{"one", []said{calls(host, badAddr, asIs)}, []string{host + " contacted an indicator address and does not count" + words}},
		{"two", []said{calls(other, badAddr, asIs), calls(host, badAddr, asIs)}, []string{host + " and 1 other host contacted an indicator address and do not count" + words}},
		{"inside", []said{calls("10.1.0.14", badAddr, asIs)}, nil},
		{"called", []said{calls(host, badAddr, func(c *alert.Contact) { c.Initiator = alert.InitiatorPeer })}, nil},
		{"for a client", []said{calls(host, badAddr, func(c *alert.Contact) { c.OnBehalf = true })}, nil},
		{"a relay", []said{calls(host, relay, asIs)}, nil},
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

// TestNotInsideIsNotClean: where hosts that may be the institution's own scan, or
// asked for a kill-switch name, and do not count as inside, nobody says that there is
// no sign of a worm, or has scanners blocked without a look at whose they are.
func TestNotInsideIsNotClean(t *testing.T) {
	const asker, scanner = "2001:db8:1::5", "2001:db8:1::7"
	asks := lookup(asker, killSwitch, "NXDOMAIN", 5, 5)
	asks.Resp = netip.MustParseAddrPort("[2001:db8:1::53]:53")
	scans := scan(scanner, "sequential", alert.Scan{Port: 445, Targets: 9, Silent: 9}, 1, 1)
	scans.Resp = netip.MustParseAddrPort("[2001:db8:2::9]:445")
	through := factOf(smbFact(alert.FactExploitCompleted, "10.1.0.14", "10.1.0.9", blue, 5))
	const victim = "2001:db8:2::9"
	sent, got := factOf(smbFact(alert.FactExploitSent, scanner, victim, blue, 5)), factOf(smbFact(alert.FactExploitAttempted, victim, scanner, blue, 5))
	call := alertOf(contact(asker, badAddr, 8443, alert.Contact{State: alert.ContactEstablished, Initiator: alert.InitiatorHost}, 5, 5))
	implant := factOf(smbFact(alert.FactImplanted, victim, scanner, "0x5", 5))
	check, probe := factOf(smbFact(alert.FactVulnerable, victim, scanner, "check", 5)), factOf(smbFact(alert.FactProbed, victim, scanner, "ping", 5))
	mark := factOf(sure(smbFact(alert.FactMark, scanner, victim, "tree-other-address", 5), .5))
	for _, c := range []struct {
		name    string
		said    []said
		hosts   []string
		verdict string
	}{
		{"scans", []said{alertOf(scans)}, []string{scanner}, "Not known yet: 1 host with signs of a worm does not count as inside"},
		{"both", []said{alertOf(scans), alertOf(asks)}, []string{asker, scanner}, "Not known yet: 2 hosts with signs of a worm do not count as inside"},
		{"attacks", []said{sent, got}, []string{scanner, victim}, "Not known yet: 2 hosts with signs of a worm do not count as inside"},
		{"has an implant", []said{implant}, []string{victim}, "Not known yet: 1 host with signs of a worm does not count as inside"},
		{"contacts", []said{call}, []string{asker}, "Not known yet: 1 host with signs of a worm does not count as inside"},
		{"checks", []said{check, probe, mark}, nil, "No sign of a worm"},
		{"and one is exploited", []said{alertOf(scans), through}, []string{scanner}, "1 host was EXPLOITED"},
		{"none", nil, nil, "No sign of a worm"},
	} {
		l, _ := ledgerOf(t, c.said)
		d := l.Document(capture())
		if !slices.Equal(d.NotInside, c.hosts) || !strings.HasPrefix(d.Verdict(), c.verdict) {
			t.Errorf("%s: %q, %s", c.name, d.NotInside, d.Verdict())
		}
		say, block := action(&d, scope.SayInside), action(&d, scope.BlockScanners)
		if (say != nil) != (len(c.hosts) > 0) || say != nil && block != nil && say.Kind > block.Kind {
			t.Errorf("%s: actions %+v", c.name, d.Actions())
		}
		if say != nil && !strings.Contains(textOf(t, d), "Say with --internal which addresses are yours") {
			t.Errorf("%s: the text is\n%s", c.name, textOf(t, d))
		}
	}
}
