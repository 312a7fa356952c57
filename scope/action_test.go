package scope_test

import (
	"slices"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// swept is a scan that few targets answered.
func swept(port uint16) alert.Scan {
	return alert.Scan{Port: port, Targets: 60, Answered: 5, Refused: 55, Rate: 6}
}

// TestWayIsClosed: the ports to close are those that the worm goes by, and SMB is
// patched where it may be its way.
func TestWayIsClosed(t *testing.T) {
	const a, b = "10.1.0.14", "10.1.0.15"
	server := alertOf(exposed("10.3.0.20", 445, a, 40, false, 2, 11))
	outside := func(port uint16, answered uint64) said {
		return alertOf(scan("203.0.113.99", "external", alert.Scan{Ports: []uint16{port}, Targets: 90, Answered: answered}, 9, 9))
	}
	asked := alertOf(lookup(a, killSwitch, "NXDOMAIN", 61, 688))
	tests := []struct {
		name              string
		said              []said
		ports             string
		patch, killSwitch bool
	}{
		{"nothing", nil, "", false, false},
		{"SMB answers", []said{server}, "445 and 139", true, false},
		{"SMB", []said{alertOf(scan(a, "sequential", swept(445), 5, 5)), server}, "445 and 139", true, false},
		{"SSH", []said{alertOf(scan(a, "sequential", swept(22), 5, 5))}, "22", false, false},
		{"SSH, and SMB answers", []said{alertOf(scan(a, "sequential", swept(22), 5, 5)), server}, "22, 445 and 139", false, false},
		{"two ways", []said{alertOf(scan(a, "sequential", swept(445), 5, 5)), alertOf(scan(b, "sequential", swept(3389), 5, 5)), server}, "445, 139 and 3389", true, false},
		{"the web", []said{alertOf(scan(a, "sequential", swept(80), 5, 5))}, "445 and 139", false, false},
		{"only names", []said{asked}, "445 and 139", false, true},
		{"exploited", []said{factOf(smbFact(alert.FactExploitCompleted, a, b, blue, 5))}, "445 and 139", false, false},
		{"attacks SMB", []said{factOf(smbFact(alert.FactMark, a, b, "ping-timeout", 5))}, "445 and 139", false, true},
		{"from outside, answered", []said{outside(23, 2)}, "23", false, false},
		{"mail from outside, answered", []said{outside(25, 2)}, "", false, false},
		{"mail", []said{alertOf(scan(a, "sequential", swept(25), 5, 5))}, "25", false, false},
		{"from outside, in vain", []said{outside(23, 0)}, "", false, false},
		{"many ports from outside, answered", []said{portScan("203.0.113.99")}, "", false, false},
		{"SMB from outside, in vain", []said{outside(445, 0)}, "445 and 139", false, false},
		{"pushes", []said{alertOf(scan(a, "fan-out", alert.Scan{Port: 22, Targets: 50, Answered: 50, Rate: 6}, 5, 5))}, "", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := ledgerOf(t, tt.said)
			d := l.Document(capture())
			if way := d.Way(); way.Ports() != tt.ports || way.Any() != (tt.ports != "") {
				t.Errorf("close %q, want %q", way.Ports(), tt.ports)
			}
			for kind, want := range map[scope.ActionKind]bool{
				scope.ClosePorts: tt.ports != "", scope.InstallPatch: tt.patch, scope.KeepKillSwitch: tt.killSwitch,
			} {
				if got := action(&d, kind) != nil; got != want {
					t.Errorf("action %d: %v, want %v: %+v", kind, got, want, d.Actions())
				}
			}
		})
	}
}

// TestPatchForTheFlawSeen: where SMBGhost is all that was seen of attacks on SMB, the
// advice is to close that flaw. MS17-010 does not, and such a worm has no kill switch
// that is known. Systems that have the flaw are new, so that they need no MS17-010.
func TestPatchForTheFlawSeen(t *testing.T) {
	const worm, host, other = "10.1.0.14", "10.3.0.20", "10.3.0.21"
	server := alertOf(exposed(host, 445, worm, 40, false, 2, 11))
	ghost := factOf(smbFact(alert.FactExploitSent, worm, host, "SMBGhost", 5))
	eternal := factOf(smbFact(alert.FactExploitSent, worm, other, blue, 6))
	swarms := alertOf(scan(worm, "sequential", swept(445), 5, 5))
	for name, tt := range map[string]struct {
		said                     []said
		ghost, patch, killSwitch bool
	}{
		"none":                  {[]said{server, swarms}, false, true, false},
		"SMBGhost":              {[]said{server, swarms, ghost}, true, false, false},
		"one direction":         {[]said{swarms, ghost}, true, false, false},
		"SMBGhost, and a check": {[]said{server, swarms, ghost, factOf(smbFact(alert.FactVulnerable, other, worm, "check", 6))}, true, true, true},
		"SMBGhost, EternalBlue": {[]said{server, swarms, ghost, eternal}, true, true, true},
		"EternalBlue":           {[]said{server, swarms, eternal}, false, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := ledgerOf(t, tt.said)
			d := l.Document(capture())
			for kind, want := range map[scope.ActionKind]bool{
				scope.FixSMBGhost: tt.ghost, scope.InstallPatch: tt.patch, scope.KeepKillSwitch: tt.killSwitch,
			} {
				if got := action(&d, kind) != nil; got != want {
					t.Errorf("action %d: %v, want %v: %+v", kind, got, want, d.Actions())
				}
			}
		})
	}
}

