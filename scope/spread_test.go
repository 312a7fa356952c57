package scope_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// bracketed is an infection with two possible sources: the implant came
// between seconds 20 and 30, and both got through before.
func bracketed() []alert.Fact {
	const zero, second, victim = "10.1.0.1", "10.1.0.2", "10.1.0.3"
	return []alert.Fact{
		sure(smbFact(alert.FactMark, zero, second, "ping-timeout", 1), .95),
		smbFact(alert.FactExploitCompleted, second, zero, blue, 4),
		smbFact(alert.FactImplanted, second, zero, "0xa x64", 6),
		smbFact(alert.FactPayload, second, zero, "", 8),
		smbFact(alert.FactExploitSent, second, victim, blue, 15),
		smbFact(alert.FactExploitCompleted, victim, zero, blue, 11),
		smbFact(alert.FactExploitCompleted, victim, zero, blue, 18),
		smbFact(alert.FactClean, victim, second, "ping", 20),
		smbFact(alert.FactExploitCompleted, victim, second, blue, 25),
		smbFact(alert.FactImplanted, victim, second, "0xb x86", 30),
		smbFact(alert.FactPayload, victim, second, "", 33),
		smbFact(alert.FactExploitCompleted, victim, zero, blue, 60),
		smbFact(alert.FactExploitCompleted, zero, second, blue, 70), // it was infected long before
	}
}

// sources tells who infected a host: "ip percent fact@frame ...".
func sources(h *scope.HostEntry) []string {
	var told []string
	for _, s := range h.InfectedBy {
		one := []string{fmt.Sprintf("%s %.0f", s.IP, s.Confidence*100)}
		for _, step := range s.Steps {
			one = append(one, fmt.Sprintf("%s@%d", step.Fact, step.Frame))
		}
		told = append(told, strings.Join(one, " "))
	}
	return told
}

// TestTreeNamesFiles: of several files, the tree says which one a frame is of.
func TestTreeNamesFiles(t *testing.T) {
	list := bracketed()
	for i := range list {
		list[i].Frame.File = i % 2
	}
	c := capture()
	c.Files = []string{"mon.pcap", "tue.pcap"}
	l, _ := ledgerOf(t, facts(list...))
	_, tree, _ := strings.Cut(textOf(t, l.Document(c)), "WHO INFECTED WHOM")
	for _, want := range []string{"[frame 4 of tue.pcap]", "[frame 8 of tue.pcap]"} {
		if !strings.Contains(strings.Join(strings.Fields(tree), " "), want) {
			t.Errorf("%q is not in\n%s", want, tree)
		}
	}
}

