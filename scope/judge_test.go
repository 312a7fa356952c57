package scope_test

import (
	"math"
	"strconv"
	"testing"

	"wormscope/detect/alert"
	"wormscope/ioc"
	"wormscope/scope"
)

// find returns the entry of a host, or an empty one in the state Seen.
func find(d scope.Document, ip string) scope.HostEntry {
	for _, h := range d.Hosts {
		if h.IP == ip {
			return h
		}
	}
	return scope.HostEntry{IP: ip}
}

// TestJudgement shows which state what a host did leads to, and how sure that is.
func TestJudgement(t *testing.T) {
	const host = "10.1.0.14"
	established := alert.Contact{State: "established", Initiator: "host"}
	attempted := alert.Contact{State: "attempted", Initiator: "host"}
	named := func(c ioc.Class, conf ioc.Confidence) *ioc.Indicator {
		return &ioc.Indicator{Type: ioc.Domain, Value: "x.example", Class: c, Confidence: conf}
	}
	sunk := &ioc.Indicator{Type: ioc.Address, Value: "198.51.100.11", Class: ioc.Sinkhole}
	asksFor := func(variant int) said {
		return alertOf(lookup(host, &ioc.Indicator{
			Type: ioc.Domain, Value: strconv.Itoa(variant) + ".example", Class: ioc.KillSwitch, Confidence: ioc.HighConfidence,
		}, "NXDOMAIN", variant, uint64(variant)))
	}
	datagram := func(a alert.Alert) alert.Alert {
		a.Proto = 17
		return a
	}
	few := alert.Scan{Port: 445, Targets: 20, Silent: 20}
	many := alert.Scan{Port: 445, Targets: 500, Silent: 400, Refused: 100}
	failed := func(port uint16, answered, silent uint64) alert.Scan {
		return alert.Scan{Port: port, Targets: answered + silent, Answered: answered, Silent: silent}
	}
	configured := failed(7001, 20, 230)
	configured.Lateral = true
	tests := []struct {
		name       string
		said       []said
		state      scope.State
		confidence float64
	}{
		{"kill switch, not found", []said{alertOf(lookup(host, killSwitch, "NXDOMAIN", 1, 1))}, scope.Infected, .9},
		{"kill switch, found", []said{alertOf(lookup(host, killSwitch, "NOERROR", 1, 1, "192.0.2.1"))}, scope.Infected, .9},
		{"kill switch, not answered", []said{alertOf(lookup(host, killSwitch, "", 1, 1))}, scope.Infected, .9},
		{"kill switches of two variants", []said{asksFor(1), asksFor(2)}, scope.Infected, .9},
		{"kill switches of many variants", []said{asksFor(1), asksFor(2), asksFor(3)}, scope.Suspected, .9},
		{"kill switches of many variants, and a scan", []said{
			asksFor(1), asksFor(2), asksFor(3), alertOf(scan(host, "sequential", few, 4, 4)),
		}, scope.Infected, .99},
		{"name, high", []said{alertOf(lookup(host, named(ioc.Malicious, ioc.HighConfidence), "", 1, 1))}, scope.Suspected, .8},
		{"name, medium", []said{alertOf(lookup(host, named(ioc.Malicious, ioc.MediumConfidence), "", 1, 1))}, scope.Suspected, .6},
		{"name, not specified", []said{alertOf(lookup(host, named(ioc.Malicious, ioc.NotSpecified), "", 1, 1))}, scope.Suspected, .6},
		{"name, low", []said{alertOf(lookup(host, named(ioc.Malicious, ioc.LowConfidence), "", 1, 1))}, scope.Suspected, .3},
		{"name, none", []said{alertOf(lookup(host, named(ioc.Malicious, ioc.None), "", 1, 1))}, scope.Seen, 0},
		{"name of a sinkhole", []said{alertOf(lookup(host, named(ioc.Sinkhole, ioc.NotSpecified), "", 1, 1))}, scope.Suspected, .9},
		{"name of an anonymizer", []said{alertOf(lookup(host, named(ioc.Anonymizer, ioc.HighConfidence), "", 1, 1))}, scope.Seen, 0},
		{"address, established", []said{alertOf(contact(host, badAddr, 443, established, 1, 1))}, scope.Suspected, .8},
		{"address, attempted", []said{alertOf(contact(host, badAddr, 443, attempted, 1, 1))}, scope.Suspected, .6},
		{"address, who began is guessed", []said{alertOf(contact(host, badAddr, 443, alert.Contact{State: "established", Initiator: "host", TransportGuess: true}, 1, 1))}, scope.Suspected, .64},
		{"address, who began is unknown", []said{alertOf(contact(host, badAddr, 443, alert.Contact{State: "established", Initiator: "unknown"}, 1, 1))}, scope.Suspected, .4},
		{"address, an answer to nothing", []said{alertOf(contact(host, badAddr, 443, alert.Contact{State: "attempted", Initiator: "unknown"}, 1, 1))}, scope.Seen, 0},
		{"address, a sinkhole's answer to nothing", []said{alertOf(contact(host, sunk, 443, alert.Contact{State: "attempted", Initiator: "unknown"}, 1, 1))}, scope.Seen, 0},
		{"address, data of the peer's alone", []said{alertOf(contact(host, badAddr, 443, alert.Contact{State: "attempted", Initiator: "unknown", BytesResp: 99}, 1, 1))}, scope.Suspected, .3},
		{"address, a datagram alone", []said{alertOf(datagram(contact(host, badAddr, 53, alert.Contact{State: "attempted", Initiator: "unknown", BytesResp: 99}, 1, 1)))}, scope.Seen, 0},
		{"address, the peer began", []said{alertOf(contact(host, badAddr, 443, alert.Contact{State: "established", Initiator: "peer"}, 1, 1))}, scope.Targeted, .9},
		{"address of low confidence, attempted", []said{alertOf(contact(host, weakAddr, 443, attempted, 1, 1))}, scope.Seen, 0},
		{"an anonymizer's address", []said{alertOf(contact(host, relay, 443, established, 1, 1))}, scope.Seen, 0},
		{"an anonymizer and a scan", []said{
			alertOf(contact(host, relay, 443, established, 1, 1)), alertOf(scan(host, "sequential", few, 2, 2)),
		}, scope.Suspected, .91},
		{"name and address are one family", []said{
			alertOf(lookup(host, badName, "NOERROR", 1, 1, "198.51.100.7")), alertOf(contact(host, badAddr, 443, established, 2, 2)),
		}, scope.Suspected, .8},
		{"two scans are one family", []said{
			alertOf(scan(host, "sequential", few, 1, 1)), alertOf(scan(host, "fan-out", alert.Scan{Port: 139, Targets: 30}, 2, 2)),
		}, scope.Suspected, .9},
		{"scan, sequential", []said{alertOf(scan(host, "sequential", few, 1, 1))}, scope.Suspected, .9},
		{"scan, fan-out", []said{alertOf(scan(host, "fan-out", few, 1, 1))}, scope.Suspected, .8},
		{"a server pushes to its clients", []said{alertOf(scan(host, "fan-out", alert.Scan{Port: 445, Targets: 60, Answered: 54, Silent: 6}, 1, 1))}, scope.Seen, 0},
		{"scan of a network where many answer", []said{alertOf(scan(host, "fan-out", alert.Scan{Port: 445, Targets: 60, Answered: 53, Silent: 7}, 1, 1))}, scope.Suspected, .8},
		{"scan of a network where hardly anybody answers so far", []said{alertOf(scan(host, "fan-out", alert.Scan{Port: 445, Targets: 60, Answered: 9}, 1, 1))}, scope.Suspected, .8},
		{"a server whose clients answer so far", []said{alertOf(scan(host, "fan-out", alert.Scan{Port: 445, Targets: 60, Answered: 36, Pending: 20}, 1, 1))}, scope.Seen, 0},
		{"scan, slow", []said{alertOf(scan(host, "slow", few, 1, 1))}, scope.Suspected, .7},
		{"scan, vertical", []said{alertOf(scan(host, "vertical", alert.Scan{Targets: 1, Refused: 20}, 1, 1))}, scope.Suspected, .5},
		{"scan of SSH", []said{alertOf(scan(host, "sequential", alert.Scan{Port: 22, Targets: 20}, 1, 1))}, scope.Suspected, .72},
		{"scan of a web port", []said{alertOf(scan(host, "sequential", alert.Scan{Port: 80, Targets: 20}, 1, 1))}, scope.Suspected, .54},
		{"large failed scan", []said{alertOf(scan(host, "fan-out", many, 1, 1))}, scope.Suspected, .95},
		{"large failed scan of RDP", []said{alertOf(scan(host, "fan-out", failed(3389, 20, 230), 1, 1))}, scope.Suspected, .95},
		{"the same, and an address", []said{
			alertOf(contact(host, badAddr, 443, established, 1, 1)), alertOf(scan(host, "fan-out", failed(3389, 20, 230), 2, 2)),
		}, scope.Infected, .99},
		{"large failed scan of a port configured", []said{alertOf(scan(host, "sequential", configured, 1, 1))}, scope.Suspected, .95},
		{"large failed scan of a port of a database", []said{alertOf(scan(host, "sequential", failed(6379, 20, 230), 1, 1))}, scope.Suspected, .76},
		{"the same, and an address of high confidence", []said{
			alertOf(contact(host, badAddr, 443, established, 1, 1)), alertOf(scan(host, "sequential", failed(6379, 20, 230), 2, 2)),
		}, scope.Infected, .952},
		{"the same, and a name of medium confidence", []said{
			alertOf(lookup(host, badName, "", 1, 1)), alertOf(scan(host, "sequential", failed(6379, 20, 230), 2, 2)),
		}, scope.Suspected, .904},
		{"a peer-to-peer program", []said{
			alertOf(contact(host, badAddr, 6881, established, 1, 1)), alertOf(scan(host, "sequential", failed(6881, 320, 480), 2, 2)),
		}, scope.Suspected, .908},
		{"large failed scan of many ports", []said{alertOf(scan(host, "vertical", alert.Scan{Targets: 1, Refused: 900}, 1, 1))}, scope.Suspected, .5},
		{"a server with many stale clients", []said{alertOf(scan(host, "fan-out", failed(445, 537, 163), 1, 1))}, scope.Suspected, .8},
		{"large failed scan, and next to nothing besides", []said{
			alertOf(lookup(host, named(ioc.Malicious, ioc.None), "", 1, 1)), alertOf(scan(host, "fan-out", many, 2, 2)),
		}, scope.Suspected, .955},
		{"large failed scan, and a name of low confidence", []said{
			alertOf(lookup(host, named(ioc.Malicious, ioc.LowConfidence), "", 1, 1)), alertOf(scan(host, "fan-out", many, 2, 2)),
		}, scope.Infected, .965},
		{"beaconing and scanning", []said{
			alertOf(lookup(host, badName, "", 1, 1)), alertOf(scan(host, "sequential", few, 2, 2)),
		}, scope.Infected, .96},
		{"weak beaconing and scanning", []said{
			alertOf(contact(host, weakAddr, 443, established, 1, 1)), alertOf(scan(host, "sequential", few, 2, 2)),
		}, scope.Suspected, .93},
		{"targeted", []said{factOf(targeted(host, "10.1.0.99", 1, 1))}, scope.Targeted, .9},
		{"exposed", []said{alertOf(exposed(host, 445, "10.1.0.99", 1, false, 1, 1))}, scope.Exposed, 1},
		{"exposed over NetBIOS", []said{alertOf(exposed(host, 139, "10.1.0.99", 1, false, 1, 1))}, scope.Exposed, 1},
		{"another lateral port is open", []said{factOf(alert.Fact{Kind: alert.FactExposed, Host: addr(host), Peer: addr("10.1.0.99"), Port: 22, Time: at(1)})}, scope.Seen, 0},
		{"exposed and targeted", []said{
			alertOf(exposed(host, 445, "10.1.0.99", 1, false, 1, 1)), factOf(targeted(host, "10.1.0.99", 1, 1)),
		}, scope.Targeted, .9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := ledgerOf(t, tt.said)
			got := find(l.Document(capture()), host)
			if got.State != tt.state || math.Abs(got.Confidence-tt.confidence) > 1e-9 {
				t.Errorf("%s with %v, want %s with %v", got.State, got.Confidence, tt.state, tt.confidence)
			}
		})
	}
}

