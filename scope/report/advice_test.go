package report_test

import (
	"strings"
	"testing"

	"wormscope/scope"
)

// TestSMBGhostToFix: who SMBGhost was tried on is listed to be updated first, then who
// else offers what it goes through, and nobody to be patched for another flaw.
func TestSMBGhostToFix(t *testing.T) {
	attack := scope.FactItem{Fact: "exploit-attempted", Name: "SMBGhost", Confidence: .9, First: start, Last: start, Frames: []uint64{}}
	serves := scope.FactItem{Fact: "exposed", Port: 445, Confidence: 1, First: start, Last: start, Frames: []uint64{}}
	host := func(ip string, state scope.State, asset *scope.AssetEntry, facts ...scope.FactItem) scope.HostEntry {
		return scope.HostEntry{IP: ip, Zone: "office", State: state, Patch: "unknown", FirstSeen: start, LastSeen: start, Asset: asset, Facts: facts}
	}
	doc := quiet()
	doc.Totals = scope.Totals{StateCounts: scope.StateCounts{Targeted: 1, Exposed: 2}, SMBExposed: 3, Attacked: 1}
	doc.Hosts = []scope.HostEntry{
		host("10.1.0.20", scope.Targeted, &scope.AssetEntry{Compression: true}, attack, serves),
		host("10.1.0.21", scope.Exposed, &scope.AssetEntry{Compression: true}, serves),
		host("10.1.0.22", scope.Exposed, nil, serves),
	}
	page := text(parse(t, render(t, doc)))
	at := 0
	for _, want := range []string{"Install the update for SMBGhost", "Attacked with SMBGhost (1)", "10.1.0.20", "Offer SMBv3 compression, so may have the flaw (1)", "10.1.0.21"} {
		i := strings.Index(page[at:], want)
		if i < 0 {
			t.Fatalf("%q is missing, or not in its place:\n%.2000s", want, page)
		}
		at += i
	}
	if strings.Contains(page, "Install MS17-010") {
		t.Error("it says to install MS17-010, which does not close the flaw")
	}
}
