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

	"github.com/google/go-cmp/cmp"
)

// trusting returns a ledger of some words that knows whom the institution
// trusts.
func trusting(t *testing.T, trust scope.Trust, words ...said) *scope.Ledger {
	t.Helper()
	l := scope.New(zones(t), scope.Options{Trust: trust})
	for _, w := range words {
		w.to(l)
	}
	return l
}

// TestForgedScanners: nobody is told to block what all inside need, or what
// stops the worm, though it seems to scan.
func TestForgedScanners(t *testing.T) {
	outside := func(ip string) said {
		return alertOf(scan(ip, "external", alert.Scan{Ports: []uint16{445}, Targets: 90, Answered: 2}, 9, 9))
	}
	sinkhole := &ioc.Indicator{Type: ioc.Address, Value: "198.51.100.99", Class: ioc.Sinkhole}
	misnamed := &ioc.Indicator{Type: ioc.Domain, Value: "also.ends.example", Feed: "sector-cert"}
	viaNine := lookup("10.1.0.15", badName, "NOERROR", 7, 7, "203.0.113.7")
	viaNine.Evidence.DNS.Resolver = addr("9.9.9.9")
	trust := scope.Trust{KillSwitch: func(name string) bool { return name == misnamed.Value }}
	if err := trust.Allow("192.0.2.0/24"); err != nil {
		t.Fatal(err)
	}
	var words []said
	for _, ip := range []string{"8.8.8.8", "9.9.9.9", "198.51.100.99", "104.16.173.80", "104.16.173.81", "192.0.2.9", "127.0.0.1", "203.0.113.99"} {
		words = append(words, outside(ip))
	}
	l := trusting(t, trust, append(
		words, alertOf(viaNine),
		factOf(alert.Fact{Kind: alert.FactResolver, Host: addr("8.8.8.8"), Peer: addr("10.1.0.3"), Time: at(3)}),
		factOf(alert.Fact{Kind: alert.FactResolver, Host: addr("8.8.4.4"), Peer: addr("10.1.0.3"), Time: at(3)}), // does not scan
		alertOf(lookup("10.1.0.14", killSwitch, "NOERROR", 5, 5, "104.16.173.80")),
		alertOf(lookup("10.1.0.14", misnamed, "NOERROR", 6, 6, "104.16.173.81")),
		alertOf(contact("10.1.0.14", sinkhole, 80, alert.Contact{State: "established", Initiator: "host"}, 6, 6)),
	)...)
	d := l.Document(capture())
	why := map[string]string{
		"8.8.8.8": "resolver", "9.9.9.9": "resolver", "198.51.100.99": "sinkhole", "104.16.173.80": "kill switch",
		"104.16.173.81": "kill switch", "192.0.2.9": "allow list", "127.0.0.1": "no address",
	}
	for _, k := range d.NeverBlock {
		if word, ok := why[k.IP]; !ok || !strings.Contains(k.Reason, word) {
			t.Errorf("never block %+v, want a reason with %q", k, word)
		}
		delete(why, k.IP)
	}
	if len(why) > 0 {
		t.Errorf("not kept: %v", why)
	}
	if block, _ := d.ToBlock(); len(block) != 1 || block[0].IP != "203.0.113.99" {
		t.Errorf("to block: %+v", block)
	}
	if a := action(&d, scope.BlockScanners); a == nil || a.Do != "Block 1 of the 8 outside scanners at the border" ||
		!strings.HasPrefix(a.How, "but not ") || !strings.HasSuffix(a.How, ", and 6 more") {
		t.Errorf("the advice to block is %+v, want 1 of 8 to be blocked", a)
	}
	if digest := l.Digest(capture()); !slices.Equal(digest.NeverBlock, d.NeverBlock) {
		t.Errorf("the text knows of %v", digest.NeverBlock)
	}
	if text := textOf(t, d); !strings.Contains(text, "never block it") {
		t.Errorf("the text does not say what not to block:\n%s", text)
	}
}

// TestScannerProtectsItself: who scans does not get off the list of whom to block by
// answers that nobody asked for, as a resolver or as where a kill switch leads.
func TestScannerProtectsItself(t *testing.T) {
	const scanner = "203.0.113.99"
	answer := lookup("10.1.0.14", killSwitch, "NOERROR", 5, 5, scanner)
	answer.Evidence.DNS.Resolver, answer.Evidence.DNS.Unasked = addr(scanner), true
	d := trusting(t, scope.Trust{}, alertOf(answer), alertOf(scan(scanner, "external", alert.Scan{Ports: []uint16{445}, Targets: 90}, 9, 9))).Document(capture())
	block, not := d.ToBlock()
	if len(block) != 1 || block[0].IP != scanner || len(not) != 0 || len(d.NeverBlock) != 0 || len(d.Protected()) != 0 {
		t.Errorf("to block %+v, not to block %+v, protected %v", block, not, d.Protected())
	}
}

// TestKeptThoughInBrief: what must not be blocked is known of contacts, too, that
// are only kept in brief.
func TestKeptThoughInBrief(t *testing.T) {
	const lifeline = "198.51.100.30"
	words := []said{alertOf(lookup("10.1.0.14", killSwitch, "NOERROR", 5, 5, lifeline))}
	for i := range 60 {
		called := &ioc.Indicator{Type: ioc.Address, Value: fmt.Sprintf("198.51.100.%d", i+1)}
		words = append(words, alertOf(contact("10.1.0.15", called, 443, alert.Contact{State: "established", Initiator: "host"}, 10+i, uint64(10+i))))
	}
	d := trusting(t, scope.Trust{}, words...).Document(capture())
	h := find(d, "10.1.0.15")
	if !slices.ContainsFunc(h.Unlisted, func(m scope.MetIndicator) bool { return m.Peer == lifeline }) {
		t.Fatal("it is listed")
	}
	if len(d.NeverBlock) != 1 || d.NeverBlock[0].IP != lifeline {
		t.Errorf("never block %+v, want %s alone", d.NeverBlock, lifeline)
	}
}

