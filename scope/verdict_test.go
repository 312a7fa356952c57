package scope_test

import (
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// TestVerdict: that there is no sign of a worm is said only where nothing
// inside was attacked, and nothing inside acts up; a check is not an attack.
func TestVerdict(t *testing.T) {
	const host, other, by = "10.1.0.14", "10.1.0.15", "203.0.113.9"
	const quiet, attacked, exploited = "No sign of a worm in 1,234,567 packets",
		"1 host was ATTACKED, none is known to be exploited", "1 host was EXPLOITED, none is known to be infected"
	infected := "1 host is INFECTED, in zone office"
	suspected := "1 host is SUSPECTED of infection, none for certain, in zone office"
	fact := func(k alert.FactKind, name string) said { return factOf(smbFact(k, host, by, name, 5)) }
	through := fact(alert.FactExploitCompleted, blue)
	tests := []struct {
		name  string
		said  []said
		marks []scope.Mark
		want  string // up to the full stop, and what else is targeted
	}{
		{"nothing", nil, nil, quiet},
		{"answers the internet", []said{alertOf(exposed(host, 445, by, 1, true, 5, 5))}, nil, quiet},
		{"scanned", []said{factOf(targeted(host, by, 5, 5))}, nil, quiet + ", 1 host was targeted"},
		{"checked, vulnerable", []said{fact(alert.FactVulnerable, "check")}, nil, quiet},
		{"checked, patched", []said{fact(alert.FactPatched, "check")}, nil, quiet},
		{"checked without a result", []said{fact(alert.FactPatchUnknown, "check")}, nil, quiet},
		{"asked for the implant", []said{fact(alert.FactProbed, "ping")}, nil, quiet + ", 1 host was targeted"},
		{"has no implant", []said{fact(alert.FactClean, "ping")}, nil, quiet + ", 1 host was targeted"},
		{"uses Tor", []said{alertOf(contact(host, relay, 443, alert.Contact{State: "established", Initiator: "host"}, 5, 5))}, nil, quiet},
		{"attacked", []said{fact(alert.FactExploitAttempted, blue)}, nil, attacked},
		{"exploited", []said{through}, nil, exploited},
		{"exploited, by the attempt's alert, too", []said{fact(alert.FactExploitAttempted, blue), through}, nil, exploited},
		{"exploited, from one direction", []said{factOf(sure(smbFact(alert.FactExploitCompleted, host, by, blue, 5), .7))}, nil, exploited},
		{"one exploited, one attacked", []said{through, factOf(smbFact(alert.FactExploitAttempted, other, by, blue, 6))}, nil, exploited + ", 1 more was targeted"},
		{"one attacked, one scanned", []said{fact(alert.FactExploitAttempted, blue), factOf(targeted(other, by, 6, 6))}, nil, attacked + ", 1 more was targeted"},
		{"implanted", []said{fact(alert.FactImplanted, "0x1 x64")}, nil, infected},
		{"implanted, from one direction", []said{factOf(sure(smbFact(alert.FactImplanted, host, by, "0x1", 5), .8))}, nil, suspected},
		{"implanted, and removed", []said{fact(alert.FactImplanted, "0x1 x64"), fact(alert.FactKilled, "0x1 x64")}, nil, infected},
		{"ran code", []said{fact(alert.FactExecuted, "")}, nil, infected},
		{"ran a program", []said{fact(alert.FactPayload, "")}, nil, infected},
		{"sent a mark", []said{fact(alert.FactMark, "ping-timeout")}, nil, infected},
		{"attacked another", []said{fact(alert.FactExploitSent, blue)}, nil, suspected},
		{"infected, another exploited", []said{factOf(smbFact(alert.FactImplanted, other, by, "0x1", 6)), through}, nil, infected + ", 1 more was EXPLOITED"},
		{"exploited, then cleaned", []said{through}, []scope.Mark{mark(host, scope.Cleaned, 50)}, quiet},
		{"cleaned, then exploited", []said{through}, []scope.Mark{mark(host, scope.Cleaned, 4)}, exploited},
		{"exploited, which is explained", []said{through}, []scope.Mark{mark(host, scope.FalsePositive, 50)}, quiet},
		{"exploited, then isolated", []said{through}, []scope.Mark{mark(host, scope.Isolated, 50)}, exploited},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := marked(t, tt.said, tt.marks...)
			if got := verdictOf(&d); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			text := textOf(t, d)
			if asked := strings.Contains(text, "Examine the 1 exploited host:"); asked != strings.Contains(tt.want, "EXPLOITED") {
				t.Errorf("asks to examine exploited hosts: %v\n%s", asked, text)
			}
			if asked := strings.Contains(text, "Examine the 1 attacked host:"); asked != (d.Totals.Attacked > 0) {
				t.Errorf("asks to examine attacked hosts: %v\n%s", asked, text)
			}
		})
	}
}

