// Package samples holds events for tests of whatever renders, keeps or delivers
// them: one of every rule, of every outcome that changes which fields there
// are, and of every state.
package samples

import (
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/ioc"
	"wormscope/scope"
	"wormscope/sinks/event"
)

// Start is when the samples begin.
func Start() time.Time { return time.Date(2026, 1, 5, 8, 0, 0, 123456000, time.UTC) }

// Zones are those of the samples.
func Zones() (*zone.Map, error) {
	return zone.New(zone.DefaultInside(), []zone.Zone{
		{Name: "office", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
	})
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// A Sample is an event with a name.
type Sample struct {
	Name  string
	Event event.Event
}

// Alert makes an event of an alert, and fills in what the samples share.
func Alert(a alert.Alert) event.Event {
	if !a.Host.IsValid() {
		a.Host = addr("10.1.0.14")
	}
	a.Time, a.First, a.Last = Start().Add(time.Second), Start(), Start().Add(time.Second)
	a.Count = max(a.Count, 1)
	a.ID = alert.Identify(a.Rule, a.Host, a.First)
	a.Frames = []alert.FrameRef{{Number: 688}}
	return event.OfAlert(&a, func(int) string { return "span.pcap" })
}

// All holds an event of every rule and every state.
func All() []Sample {
	killSwitch := &ioc.Indicator{
		Type: ioc.Domain, Value: "iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com", Class: ioc.KillSwitch, Feed: "builtin",
		Description: "WannaCry kill switch", Confidence: ioc.HighConfidence, TLP: "CLEAR",
		Reference: "https://example.org/wannacry", FirstSeen: time.Date(2017, 5, 12, 0, 0, 0, 0, time.UTC),
	}
	address := &ioc.Indicator{Type: ioc.Address, Value: "198.51.100.7", Port: 443, Feed: "sector-cert", AlsoIn: []string{"other"}, Line: 12}
	network6 := &ioc.Indicator{Type: ioc.Network, Value: "2001:db8::/32", Feed: "sector-cert", Confidence: ioc.LowConfidence}
	return append(slices.Concat(states(), smbSamples(), crowds()),
		Sample{Name: "ioc-domain", Event: Alert(alert.Alert{
			Rule: alert.RuleDomain, Severity: alert.Critical, Proto: 17, VLAN: 12, Count: 3, Indicator: killSwitch,
			Orig: netip.MustParseAddrPort("10.1.0.14:50000"), Resp: netip.MustParseAddrPort("10.3.0.53:53"),
			Evidence: alert.Evidence{DNS: &alert.DNS{
				Question: "www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com", Type: "A",
				Matched: "www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com", ResponseCode: "NOERROR",
				Resolved: []netip.Addr{addr("104.16.173.80"), addr("2606:4700::6810:ad50")}, Resolver: addr("10.3.0.53"),
				Client: netip.MustParsePrefix("10.1.0.0/24"),
			}},
		})},
		Sample{Name: "ioc-domain-unanswered", Event: Alert(alert.Alert{
			Rule: alert.RuleDomain, Severity: alert.Critical, Proto: 17, Indicator: killSwitch,
			Orig: netip.MustParseAddrPort("10.1.0.14:50000"), Resp: netip.MustParseAddrPort("10.3.0.53:53"),
			Evidence: alert.Evidence{DNS: &alert.DNS{Question: "com", Matched: "com"}},
		})},
		Sample{Name: "ioc-ip", Event: Alert(alert.Alert{
			Rule: alert.RuleContact, Severity: alert.High, Phase: alert.PhaseUpdate, Seq: 1, Proto: 6, Indicator: address,
			Orig: netip.MustParseAddrPort("10.1.0.14:50001"), Resp: netip.MustParseAddrPort("198.51.100.7:443"),
			Evidence: alert.Evidence{Contact: &alert.Contact{State: "established", Initiator: "host", BytesOrig: 1834, BytesResp: 5300000, Packets: 4100}},
		})},
		Sample{Name: "ioc-ip-v6", Event: Alert(alert.Alert{
			Rule: alert.RuleContact, Severity: alert.Low, Host: addr("fe80::1%eth0"), Proto: 58, Indicator: network6,
			Orig: netip.MustParseAddrPort("[2001:db8::7]:0"), Resp: netip.MustParseAddrPort("[fe80::1%eth0]:0"),
			Evidence: alert.Evidence{Contact: &alert.Contact{State: "attempted", Initiator: "peer", Packets: 1}},
		})},
	)
}

// crowds holds what is about many hosts.
func crowds() []Sample {
	return []Sample{
		{Name: "scan", Event: Alert(alert.Alert{
			Rule: alert.RuleScan, Name: "sequential", Severity: alert.Critical, Proto: 6, Count: 254, Phase: alert.PhaseEnd, Seq: 4,
			Orig: netip.MustParseAddrPort("10.1.0.14:50002"), Resp: netip.MustParseAddrPort("10.1.0.2:445"),
			Evidence: alert.Evidence{Scan: &alert.Scan{
				Port: 445, Targets: 254, Answered: 12, Refused: 30, Silent: 212, Rate: 19.8, Attempts: 7, LLR: 9.66,
				Sample: []netip.Addr{addr("10.1.0.1"), addr("10.1.0.2")},
			}},
		})},
		{Name: "scan-external", Event: Alert(alert.Alert{
			Rule: alert.RuleScan, Name: "external", Severity: alert.Low, Host: addr("203.0.113.99"), Proto: 6,
			Orig: netip.MustParseAddrPort("203.0.113.99:40000"), Resp: netip.MustParseAddrPort("10.1.0.20:445"),
			Evidence: alert.Evidence{Scan: &alert.Scan{Ports: []uint16{139, 445}, Targets: 1020, Silent: 1020}},
		})},
		{Name: "flood", Event: Alert(alert.Alert{
			Rule: alert.RuleFlood, Severity: alert.Medium, Host: addr("10.1.0.80"), Proto: 6,
			Resp:     netip.MustParseAddrPort("10.1.0.80:80"),
			Evidence: alert.Evidence{Flood: &alert.Flood{Port: 80, Sources: 1950000, Packets: 2000000, Rate: 50000}},
		})},
		{Name: "zone-crossing", Event: Alert(alert.Alert{
			Rule: alert.RuleCrossing, Name: "open", Severity: alert.High, Proto: 6, Count: 3,
			Orig: netip.MustParseAddrPort("10.1.0.14:50003"), Resp: netip.MustParseAddrPort("10.2.0.9:445"),
			Evidence: alert.Evidence{Crossing: &alert.Crossing{Port: 445, FromZone: "office", ToZone: "plant", Open: true, Targets: 1}},
		})},
		{Name: "zone-crossing-blocked", Event: Alert(alert.Alert{
			Rule: alert.RuleCrossing, Name: "blocked", Severity: alert.Low, Proto: 6, Count: 40, Phase: alert.PhaseEnd, Seq: 2,
			Orig: netip.MustParseAddrPort("10.1.0.14:50003"), Resp: netip.MustParseAddrPort("10.2.0.1:445"),
			Evidence: alert.Evidence{Crossing: &alert.Crossing{Port: 445, FromZone: "office", ToZone: "plant", Targets: 38, Refused: 2, Silent: 38}},
		})},
		{Name: "smb-exposed", Event: Alert(alert.Alert{
			Rule: alert.RuleExposure, Severity: alert.High, Host: addr("10.1.0.20"), Proto: 6,
			Orig: netip.MustParseAddrPort("203.0.113.5:41000"), Resp: netip.MustParseAddrPort("10.1.0.20:445"),
			Evidence: alert.Evidence{Exposure: &alert.Exposure{Port: 445, By: addr("203.0.113.5"), FromOutside: true, Clients: 3, Zones: []string{"internet", "office"}}},
		})},
	}
}

// states holds a change to each state.
func states() []Sample {
	var list []Sample
	for to := scope.Seen; to <= scope.Infected; to++ {
		from := scope.Exposed
		if to == from {
			from = scope.Seen
		}
		list = append(list, Sample{Name: "host-state-" + to.String(), Event: event.OfChange(&scope.Change{
			ID: alert.Identify("host-state", addr("10.1.0.14"), Start(), to.String()), Host: addr("10.1.0.14"), Zone: "office",
			From: from, To: to, Confidence: 0.97, Why: "scanned port 445", Time: Start(), Frame: alert.FrameRef{Number: uint64(to)},
		}, func(int) string { return "span.pcap" })})
	}
	return list
}