// TestResolver: whoever resolves for others is not infected by what it asks,
// whether that is known before or after, and is by what it does itself.
func TestResolver(t *testing.T) {
	const host = "10.3.0.53"
	learned := factOf(alert.Fact{Kind: alert.FactResolver, Host: addr(host), Time: at(3), Frame: alert.FrameRef{Number: 3}})
	asks := alertOf(lookup(host, killSwitch, "NXDOMAIN", 1, 1))
	upstream := alertOf(contact(host, badAddr, 53, alert.Contact{State: "established", Initiator: "host"}, 2, 2))
	web := alertOf(contact(host, badAddr, 443, alert.Contact{State: "established", Initiator: "host"}, 4, 4))
	behalf := lookup(host, killSwitch, "NXDOMAIN", 1, 1)
	behalf.Evidence.DNS.OnBehalf = true
	revised := behalf
	revised.Seq = 1
	tests := []struct {
		name string
		said []said
		want scope.State
	}{
		{"learned before", []said{learned, asks, upstream}, scope.Seen},
		{"learned after", []said{asks, upstream, learned}, scope.Seen},
		{"never learned", []said{asks}, scope.Infected},
		{"on behalf, never learned", []said{alertOf(behalf)}, scope.Seen},
		{"on behalf, as it turned out", []said{asks, alertOf(revised)}, scope.Seen},
		{"calls on another port", []said{learned, asks, web}, scope.Suspected},
		{"scans", []said{learned, asks, alertOf(scan(host, "sequential", alert.Scan{Port: 445, Targets: 10}, 5, 5))}, scope.Suspected},
		{"exposed", []said{learned, asks, alertOf(exposed(host, 445, "10.1.0.1", 1, false, 1, 9))}, scope.Exposed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, changes := ledgerOf(t, tt.said)
			d := l.Document(capture())
			h := find(d, host)
			if h.State != tt.want {
				t.Errorf("state is %s, want %s", h.State, tt.want)
			}
			if n := len(*changes); n > 0 && (*changes)[n-1].To != tt.want {
				t.Errorf("the last change is to %s, want %s", (*changes)[n-1].To, tt.want)
			}
			if h.KillSwitch != "" && tt.want != scope.Infected {
				t.Errorf("the kill switch is said to be %s by this host", h.KillSwitch)
			}
		})
	}
}