// verdictOf returns the verdict's first sentence without its full stop, and
// what it says of more hosts.
func verdictOf(d *scope.Document) string {
	first, also, _ := strings.Cut(strings.TrimSuffix(d.Verdict(), "."), ". Also: ")
	told := []string{first}
	for s := range strings.SplitSeq(also, ", ") {
		if strings.Contains(s, " was ") || strings.Contains(s, " were ") {
			told = append(told, s)
		}
	}
	return strings.Join(told, ", ")
}

// TestWormThatReachedItsSwitch: a host that scans after it reached a kill switch is not
// called dormant, and one that scanned before may be.
func TestWormThatReachedItsSwitch(t *testing.T) {
	const host = "10.1.0.14"
	sweep := func(when int) said {
		return alertOf(scan(host, "sequential", alert.Scan{Port: 445, Targets: 30, Silent: 30}, when, 9))
	}
	reached := alertOf(lookup(host, killSwitch, "NOERROR", 100, 1, "104.16.173.80"))
	for _, c := range []struct {
		words []said
		want  string
	}{
		{[]said{reached}, "reached by 1 host (it may be dormant)"},
		{[]said{reached, sweep(50)}, "reached by 1 host (it may be dormant)"},
		{[]said{reached, sweep(150)}, "reached by 1 host that scans or attacks all the same (the worm goes on)"},
		{[]said{alertOf(lookup(host, killSwitch, "NXDOMAIN", 100, 1)), sweep(150)}, "not reached by 1 host (the worm goes on)"},
		{[]said{sweep(150)}, ""},
	} {
		l, _ := ledgerOf(t, c.words)
		d := l.Document(capture())
		if got := d.KillSwitches(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		for _, f := range d.Hosts[0].Facts {
			if strings.Contains(f.Detail, "dormant") != strings.Contains(c.want, "dormant") && f.Class != "" {
				t.Errorf("%q, but the lookup %q", c.want, f.Detail)
			}
		}
	}
}

// TestNotCountedYet: a run that has not said how much it looked at has seen what
// it found.
func TestNotCountedYet(t *testing.T) {
	l, _ := ledgerOf(t, []said{alertOf(exposed("10.1.0.11", 445, "10.1.0.9", 1, false, 1, 1))})
	d := l.Document(scope.Capture{})
	if text := textOf(t, d); !strings.HasPrefix(text, "No sign of a worm so far. Also: 1 host answers on the SMB port.\n\nCapture   its packets are not counted yet\n") {
		t.Errorf("the text is\n%s", text)
	}
	l, _ = ledgerOf(t, []said{alertOf(lookup("10.1.0.14", killSwitch, "NXDOMAIN", 61, 688))})
	if text := textOf(t, l.Document(scope.Capture{})); !strings.Contains(text, "First sign  10.1.0.14") {
		t.Errorf("the text is\n%s", text)
	}
	l, _ = ledgerOf(t, nil)
	if d := l.Document(scope.Capture{}); !d.Blank() || !strings.Contains(textOf(t, d), "no packet could be read") {
		t.Errorf("nothing is no blank: %+v", d)
	}
}

// TestExploitedComeFirst: of hosts that show no sign of infection, exploited
// ones are listed before those that the internet reaches.
func TestExploitedComeFirst(t *testing.T) {
	d, _ := marked(t, []said{
		alertOf(exposed("10.1.0.11", 445, "203.0.113.5", 1, true, 1, 1)), factOf(targeted("10.1.0.11", "203.0.113.5", 2, 2)),
		factOf(smbFact(alert.FactExploitCompleted, "10.1.0.12", "10.1.0.9", blue, 3)),
	})
	if d.Hosts[0].IP != "10.1.0.12" || !d.Hosts[0].Exploited() || d.Hosts[1].Exploited() {
		t.Errorf("hosts %+v", d.Hosts)
	}
	if d.Totals.Exploited != 1 || d.Totals.Attacked != 0 {
		t.Errorf("totals %+v", d.Totals)
	}
}

// TestNothingToJudge: where nothing could be examined, that there is no sign of a
// worm means nothing.
func TestNothingToJudge(t *testing.T) {
	l, _ := ledgerOf(t, nil)
	for _, tt := range []struct {
		packets, undecoded, notIP uint64
		looked                    bool // at packets, as a filter allowed
		want                      string
	}{
		{0, 0, 0, false, "Nothing to judge: the capture holds no packet that could be read."},
		{1, 1, 0, true, "Nothing to judge: of 1 packet none could be decoded."},
		{9, 9, 0, true, "Nothing to judge: of 9 packets none could be decoded."},
		{9, 0, 0, false, "Nothing to judge: of 9 packets none was looked at."},
		{9, 8, 0, true, "No sign of a worm in 9 packets."},
		{9, 0, 8, true, "No sign of a worm in 9 packets."},
		{9, 4, 4, true, "No sign of a worm in 9 packets."},
		{1, 0, 1, true, "Nothing to judge: of 1 packet none holds IP, and nothing else is looked at."},
		{9, 0, 9, true, "Nothing to judge: of 9 packets none holds IP, and nothing else is looked at."},
		{9, 8, 1, true, "Nothing to judge: of 9 packets none could be looked at: 1 holds no IP, and the rest could not be decoded."},
	} {
		c := scope.Capture{Packets: tt.packets, Undecoded: map[string]uint64{"unsupported link type USER0": tt.undecoded}, NotIP: tt.notIP}
		if tt.looked {
			c.First, c.Last = time.Unix(1_500_000_000, 0), time.Unix(1_500_000_001, 0)
		}
		d := l.Document(c)
		if got := d.Verdict(); got != tt.want {
			t.Errorf("%d of %d: %s", tt.undecoded, tt.packets, got)
		}
		if !tt.looked && strings.Contains(textOf(t, d), "not counted yet") {
			t.Errorf("%d packets: the text is\n%s", tt.packets, textOf(t, d))
		}
	}
}

// TestLossIsNotAll: what is nearly all is not told as all, and one packet as one.
func TestLossIsNotAll(t *testing.T) {
	for want, c := range map[string]scope.CaptureSummary{
		"12,345 packets were dropped before they were captured (99.9 %)": {Packets: 2, Dropped: 12345},
		"1 packet was dropped before it was captured (50.0 %)":           {Packets: 1, Dropped: 1},
		"2 frames not decoded: truncated header (100.0 %)":               {Packets: 2, Undecoded: map[string]uint64{"truncated header": 2}},
		"5,000 frames not decoded: truncated header (99.9 %)":            {Packets: 5001, Undecoded: map[string]uint64{"truncated header": 5000}},
	} {
		d := scope.Document{Capture: c}
		if got := d.BlindSpots()[0]; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