// TestNobodyToBlock: where all that scan must not be blocked, that is the advice.
func TestNobodyToBlock(t *testing.T) {
	d := trusting(
		t, scope.Trust{},
		alertOf(scan("8.8.8.8", "external", alert.Scan{Ports: []uint16{445}, Targets: 90}, 9, 9)),
		factOf(alert.Fact{Kind: alert.FactResolver, Host: addr("8.8.8.8"), Time: at(3)}),
	).Document(capture())
	want := scope.Action{Kind: scope.BlockScanners, Do: "Do not block the 1 outside scanner", How: "somebody forges 8.8.8.8, which is a resolver that hosts inside ask"}
	if diff := cmp.Diff(&want, action(&d, scope.BlockScanners)); diff != "" {
		t.Errorf("the advice to block (-want +got):\n%s", diff)
	}
}

// TestSweepAndScanAreOne: the targets of an indicator address that the scan
// detector tells of, too, count once.
func TestSweepAndScanAreOne(t *testing.T) {
	sweep := contact("10.1.0.14", badAddr, 445, alert.Contact{State: "attempted", Initiator: "peer", Hosts: 50, HostsAnswered: 7}, 5, 5)
	sweep.Host = addr(badAddr.Value)
	scanned := alertOf(scan(badAddr.Value, "external", alert.Scan{Port: 445, Targets: 40}, 5, 5))
	other := alertOf(scan(badAddr.Value, "external", alert.Scan{Port: 22, Targets: 30, Answered: 9}, 5, 5))
	for _, c := range []struct {
		words []said
		want  uint64 // targets
		some  uint64 // of them that answered
	}{{[]said{alertOf(sweep)}, 50, 7}, {[]said{alertOf(sweep), scanned}, 50, 7}, {[]said{scanned, other, alertOf(sweep)}, 70, 9}} {
		l, _ := ledgerOf(t, c.words)
		if s := l.Document(capture()).External[0]; s.Targets != c.want || s.Answered != c.some || len(s.Alerts) != len(c.words) {
			t.Errorf("%+v, want %d targets, of which %d answered", s, c.want, c.some)
		}
	}
}

// TestManyResolvers: a flood of resolvers does not fill memory, and the first
// are kept.
func TestManyResolvers(t *testing.T) {
	words := []said{alertOf(scan("203.0.1.1", "external", alert.Scan{Targets: 90}, 9, 9)), alertOf(scan("203.0.40.1", "external", alert.Scan{Targets: 90}, 9, 9))}
	for i := range 9000 {
		words = append(words, factOf(alert.Fact{Kind: alert.FactResolver, Host: addr(fmt.Sprintf("203.0.%d.%d", 1+i/200, 1+i%200)), Time: at(3)}))
	}
	if d := trusting(t, scope.Trust{}, words...).Document(capture()); len(d.NeverBlock) != 1 || d.NeverBlock[0].IP != "203.0.1.1" {
		t.Errorf("never block %+v, want the first resolvers alone, of which one scans", d.NeverBlock)
	}
}

// TestAllowedScanner: checks by who may scan make nobody suspicious, and nobody
// a target; its attacks do.
func TestAllowedScanner(t *testing.T) {
	const scanner, host = "10.1.0.60", "10.3.0.20"
	trust := scope.Trust{Scanners: []netip.Prefix{netip.MustParsePrefix("10.1.0.60/32")}}
	checked := targeted(host, scanner, 5, 5)
	checked.Alert = "x"
	checks := []said{
		factOf(checked), factOf(smbFact(alert.FactVulnerable, host, scanner, "check", 5)),
		factOf(smbFact(alert.FactClean, host, scanner, "ping", 6)), factOf(sure(smbFact(alert.FactMark, scanner, host, "check-header", 5), .4)),
	}
	d := trusting(t, trust, checks...).Document(capture())
	if len(d.Hosts) != 0 || len(d.Matrix) != 0 {
		t.Errorf("checked by who may: %+v, %+v", d.Hosts, d.Matrix)
	}
	d = trusting(t, trust, append(checks, alertOf(exposed(host, 445, scanner, 1, false, 5, 5)))...).Document(capture())
	if h := find(d, host); h.State != scope.Exposed || h.Patch != "vulnerable" {
		t.Errorf("checked by who may: %s, %s; want exposed and vulnerable", h.State, h.Patch)
	}
	d = trusting(t, scope.Trust{}, checks...).Document(capture())
	if find(d, host).State != scope.Targeted {
		t.Error("checked by who may not, and no target")
	}
	d = trusting(t, trust, factOf(smbFact(alert.FactExploitSent, scanner, host, blue, 5))).Document(capture())
	if h := find(d, scanner); h.State != scope.Suspected || !h.Allowed || h.AtLarge(scope.Suspected) {
		t.Errorf("attacks: %+v", h)
	}
	if a := action(&d, scope.LookBehind); a == nil || a.Do != "Look behind the 1 allowed scanner or translator that looks infected or suspected" || action(&d, scope.ExamineSuspected) != nil {
		t.Errorf("the advice is %+v, want to look behind who may scan", d.Actions())
	}
	outside := scope.Trust{Scanners: []netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")}}
	if d = trusting(t, outside, factOf(smbFact(alert.FactClean, host, "203.0.113.9", "ping", 6))).Document(capture()); len(d.External) != 0 {
		t.Errorf("an allowed scanner outside: %+v", d.External)
	}
}
