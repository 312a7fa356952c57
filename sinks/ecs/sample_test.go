package ecs_test

import (
	"net/netip"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/ioc"
	"wormscope/scope"
	"wormscope/sinks/ecs"
)

var start = time.Date(2026, 1, 5, 8, 0, 0, 123456000, time.UTC)

func renderer(t testing.TB) *ecs.Renderer {
	t.Helper()
	m, err := zone.New(zone.DefaultInside(), []zone.Zone{
		{Name: "office", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ecs.New(ecs.Options{
		Version: "1.2.3", Observer: "tap-1", Zones: m,
		FileName: func(int) string { return "span.pcap" },
	})
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// sample is an event to render.
type sample struct {
	name   string
	alert  *alert.Alert
	change *scope.Change
}

func (s sample) render(t testing.TB, r *ecs.Renderer) []byte {
	t.Helper()
	var b []byte
	var err error
	if s.alert != nil {
		b, err = r.Alert(s.alert)
	} else {
		b, err = r.Change(s.change)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// base fills in what the samples share.
func base(a alert.Alert) *alert.Alert {
	if !a.Host.IsValid() {
		a.Host = addr("10.1.0.14")
	}
	a.Time, a.First, a.Last = start.Add(time.Second), start, start.Add(time.Second)
	a.Count = max(a.Count, 1)
	a.ID = alert.Identify(a.Rule, a.Host, a.First)
	a.Frames = []alert.FrameRef{{Number: 688}}
	return &a
}

// samples holds an event of every rule and every state.
func samples() []sample {
	killSwitch := &ioc.Indicator{
		Type: ioc.Domain, Value: "iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com", Class: ioc.KillSwitch, Feed: "builtin",
		Description: "WannaCry kill switch", Confidence: ioc.HighConfidence, TLP: "CLEAR",
		Reference: "https://example.org/wannacry", FirstSeen: time.Date(2017, 5, 12, 0, 0, 0, 0, time.UTC),
	}
	address := &ioc.Indicator{Type: ioc.Address, Value: "198.51.100.7", Port: 443, Feed: "sector-cert", AlsoIn: []string{"other"}, Line: 12}
	network6 := &ioc.Indicator{Type: ioc.Network, Value: "2001:db8::/32", Feed: "sector-cert", Confidence: ioc.LowConfidence}
	return append(append(states(), smbSamples()...),
		sample{name: "ioc-domain", alert: base(alert.Alert{
			Rule: alert.RuleDomain, Severity: alert.Critical, Proto: 17, VLAN: 12, Count: 3, Indicator: killSwitch,
			Orig: netip.MustParseAddrPort("10.1.0.14:50000"), Resp: netip.MustParseAddrPort("10.3.0.53:53"),
			Evidence: alert.Evidence{DNS: &alert.DNS{
				Question: "www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com", Type: "A",
				Matched: "www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com", ResponseCode: "NOERROR",
				Resolved: []netip.Addr{addr("104.16.173.80"), addr("2606:4700::6810:ad50")}, Resolver: addr("10.3.0.53"),
				Client: netip.MustParsePrefix("10.1.0.0/24"),
			}},
		})},
		sample{name: "ioc-domain-unanswered", alert: base(alert.Alert{
			Rule: alert.RuleDomain, Severity: alert.Critical, Proto: 17, Indicator: killSwitch,
			Orig: netip.MustParseAddrPort("10.1.0.14:50000"), Resp: netip.MustParseAddrPort("10.3.0.53:53"),
			Evidence: alert.Evidence{DNS: &alert.DNS{Question: "com", Matched: "com"}},
		})},
		sample{name: "ioc-ip", alert: base(alert.Alert{
			Rule: alert.RuleContact, Severity: alert.High, Phase: alert.PhaseUpdate, Seq: 1, Proto: 6, Indicator: address,
			Orig: netip.MustParseAddrPort("10.1.0.14:50001"), Resp: netip.MustParseAddrPort("198.51.100.7:443"),
			Evidence: alert.Evidence{Contact: &alert.Contact{State: "established", Initiator: "host", BytesOrig: 1834, BytesResp: 5300000, Packets: 4100}},
		})},
		sample{name: "ioc-ip-v6", alert: base(alert.Alert{
			Rule: alert.RuleContact, Severity: alert.Low, Host: addr("fe80::1%eth0"), Proto: 58, Indicator: network6,
			Orig: netip.MustParseAddrPort("[2001:db8::7]:0"), Resp: netip.MustParseAddrPort("[fe80::1%eth0]:0"),
			Evidence: alert.Evidence{Contact: &alert.Contact{State: "attempted", Initiator: "peer", Packets: 1}},
		})},
		sample{name: "scan", alert: base(alert.Alert{
			Rule: alert.RuleScan, Name: "sequential", Severity: alert.Critical, Proto: 6, Count: 254, Phase: alert.PhaseEnd, Seq: 4,
			Orig: netip.MustParseAddrPort("10.1.0.14:0"),
			Evidence: alert.Evidence{Scan: &alert.Scan{
				Port: 445, Targets: 254, Answered: 12, Refused: 30, Silent: 212, Rate: 19.8, Attempts: 7, LLR: 9.66,
				Sample: []netip.Addr{addr("10.1.0.1"), addr("10.1.0.2")},
			}},
		})},
		sample{name: "scan-external", alert: base(alert.Alert{
			Rule: alert.RuleScan, Name: "external", Severity: alert.Low, Host: addr("203.0.113.99"), Proto: 6,
			Orig:     netip.MustParseAddrPort("203.0.113.99:40000"),
			Evidence: alert.Evidence{Scan: &alert.Scan{Ports: []uint16{139, 445}, Targets: 1020, Silent: 1020}},
		})},
		sample{name: "flood", alert: base(alert.Alert{
			Rule: alert.RuleFlood, Severity: alert.Medium, Host: addr("10.1.0.80"), Proto: 6,
			Resp:     netip.MustParseAddrPort("10.1.0.80:80"),
			Evidence: alert.Evidence{Flood: &alert.Flood{Port: 80, Sources: 1950000, Packets: 2000000, Rate: 50000}},
		})},
		sample{name: "zone-crossing", alert: base(alert.Alert{
			Rule: alert.RuleCrossing, Name: "open", Severity: alert.High, Proto: 6, Count: 3,
			Orig: netip.MustParseAddrPort("10.1.0.14:50003"), Resp: netip.MustParseAddrPort("10.2.0.9:445"),
			Evidence: alert.Evidence{Crossing: &alert.Crossing{Port: 445, FromZone: "office", ToZone: "plant", Open: true, Targets: 1}},
		})},
		sample{name: "zone-crossing-blocked", alert: base(alert.Alert{
			Rule: alert.RuleCrossing, Name: "blocked", Severity: alert.Low, Proto: 6, Count: 40, Phase: alert.PhaseEnd, Seq: 2,
			Orig: netip.MustParseAddrPort("10.1.0.14:50003"), Resp: netip.MustParseAddrPort("10.2.0.1:445"),
			Evidence: alert.Evidence{Crossing: &alert.Crossing{Port: 445, FromZone: "office", ToZone: "plant", Targets: 38, Refused: 2, Silent: 38}},
		})},
		sample{name: "smb-exposed", alert: base(alert.Alert{
			Rule: alert.RuleExposure, Severity: alert.High, Host: addr("10.1.0.20"), Proto: 6,
			Orig: netip.MustParseAddrPort("203.0.113.5:41000"), Resp: netip.MustParseAddrPort("10.1.0.20:445"),
			Evidence: alert.Evidence{Exposure: &alert.Exposure{Port: 445, By: addr("203.0.113.5"), FromOutside: true, Clients: 3}},
		})},
	)
}

// states holds a change to each state.
func states() []sample {
	var list []sample
	for to := scope.Seen; to <= scope.Infected; to++ {
		from := scope.Exposed
		if to == from {
			from = scope.Seen
		}
		list = append(list, sample{name: "host-state-" + to.String(), change: &scope.Change{
			ID: alert.Identify("host-state", addr("10.1.0.14"), start, to.String()), Host: addr("10.1.0.14"), Zone: "office",
			From: from, To: to, Confidence: 0.97, Why: "scanned port 445", Time: start, Frame: alert.FrameRef{Number: uint64(to)},
		}})
	}
	return list
}
