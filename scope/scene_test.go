package scope_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/ioc"
	"wormscope/scope"
)

// start is when the scenes of these tests begin.
var start = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func zones(t testing.TB) *zone.Map {
	t.Helper()
	m, err := zone.New(zone.DefaultInside(), []zone.Zone{
		{Name: "office", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
		{Name: "plant", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}},
		{Name: "servers", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.3.0.0/16")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Indicators of the scenes.
var (
	killSwitch = &ioc.Indicator{
		Type: ioc.Domain, Value: "iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com", Class: ioc.KillSwitch,
		Feed: "builtin", Description: "WannaCry kill switch", Confidence: ioc.HighConfidence,
	}
	badName = &ioc.Indicator{
		Type: ioc.Domain, Value: "evil.example", Feed: "sector-cert", Description: "dropper", Confidence: ioc.MediumConfidence,
	}
	badAddr = &ioc.Indicator{
		Type: ioc.Address, Value: "198.51.100.7", Feed: "sector-cert", Description: "C2", Confidence: ioc.HighConfidence,
	}
	weakAddr = &ioc.Indicator{Type: ioc.Address, Value: "198.51.100.9", Feed: "weak", Confidence: ioc.LowConfidence}
	relay    = &ioc.Indicator{Type: ioc.Address, Value: "198.51.100.10", Feed: "tor", Class: ioc.Anonymizer}
)

// word completes an alert: id, times and a frame.
func word(a alert.Alert, when int, frame uint64, keys ...string) alert.Alert {
	a.Time, a.Last = at(when), at(when)
	if a.First.IsZero() {
		a.First = at(when)
	}
	if a.Count == 0 {
		a.Count = 1
	}
	a.ID = alert.Identify(a.Rule, a.Host, a.First, keys...)
	if frame > 0 {
		a.Frames = []alert.FrameRef{{Number: frame}}
	}
	return a
}

func lookup(host string, i *ioc.Indicator, code string, when int, frame uint64, resolved ...string) alert.Alert {
	d := &alert.DNS{Question: i.Value, Matched: i.Value, Type: "A", ResponseCode: code, Resolver: addr("10.3.0.53")}
	for _, r := range resolved {
		d.Resolved = append(d.Resolved, addr(r))
	}
	return word(alert.Alert{
		Rule: alert.RuleDomain, Severity: alert.Critical, Host: addr(host), Proto: 17,
		Orig: netip.AddrPortFrom(addr(host), 50000), Resp: netip.AddrPortFrom(d.Resolver, 53),
		Indicator: i, Evidence: alert.Evidence{DNS: d},
	}, when, frame, i.Value)
}

func contact(host string, i *ioc.Indicator, port uint16, c alert.Contact, when int, frame uint64) alert.Alert {
	orig := netip.AddrPortFrom(addr(host), 50001)
	resp := netip.AddrPortFrom(addr(i.Value), port)
	if c.Initiator == "peer" {
		orig, resp = netip.AddrPortFrom(resp.Addr(), 40000), netip.AddrPortFrom(orig.Addr(), port)
	}
	return word(alert.Alert{
		Rule: alert.RuleContact, Severity: alert.High, Host: addr(host), Proto: 6,
		Orig: orig, Resp: resp, Indicator: i, Evidence: alert.Evidence{Contact: &c},
	}, when, frame, i.Value)
}

func scan(host, rule string, s alert.Scan, when int, frame uint64) alert.Alert {
	return word(alert.Alert{
		Rule: alert.RuleScan, Name: rule, Severity: alert.Critical, Host: addr(host), Proto: 6,
		Orig: netip.AddrPortFrom(addr(host), 0), Count: s.Targets, Evidence: alert.Evidence{Scan: &s},
	}, when, frame, strconv.Itoa(int(s.Port)))
}

func exposed(host string, port uint16, by string, clients uint64, outside bool, when int, frame uint64) alert.Alert {
	return word(alert.Alert{
		Rule: alert.RuleExposure, Severity: alert.Info, Host: addr(host), Proto: 6,
		Orig: netip.AddrPortFrom(addr(by), 50002), Resp: netip.AddrPortFrom(addr(host), port),
		Evidence: alert.Evidence{Exposure: &alert.Exposure{Port: port, By: addr(by), Clients: clients, FromOutside: outside}},
	}, when, frame, strconv.Itoa(int(port)))
}

func targeted(host, by string, when int, frame uint64) alert.Fact {
	return alert.Fact{Kind: alert.FactTargeted, Host: addr(host), Peer: addr(by), Port: 445, Time: at(when), Frame: alert.FrameRef{Number: frame}}
}

// said is an alert or a fact.
type said struct {
	alert *alert.Alert
	fact  *alert.Fact
}

func alertOf(a alert.Alert) said { return said{alert: &a} }
func factOf(f alert.Fact) said   { return said{fact: &f} }

func (s said) to(l *scope.Ledger) {
	if s.alert != nil {
		l.Alert(*s.alert)
	} else {
		l.Fact(*s.fact)
	}
}

// outbreak is a scene with one of everything.
func outbreak() []said {
	sweep := alert.Scan{Port: 445, Targets: 254, Answered: 12, Refused: 30, Silent: 212, Rate: 19.8}
	flood := word(alert.Alert{
		Rule: alert.RuleFlood, Host: addr("10.3.0.80"), Resp: netip.MustParseAddrPort("10.3.0.80:80"), Proto: 6,
		Evidence: alert.Evidence{Flood: &alert.Flood{Port: 80, Sources: 1_950_000, Packets: 2_000_000, Rate: 50000}},
	}, 500, 4000, "80")
	resolverAsks := lookup("10.3.0.53", killSwitch, "NXDOMAIN", 62, 690)
	return []said{
		alertOf(exposed("10.3.0.20", 445, "10.1.0.31", 40, false, 2, 11)),
		alertOf(exposed("10.2.0.9", 445, "203.0.113.5", 3, true, 5, 40)),
		alertOf(lookup("10.1.0.14", killSwitch, "NXDOMAIN", 61, 688)),
		alertOf(resolverAsks),
		factOf(alert.Fact{Kind: alert.FactResolver, Host: addr("10.3.0.53"), Time: at(63), Frame: alert.FrameRef{Number: 700}}),
		alertOf(scan("10.1.0.14", "sequential", sweep, 75, 720)),
		factOf(targeted("10.3.0.20", "10.1.0.14", 76, 725)),
		factOf(targeted("10.1.0.31", "10.1.0.14", 76, 726)),
		alertOf(contact("10.2.0.7", badAddr, 443, alert.Contact{State: "established", Initiator: "host", BytesOrig: 1834, BytesResp: 5_300_000}, 90, 800)),
		alertOf(scan("10.2.0.7", "fan-out", alert.Scan{Port: 445, Targets: 60, Answered: 45, Refused: 15, Rate: 6}, 120, 1200)),
		alertOf(lookup("10.2.0.44", killSwitch, "NOERROR", 130, 1300, "104.16.173.80")),
		alertOf(contact("10.1.0.77", badAddr, 443, alert.Contact{State: "attempted", Initiator: "host", Refused: true}, 140, 1400)),
		alertOf(contact("10.1.0.78", relay, 9001, alert.Contact{State: "established", Initiator: "host"}, 150, 1500)),
		alertOf(contact("10.3.0.25", badAddr, 25, alert.Contact{State: "attempted", Initiator: "peer"}, 160, 1600)),
		alertOf(lookup("10.1.0.90", badName, "NOERROR", 170, 1700, "192.0.2.80")),
		alertOf(scan("203.0.113.99", "external", alert.Scan{Ports: []uint16{445, 139}, Targets: 1020, Answered: 2, Silent: 1018}, 200, 2000)),
		alertOf(flood),
	}
}

// capture is what the scene's capture file says of itself.
func capture() scope.Capture {
	return scope.Capture{
		First: start, Last: at(2820), Packets: 1_234_567, Bytes: 812_345_678, Dropped: 12_400,
		Undecoded: map[string]uint64{"truncated IPv4 header": 3}, Files: []string{"span.pcap"},
		Warnings: []string{"one direction is missing: the tap sees what clients send and not what servers answer"},
	}
}

func ledgerOf(t testing.TB, words []said) (*scope.Ledger, *[]scope.Change) {
	t.Helper()
	var changes []scope.Change
	l := scope.New(zones(t), scope.Options{OnChange: func(c scope.Change) { changes = append(changes, c) }})
	for _, w := range words {
		w.to(l)
	}
	return l, &changes
}

func textOf(t testing.TB, d scope.Document) string {
	t.Helper()
	var b strings.Builder
	if err := scope.WriteText(&b, &d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func jsonOf(t testing.TB, d scope.Document) string {
	t.Helper()
	var b strings.Builder
	if err := d.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