// TestSources shows who may have infected a host, and how likely each is.
func TestSources(t *testing.T) {
	const host, a, b = "10.1.0.14", "10.1.0.15", "10.1.0.16"
	completed := func(by string, when int) alert.Fact {
		return smbFact(alert.FactExploitCompleted, host, by, blue, when)
	}
	tried := func(by string, when int) alert.Fact { return smbFact(alert.FactExploitAttempted, host, by, blue, when) }
	clean := func(by string, when int) alert.Fact { return smbFact(alert.FactClean, host, by, "ping", when) }
	implanted := func(by string, when int) alert.Fact {
		return smbFact(alert.FactImplanted, host, by, "0x1 x64", when)
	}
	payload := func(by string, when int) alert.Fact { return smbFact(alert.FactPayload, host, by, "", when) }
	acts := func(when int) alert.Fact { return smbFact(alert.FactExploitSent, host, "10.1.0.99", blue, when) }
	tests := []struct {
		name string
		said []alert.Fact
		want string
	}{
		{"an implant that was there", []alert.Fact{implanted(a, 5)}, ""},
		{"an exploit, then acts", []alert.Fact{completed(a, 5), acts(20)}, "10.1.0.15 95 exploit-completed@5"},
		{"acts, then an exploit", []alert.Fact{acts(4), completed(a, 5)}, ""},
		{"acts at the same time", []alert.Fact{completed(a, 5), acts(5)}, ""},
		{"an exploit, then an implant", []alert.Fact{clean(a, 3), completed(a, 5), implanted(a, 7)}, "10.1.0.15 95 exploit-completed@5 implanted@7"},
		{"the whole way", []alert.Fact{completed(a, 5), implanted(a, 7), payload(a, 8), acts(20)}, "10.1.0.15 99 exploit-completed@5 implanted@7 payload-delivered@8"},
		{"an implant, then an exploit", []alert.Fact{implanted(a, 5), completed(b, 6)}, ""},
		{"one opened it, another came in", []alert.Fact{completed(a, 5), implanted(b, 7), payload(b, 8)}, "10.1.0.16 54 implanted@7 payload-delivered@8|10.1.0.15 41 exploit-completed@5"},
		{"a failed exploit and one that worked", []alert.Fact{completed(a, 5), clean(b, 6), completed(b, 7), implanted(b, 9)}, "10.1.0.16 71 exploit-completed@7 implanted@9|10.1.0.15 24 exploit-completed@5"},
		{"two payloads", []alert.Fact{implanted(a, 5), payload(a, 6), payload(b, 9)}, "10.1.0.15 84 implanted@5 payload-delivered@6|10.1.0.16 11 payload-delivered@9"},
		{"a payload after the first act", []alert.Fact{completed(a, 5), acts(20), payload(b, 21)}, "10.1.0.15 95 exploit-completed@5"},
		{"only tried", []alert.Fact{tried(a, 5), acts(20)}, "10.1.0.15 45 exploit-attempted@5"},
		{"tried, and failed before", []alert.Fact{tried(a, 5), clean(a, 7), implanted(b, 9)}, ""},
		{"tried and got through", []alert.Fact{tried(a, 4), completed(a, 5), acts(20)}, "10.1.0.15 95 exploit-completed@5"},
		{"gone, then another", []alert.Fact{implanted(a, 5), payload(a, 6), clean(a, 10), completed(b, 12), implanted(b, 14), payload(b, 15), acts(20)}, "10.1.0.16 92 exploit-completed@12 implanted@14 payload-delivered@15|10.1.0.15 7 implanted@5 payload-delivered@6"},
		{"gone, then the same again", []alert.Fact{completed(a, 4), implanted(a, 5), payload(a, 6), clean(b, 10), completed(a, 12), implanted(a, 14), payload(a, 15), acts(20)}, "10.1.0.15 99 exploit-completed@12 implanted@14 payload-delivered@15"},
		{"gone, then exploited", []alert.Fact{completed(a, 4), implanted(a, 5), clean(b, 10), completed(b, 12), acts(20)}, "10.1.0.16 71 exploit-completed@12|10.1.0.15 24 exploit-completed@4 implanted@5"},
		{"gone, then acts", []alert.Fact{implanted(a, 5), payload(a, 6), clean(a, 10), acts(20)}, "10.1.0.15 95 implanted@5 payload-delivered@6"},
		{"gone after the first act", []alert.Fact{implanted(a, 5), payload(a, 6), acts(8), clean(a, 10), implanted(b, 14), payload(b, 15)}, "10.1.0.15 95 implanted@5 payload-delivered@6"},
		{"a payload without replies", []alert.Fact{sure(payload(a, 5), .85), acts(20)}, "10.1.0.15 85 payload-delivered@5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := ledgerOf(t, facts(tt.said...))
			h := find(l.Document(capture()), host)
			if got := strings.Join(sources(&h), "|"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if h.PatientZero && (tt.want != "" || h.State != scope.Infected) {
				t.Error("it is said to be a patient-zero candidate")
			}
		})
	}
}

