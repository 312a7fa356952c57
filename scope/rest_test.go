package scope_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/ioc"
	"wormscope/scope"

	"github.com/google/go-cmp/cmp"
)

const worm = "10.1.0.14"

// attacks are attacks of one host on n others, one per second from a time on.
func attacks(n, from int) []said {
	words := make([]said, 0, n)
	for i := range n {
		peer := fmt.Sprintf("10.3.%d.%d", (from+i)/200, (from+i)%200+1)
		words = append(words, factOf(smbFact(alert.FactExploitSent, worm, peer, blue, from+i)))
	}
	return words
}

// TestActsAfterAMarkAreKnown: however much a host did before, what it does
// after its mark is told.
func TestActsAfterAMarkAreKnown(t *testing.T) {
	words := append(attacks(50, 1), attacks(60, 1000)...)
	for _, kind := range []scope.MarkKind{scope.Cleaned, scope.Isolated} {
		d, _ := marked(t, words, mark(worm, kind, 500))
		h := find(d, worm)
		if h.State != scope.Suspected || !h.LastSeen.Equal(at(1059)) {
			t.Errorf("%s: %s, last seen %v", kind, h.State, h.LastSeen)
		}
		if m := d.Marks[0]; m.ActiveAt == nil || !m.ActiveAt.Equal(at(1000)) {
			t.Errorf("%s: active at %v, want %v", kind, m.ActiveAt, at(1000))
		}
		if kind == scope.Cleaned && !h.Since.Equal(at(1000)) {
			t.Errorf("since %v, want %v", h.Since, at(1000))
		}
	}
}

// TestLookupsHideNoContact: what a resolver asks for its clients, however much,
// does not take the place of what it did itself.
func TestLookupsHideNoContact(t *testing.T) {
	const resolver = "10.1.0.53"
	called := &ioc.Indicator{Type: ioc.Address, Value: "203.0.113.7"}
	words := []said{
		factOf(alert.Fact{Kind: alert.FactResolver, Host: addr(resolver), Peer: addr("10.1.0.3"), Time: at(3)}),
		alertOf(contact(resolver, called, 443, alert.Contact{State: "established", Initiator: "host"}, 5, 5)),
	}
	for i := range 60 {
		asked := &ioc.Indicator{Type: ioc.Domain, Value: fmt.Sprintf("%d.example", i), Class: ioc.Sinkhole}
		words = append(words, alertOf(lookup(resolver, asked, "NXDOMAIN", 10+i, uint64(10+i))))
	}
	d := trusting(t, scope.Trust{}, words...).Document(capture())
	if h := find(d, resolver); h.State != scope.Suspected || h.LeftOut != 28 {
		t.Errorf("%s, %d facts left out", h.State, h.LeftOut)
	}
	sameInAnyOrder(t, words, 10)
}

// TestTotals: facts that are not listed are counted, each once, in the
// document and in words.
func TestTotals(t *testing.T) {
	words := append(attacks(60, 1), attacks(60, 1)...) // told twice
	for i, again := range attacks(60, 1) {
		again.fact.Time, again.fact.Frame.Number = at(600+i), uint64(600+i)
		words = append(words, again)
	}
	l, _ := ledgerOf(t, words)
	d := l.Document(capture())
	h := find(d, worm)
	want := []scope.FactTotal{{Fact: "exploit-sent", Name: blue, LeftOut: 28, Peers: 60, Count: 120, First: at(1), Last: at(659)}}
	if diff := cmp.Diff(want, h.Totals); diff != "" || h.LeftOut != 28 || len(h.Facts) != 32 {
		t.Errorf("%d facts, %d left out, totals (-want +got):\n%s", len(h.Facts), h.LeftOut, diff)
	}
	text := textOf(t, d)
	if !strings.Contains(text, "attacked 60 hosts with EternalBlue 120 times") || strings.Contains(text, "more fact") {
		t.Errorf("the text is\n%s", text)
	}
	for _, f := range h.Facts {
		if f.First.After(at(60)) {
			t.Errorf("what was shortened has lost when it began: %+v", f)
		}
	}
}

