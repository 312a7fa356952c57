package scope_test

import (
	"fmt"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// TestTextShowsEachReason: of a host that asked for dozens of names, as worms do that
// make them up, the text also shows that it scans: without that it would not be infected.
func TestTextShowsEachReason(t *testing.T) {
	const host = "10.1.0.14"
	var words []said
	for i := range 12 {
		name := &ioc.Indicator{Type: ioc.Domain, Value: fmt.Sprintf("c%d.example.net", i), Class: ioc.Malicious, Confidence: ioc.MediumConfidence}
		words = append(words, alertOf(lookup(host, name, "NXDOMAIN", 5+i, 9)))
	}
	words = append(words,
		alertOf(exposed(host, 445, "10.1.0.9", 1, false, 1, 1)),
		alertOf(scan(host, "sequential", alert.Scan{Port: 445, Targets: 60, Silent: 60}, 50, 9)),
		alertOf(scan(host, "sequential", alert.Scan{Port: 139, Targets: 60, Silent: 60}, 51, 9)))
	l, _ := ledgerOf(t, words)
	text := textOf(t, l.Document(capture()))
	told := strings.Split(text[strings.Index(text, "INFECTED (1)"):strings.Index(text, "more facts")], "    - ")[1:]
	if n := len(told); n != 9 || told[n-1] != "and 7 " {
		t.Errorf("%d facts are told, then %q, want 8 and 7 more", n-1, told[n-1])
	}
	if !strings.HasPrefix(told[0], "asked for the name c0.example.net") || !strings.HasPrefix(told[7], "scanned port 445: ") {
		t.Errorf("the first is %q and the last %q, want the first name and the first scan", told[0], told[7])
	}
}