// TestSourcesBySight: where nothing but attempts can be seen, a host that acts
// as a worm may have been infected by one that did so before and found its
// port open.
func TestSourcesBySight(t *testing.T) {
	const worm, host = "10.1.0.15", "10.1.0.14"
	sweep := alert.Scan{Port: 445, Targets: 254, Silent: 200, Answered: 54}
	base := []said{
		alertOf(lookup(worm, killSwitch, "NXDOMAIN", 1, 1)), alertOf(scan(worm, "sequential", sweep, 5, 5)),
		alertOf(exposed(host, 445, worm, 1, false, 9, 9)),
	}
	tests := []struct {
		name string
		said []said
		want string
	}{
		{"acts after", []said{factOf(targeted(host, worm, 10, 10)), alertOf(lookup(host, killSwitch, "NXDOMAIN", 20, 20))}, "10.1.0.15 30 targeted@10"},
		{"acts before", []said{factOf(targeted(host, worm, 30, 30)), alertOf(lookup(host, killSwitch, "NXDOMAIN", 20, 20))}, ""},
		{"does not act", []said{factOf(targeted(host, worm, 10, 10)), alertOf(lookup(host, badName, "NXDOMAIN", 20, 20))}, ""},
		{"by a host that does nothing else", []said{factOf(targeted(host, "10.1.0.77", 10, 10)), alertOf(lookup(host, killSwitch, "NXDOMAIN", 20, 20))}, ""},
		{"got an exploit as well", []said{
			factOf(targeted(host, worm, 10, 10)), factOf(smbFact(alert.FactExploitCompleted, host, "10.1.0.77", blue, 12)),
			alertOf(lookup(host, killSwitch, "NXDOMAIN", 20, 20)),
		}, "10.1.0.77 95 exploit-completed@12"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := ledgerOf(t, append(append([]said{}, base...), tt.said...))
			h := find(l.Document(capture()), host)
			if got := strings.Join(sources(&h), "|"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestSourcesOnOtherPorts: a worm gets in by the port that it scans, whichever
// that is, if the host answers there.
func TestSourcesOnOtherPorts(t *testing.T) {
	const worm, host = "10.1.0.15", "10.1.0.14"
	answers := func(port uint16) said {
		return factOf(alert.Fact{Kind: alert.FactExposed, Host: addr(host), Peer: addr(worm), Port: port, Time: at(9), Frame: alert.FrameRef{Number: 9}})
	}
	tests := []struct {
		name    string
		port    uint16 // that the worm scans
		lateral bool   // as configured
		also    uint16 // that the host scans, in its turn
		refused bool   // as the scan detector saw
		said    []said
		want    string
	}{
		{"a lateral port that answers", 3389, false, 3389, false, []said{answers(3389)}, "10.1.0.15 30 targeted@10"},
		{"one that refuses", 3389, false, 3389, false, []said{answers(22)}, ""},
		{"one that refuses this worm alone", 3389, false, 3389, true, []said{answers(3389)}, ""},
		{"one that answers, and another worm", 3389, false, 22, false, []said{answers(3389)}, "10.1.0.15 30 targeted@10"},
		{"a port configured", 7001, true, 7001, false, []said{answers(7001)}, "10.1.0.15 30 targeted@10"},
		{"a port configured that refuses", 7001, true, 7001, false, nil, ""},
		{"another port", 6379, false, 6379, false, nil, "10.1.0.15 30 targeted@10"},
		{"another port that refuses", 6379, false, 6379, true, nil, ""},
		{"another port, and another worm", 6379, false, 445, false, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sweep := alert.Scan{Port: tt.port, Lateral: tt.lateral, Targets: 254, Silent: 200, Answered: 54}
			next := sweep
			next.Port = tt.also
			tried := targeted(host, worm, 10, 10)
			tried.Port = tt.port
			if tt.refused {
				tried.Detail = alert.Refused
			}
			l, _ := ledgerOf(t, append([]said{
				alertOf(scan(worm, "sequential", sweep, 5, 5)), factOf(tried), alertOf(scan(host, "sequential", next, 30, 30)),
			}, tt.said...))
			d := l.Document(capture())
			h := find(d, host)
			if got := strings.Join(sources(&h), "|"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			words := fmt.Sprintf("found its port %d open", tt.port)
			if told := strings.Contains(textOf(t, d), words); told != (tt.want != "") {
				t.Errorf("tells that it %s: %v", words, told)
			}
		})
	}
}

// TestBracket: the source that got through last before the implant comes
// first, and the one that got through before stays.
func TestBracket(t *testing.T) {
	l, _ := ledgerOf(t, facts(bracketed()...))
	d := l.Document(capture())
	want := map[string]string{
		"10.1.0.1": "",
		"10.1.0.2": "10.1.0.1 99 exploit-completed@4 implanted@6 payload-delivered@8",
		"10.1.0.3": "10.1.0.2 87 exploit-completed@25 implanted@30 payload-delivered@33|10.1.0.1 12 exploit-completed@18",
	}
	for ip, sure := range want {
		h := find(d, ip)
		if got := strings.Join(sources(&h), "|"); got != sure {
			t.Errorf("%s:\ngot  %s\nwant %s", ip, got, sure)
		}
		if h.PatientZero != (sure == "") {
			t.Errorf("%s: patient-zero candidate %v", ip, h.PatientZero)
		}
	}
}

// TestManySources: the likeliest sources are listed, up to a bound, and their
// confidences come to no more than one.
func TestManySources(t *testing.T) {
	const host = "10.1.0.14"
	var said []alert.Fact
	for i := range 30 {
		said = append(said, smbFact(alert.FactExploitCompleted, host, fmt.Sprintf("10.1.1.%d", i+1), blue, i+1))
	}
	l, _ := ledgerOf(t, facts(append(said, smbFact(alert.FactImplanted, host, "10.1.1.1", "0x1", 90))...))
	h := find(l.Document(capture()), host)
	var sum float64
	for _, s := range h.InfectedBy {
		sum += s.Confidence
	}
	if len(h.InfectedBy) != 8 || sum > 1 {
		t.Errorf("%d sources with %v in all, want 8 with at most 1", len(h.InfectedBy), sum)
	}
}

// TestSinceTheImplantThatActs: an implant that was gone before the host acted
// is not what it has been infected with since.
func TestSinceTheImplantThatActs(t *testing.T) {
	const host, a, b = "10.1.0.14", "10.1.0.15", "10.1.0.16"
	gone := []alert.Fact{smbFact(alert.FactImplanted, host, a, "0x1 x64", 5), smbFact(alert.FactClean, host, a, "ping", 10)}
	again := smbFact(alert.FactImplanted, host, b, "0x2 x64", 14)
	acts := smbFact(alert.FactExploitSent, host, "10.1.0.99", blue, 20)
	tests := []struct {
		name string
		said []alert.Fact
		want int
	}{
		{"does not act", append(slices.Clone(gone), again), 5},
		{"acts", append(slices.Clone(gone), again, acts), 14},
		{"acts without another implant", append(slices.Clone(gone), acts), 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := ledgerOf(t, facts(tt.said...))
			if h := find(l.Document(capture()), host); h.Since == nil || !h.Since.Equal(at(tt.want)) {
				t.Errorf("since %v, want %v", h.Since, at(tt.want))
			}
		})
	}
}