func TestKillSwitchOutcome(t *testing.T) {
	typed := func(a alert.Alert, t string) alert.Alert {
		a.Evidence.DNS.Type = t
		return a
	}
	lastly := func(a alert.Alert, code string, resolved ...string) alert.Alert {
		l := alert.Lookup{Time: a.Last, Type: "A", ResponseCode: code}
		for _, r := range resolved {
			l.Resolved = append(l.Resolved, addr(r))
		}
		a.Evidence.DNS.Last = l
		return a
	}
	const host = "10.1.0.14"
	other := &ioc.Indicator{Type: ioc.Domain, Value: "ifferfsodp9ifjaposdfjhgosurijfaewrwergwea.com", Class: ioc.KillSwitch}
	tests := []struct {
		name string
		said []alert.Alert
		want string
	}{
		{"no name", []alert.Alert{lookup(host, killSwitch, "NXDOMAIN", 1, 1)}, "not reached"},
		{"server failure", []alert.Alert{lookup(host, killSwitch, "SERVFAIL", 1, 1)}, "not reached"},
		{"no address", []alert.Alert{lookup(host, killSwitch, "NOERROR", 1, 1)}, "not reached"},
		{"no IPv6 address", []alert.Alert{typed(lookup(host, killSwitch, "NOERROR", 1, 1), "AAAA")}, "unknown"},
		{"resolved", []alert.Alert{lookup(host, killSwitch, "NOERROR", 1, 1, "104.16.173.80")}, "reached"},
		{"a filter's answer", []alert.Alert{lookup(host, killSwitch, "NOERROR", 1, 1, "0.0.0.0")}, "not reached"},
		{"no answer", []alert.Alert{lookup(host, killSwitch, "", 1, 1)}, "unknown"},
		{"the last decides", []alert.Alert{
			lookup(host, killSwitch, "NXDOMAIN", 1, 1), lookup(host, other, "NOERROR", 2, 2, "104.16.173.80"),
		}, "reached"},
		{"the worse of two at once", []alert.Alert{
			lookup(host, killSwitch, "NXDOMAIN", 1, 1), lookup(host, other, "NOERROR", 1, 2, "104.16.173.80"),
		}, "not reached"},
		{"the last of one alert decides", []alert.Alert{lastly(lookup(host, killSwitch, "NOERROR", 1, 1, "104.16.173.80"), "NXDOMAIN")}, "not reached"},
		{"the last has no answer", []alert.Alert{lastly(lookup(host, killSwitch, "NXDOMAIN", 1, 1), "")}, "unknown"},
		{"the last is found", []alert.Alert{lastly(lookup(host, killSwitch, "NXDOMAIN", 1, 1), "NOERROR", "104.16.173.80")}, "reached"},
		{"another name", []alert.Alert{lookup(host, badName, "NXDOMAIN", 1, 1)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var words []said
			for _, a := range tt.said {
				words = append(words, alertOf(a))
			}
			l, _ := ledgerOf(t, words)
			if got := find(l.Document(capture()), host).KillSwitch; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestUnasked: an answer that nobody asked for makes suspicious at most, tells
// nothing of the worm, and is told as what it is.
func TestUnasked(t *testing.T) {
	const host = "10.1.0.14"
	a := lookup(host, killSwitch, "NXDOMAIN", 1, 1)
	a.Evidence.DNS.Unasked = true
	l, _ := ledgerOf(t, []said{alertOf(a)})
	h := find(l.Document(capture()), host)
	if h.State != scope.Suspected || math.Abs(h.Confidence-.45) > 1e-9 || h.KillSwitch != "" {
		t.Errorf("%s with %v, kill switch %q", h.State, h.Confidence, h.KillSwitch)
	}
	want := "was sent an answer about the kill-switch name " + killSwitch.Value + ": NXDOMAIN; no query was seen (WannaCry kill switch, feed builtin)"
	if got := scope.Predicate(&a); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLastLookupIsTold: where the last lookup came to something else than the
// best, both are told.
func TestLastLookupIsTold(t *testing.T) {
	a := lookup("10.1.0.14", killSwitch, "NOERROR", 1, 1, "104.16.173.80")
	a.Evidence.DNS.Last = alert.Lookup{Time: a.Last, Type: "A", ResponseCode: "NXDOMAIN"}
	want := "asked for the kill-switch name " + killSwitch.Value + ": resolved to 104.16.173.80, the last time NXDOMAIN; the worm goes on"
	if got := scope.Predicate(&a); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