// TestIndicatorsOfManyFacts: of facts that are not listed the indicators are.
func TestIndicatorsOfManyFacts(t *testing.T) {
	var words []said
	for i := range 40 {
		bad := &ioc.Indicator{Type: ioc.Address, Value: fmt.Sprintf("198.51.100.%d", i+1), Feed: "sector-cert", Confidence: ioc.HighConfidence}
		name := &ioc.Indicator{Type: ioc.Domain, Value: fmt.Sprintf("bad%d.example", i+1), Exact: true}
		words = append(words, alertOf(contact(worm, bad, 443, alert.Contact{State: "established", Initiator: "host"}, i, uint64(i+1))))
		words = append(words, alertOf(lookup("10.1.0.15", name, "NXDOMAIN", i, uint64(i+1))))
	}
	l, _ := ledgerOf(t, words)
	d := l.Document(capture())
	for _, ip := range []string{worm, "10.1.0.15"} {
		h := find(d, ip)
		met := map[string]bool{}
		for i := range h.Facts {
			met[h.Facts[i].Rule+h.Facts[i].Indicator] = true
		}
		for i := range h.Unlisted {
			met[h.Unlisted[i].Rule+h.Unlisted[i].Indicator] = true
		}
		if len(h.Facts) != 32 || len(h.Unlisted) != 8 || len(met) != 40 || h.IndicatorsLost() {
			t.Errorf("%s: %d listed, %d more, %d different: %+v", ip, len(h.Facts), len(h.Unlisted), len(met), h.Unlisted)
		}
	}
	if m := find(d, worm).Unlisted[0]; m.Rule != "ioc-ip" || m.Peer != m.Indicator || m.Class != "malicious" || m.Feed != "sector-cert" {
		t.Errorf("what is left out of the contacts is %+v", m)
	}
}

// TestTotalsBeyondCounting: what is not even counted is said to be missing, and
// its time is known.
func TestTotalsBeyondCounting(t *testing.T) {
	words := attacks(600, 1)
	early := smbFact(alert.FactExploitSent, worm, "10.3.9.9", blue, 601)
	early.Time = at(-5)
	l, _ := ledgerOf(t, append(words, factOf(early)))
	d := l.Document(capture())
	h := find(d, worm)
	if len(h.Totals) != 1 || h.Totals[0].Peers != 512 || !h.Totals[0].AtLeast {
		t.Errorf("totals %+v", h.Totals)
	}
	if !h.FirstSeen.Equal(at(-5)) || !h.LastSeen.Equal(at(600)) {
		t.Errorf("seen from %v to %v", h.FirstSeen, h.LastSeen)
	}
	if text := textOf(t, d); !strings.Contains(text, "attacked at least 512 hosts with EternalBlue") {
		t.Errorf("the text is\n%s", text)
	}
}

// TestManyScanners: the matrix and the text count those whose fact is not
// listed, too.
func TestManyScanners(t *testing.T) {
	var words []said
	for i := range 40 {
		words = append(words, factOf(targeted("10.3.0.20", fmt.Sprintf("10.1.0.%d", i+1), i, uint64(i+1))))
	}
	l, _ := ledgerOf(t, words)
	d := l.Document(capture())
	if m := d.Matrix[0]; m.Sources != 40 || m.Attempts != 40 {
		t.Errorf("matrix %+v", m)
	}
	if text := textOf(t, d); !strings.Contains(text, "by the scanner 10.1.0.1 on port 445 [frame 1], and by 39") {
		t.Errorf("the text is\n%s", text)
	}
}

// TestOrderOfMany: which facts are kept whole does not depend on the order in
// which they are told.
func TestOrderOfMany(t *testing.T) {
	words := attacks(90, 1)
	for i, w := range words {
		w.fact.Confidence = []float64{.5, .7, .9}[i%3]
	}
	sameInAnyOrder(t, words, 20)
}

// TestPatchedLate: of many checks the latest tells.
func TestPatchedLate(t *testing.T) {
	var words []said
	for i := range 50 {
		words = append(words, factOf(smbFact(alert.FactPatched, worm, fmt.Sprintf("10.1.1.%d", i+1), "check", i+1)))
	}
	words = append(words, factOf(targeted(worm, "10.1.1.1", 1, 1)),
		factOf(smbFact(alert.FactPatched, worm, "10.1.2.1", "check", 900)), factOf(smbFact(alert.FactVulnerable, worm, "10.1.2.2", "check", 300)))
	l, _ := ledgerOf(t, words)
	if h := find(l.Document(capture()), worm); h.Patch != "patched" || h.LastSeen.Sub(at(0)) != 900*time.Second {
		t.Errorf("%s, last seen %v", h.Patch, h.LastSeen)
	}
}

// TestManyTargetsOfAnOutsideHost: what an outside host attacked is counted
// beyond the facts that are kept whole.
func TestManyTargetsOfAnOutsideHost(t *testing.T) {
	var words []said
	for i := range 50 {
		words = append(words, factOf(smbFact(alert.FactExploitSent, "203.0.113.9", fmt.Sprintf("10.3.0.%d", i+1), blue, i+1)))
	}
	l, _ := ledgerOf(t, words)
	if s := l.Document(capture()).External[0]; s.Targets != 50 || !s.Last.Equal(at(50)) {
		t.Errorf("got %+v", s)
	}
}
