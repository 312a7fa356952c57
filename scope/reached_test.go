package scope_test

import (
	"strings"
	"testing"

	"wormscope/detect/alert"
)

// TestReachedWhileItScans: a host that scans when a worm reaches it was infected
// before, however late the alarm about it comes: a capture often begins in the
// midst of an outbreak, and a slow scan takes hours to tell.
func TestReachedWhileItScans(t *testing.T) {
	const worm, host = "10.1.0.15", "10.1.0.14"
	sweep := alert.Scan{Port: 445, Targets: 30, Silent: 30}
	for _, tt := range []struct {
		name    string
		since   int // when the host's attempts begin to look like a scan, 0 where that is not known
		want    string
		seconds int // since when it is active
	}{
		{"before it scans", 200, "10.1.0.15 30 targeted@10", 200},
		{"while it scans", 120, "", 120},
		{"while nothing tells", 0, "10.1.0.15 30 targeted@10", 300},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scans := sweep
			if tt.since > 0 {
				scans.Since = at(tt.since)
			}
			own := scan(host, "sequential", scans, 300, 30)
			own.First = at(40)
			l, _ := ledgerOf(t, []said{
				alertOf(exposed(host, 445, worm, 1, false, 9, 9)), alertOf(scan(worm, "sequential", sweep, 100, 50)),
				factOf(targeted(host, worm, 150, 10)), alertOf(own),
			})
			h := find(l.Document(capture()), host)
			if got := strings.Join(sources(&h), "|"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if h.Since == nil || !h.Since.Equal(at(tt.seconds)) {
				t.Errorf("active since %v, want %v", h.Since, at(tt.seconds))
			}
		})
	}
}

// TestReachedBeforeAlarm: what a slow scan reached between its beginning and its
// alarm may have been infected by it, and what was reached before may not.
func TestReachedBeforeAlarm(t *testing.T) {
	const worm, host = "10.1.0.15", "10.1.0.14"
	slow := scan(worm, "sequential", alert.Scan{Port: 445, Targets: 20, Silent: 12, Answered: 8}, 500, 50)
	slow.First = at(100)
	for _, tt := range []struct {
		name    string
		reached int
		want    string
	}{
		{"after its beginning", 150, "10.1.0.15 30 targeted@10"},
		{"before", 50, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := ledgerOf(t, []said{
				alertOf(exposed(host, 445, worm, 1, false, 9, 9)),
				alertOf(scan(host, "sequential", alert.Scan{Port: 445, Targets: 30, Silent: 30}, 300, 30)),
				alertOf(slow), factOf(targeted(host, worm, tt.reached, 10)),
			})
			h := find(l.Document(capture()), host)
			if got := strings.Join(sources(&h), "|"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestReachedInVain: a worm that was seen not to get in did not infect the host:
// another did, or something else, such as a mail.
func TestReachedInVain(t *testing.T) {
	const worm, other, host = "10.1.0.15", "10.1.0.16", "10.1.0.14"
	const itWas = "10.1.0.15 30 targeted@10"
	sweep := alert.Scan{Port: 445, Targets: 30, Silent: 30}
	learned := func(kind alert.FactKind, by string, when int) alert.Fact {
		return smbFact(kind, host, by, "0x1 x64", when)
	}
	own := scan(host, "sequential", sweep, 310, 51)
	own.First = at(140)
	for _, tt := range []struct {
		name string
		said []said
		want string
	}{
		{"patched", facts(learned(alert.FactPatched, worm, 151)), ""},
		{"vulnerable", facts(learned(alert.FactVulnerable, worm, 151)), itWas},
		{"patched, as another found", facts(learned(alert.FactPatched, other, 151)), itWas},
		{"patched later", facts(learned(alert.FactPatched, worm, 400)), itWas},
		{"had the implant", facts(learned(alert.FactVulnerable, worm, 151), learned(alert.FactImplanted, worm, 153)), ""},
		{"had the implant, as it found when the host acted", facts(learned(alert.FactImplanted, worm, 310)), ""},
		{"had the implant, as another found", facts(learned(alert.FactImplanted, other, 153)), itWas},
		{"had it later", facts(learned(alert.FactClean, worm, 152), learned(alert.FactImplanted, worm, 160)), itWas},
		{"did not answer first", facts(learned(alert.FactProbed, worm, 152), learned(alert.FactImplanted, worm, 160)), itWas},
		{"tried itself", facts(targeted(host, host, 150, 11), learned(alert.FactPatched, worm, 151)), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := ledgerOf(t, append([]said{
				alertOf(exposed(host, 445, worm, 1, false, 9, 9)), alertOf(scan(worm, "sequential", sweep, 100, 50)),
				alertOf(own), factOf(targeted(host, worm, 150, 10)), alertOf(lookup(host, killSwitch, "NXDOMAIN", 300, 30)),
			}, tt.said...))
			h := find(l.Document(capture()), host)
			if got := strings.Join(sources(&h), "|"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if h.PatientZero != (tt.want == "") {
				t.Errorf("patient-zero candidate: %v", h.PatientZero)
			}
		})
	}
}