// portScan is a scan of the ports of one host, of which a few are listed.
func portScan(host string) said {
	a := scan(host, "vertical", alert.Scan{Ports: []uint16{25, 70, 111, 113, 143, 199, 445, 1025, 3306, 31337}, Targets: 1, Answered: 2, Refused: 4, Silent: 993, Rate: 200}, 9, 9)
	a.Count = 999
	return alertOf(a)
}

// TestPortScansAreOfManyPorts: the ports that an alert lists of a port scan are
// not taken for all.
func TestPortScansAreOfManyPorts(t *testing.T) {
	l, _ := ledgerOf(t, []said{portScan("203.0.113.99"), portScan("10.1.0.14")})
	text := textOf(t, l.Document(capture()))
	for _, want := range []string{
		"- scanned 999 ports of 1 target: 2 answered, 4 refused, 993 silent, 200.0/s",
		"  203.0.113.99     many ports: 1 target, 2 answered; ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told:\n%s", want, text)
		}
	}
}

// action returns the action of a kind, nil for none.
func action(d *scope.Document, k scope.ActionKind) *scope.Action {
	list := d.Actions()
	if i := slices.IndexFunc(list, func(a scope.Action) bool { return a.Kind == k }); i >= 0 {
		return &list[i]
	}
	return nil
}

// TestIsolatedNeedNoIsolation: who is marked so is not to be isolated again,
// and who others need is told.
func TestIsolatedNeedNoIsolation(t *testing.T) {
	const a, b = "10.1.0.14", "10.3.0.20"
	words := []said{
		factOf(smbFact(alert.FactImplanted, a, "10.1.0.9", "0x1", 5)), factOf(smbFact(alert.FactImplanted, b, "10.1.0.9", "0x1", 6)),
		alertOf(exposed(b, 445, a, 40, false, 2, 11)),
	}
	for name, tt := range map[string]struct {
		marks         []scope.Mark
		isolate, move string
	}{
		"neither":        {nil, "Isolate the 2 infected hosts now", "1 infected or suspected host serves others, as resolver or file server"},
		"one":            {[]scope.Mark{mark(a, scope.Isolated, 50)}, "Isolate now the 1 infected host not marked isolated", "1 infected or suspected host serves others, as resolver or file server"},
		"the server":     {[]scope.Mark{mark(b, scope.Isolated, 50)}, "Isolate now the 1 infected host not marked isolated", ""},
		"both":           {[]scope.Mark{mark(a, scope.Isolated, 50), mark(b, scope.Isolated, 50)}, "", ""},
		"one is cleaned": {[]scope.Mark{mark(a, scope.Cleaned, 50)}, "Isolate the 1 infected host now", "1 infected or suspected host serves others, as resolver or file server"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := marked(t, words, tt.marks...)
			for kind, want := range map[scope.ActionKind]string{scope.Isolate: tt.isolate, scope.MoveService: tt.move} {
				got := action(&d, kind)
				if (got != nil) != (want != "") || got != nil && got.Do != want {
					t.Errorf("%+v, want %q", got, want)
				}
			}
			if text := textOf(t, d); !strings.Contains(text, "      file-server") {
				t.Errorf("the server's role is not told:\n%s", text)
			}
		})
	}
}

// TestScannersInside: who scans and is not suspected, since nearly all answer, is
// told, unless an analyst has explained it.
func TestScannersInside(t *testing.T) {
	const pusher, worm = "10.3.0.60", "10.1.0.14"
	push := func(port uint16, when int) said {
		return alertOf(scan(pusher, "fan-out", alert.Scan{Port: port, Targets: 50, Answered: 49, Silent: 1, Rate: 6}, when, 5))
	}
	words := []said{push(445, 7), push(22, 5), alertOf(scan(worm, "sequential", swept(445), 5, 5))}
	d, _ := marked(t, words)
	if len(d.Internal) != 1 {
		t.Fatalf("inside scanners %+v", d.Internal)
	}
	s := d.Internal[0]
	if s.IP != pusher || !slices.Equal(s.Ports, []uint16{22, 445}) || s.Targets != 100 || s.Answered != 98 || !s.First.Equal(at(5)) || !s.Last.Equal(at(7)) || len(s.Alerts) != 2 {
		t.Errorf("the scans of the server that pushes add up to %+v", s)
	}
	if !strings.Contains(d.Verdict(), "1 other inside host scans") || action(&d, scope.ExamineScanners) == nil {
		t.Errorf("the inside scanner is not in the verdict or the advice: %s\n%+v", d.Verdict(), d.Actions())
	}
	if text := textOf(t, d); !strings.Contains(text, "  10.3.0.60        ports 22, 445: 100 targets, 98 answered; ") {
		t.Errorf("not told:\n%s", text)
	}
	sameInAnyOrder(t, words, 10)
	explained, _ := marked(t, words, mark(pusher, scope.FalsePositive, 50))
	if len(explained.Internal) != 0 || action(&explained, scope.ExamineScanners) != nil {
		t.Errorf("explained: %+v", explained.Internal)
	}
}
