package scope_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"

	"github.com/google/go-cmp/cmp"
)

// smbFact is a fact about SMB: its frame is its second.
func smbFact(kind alert.FactKind, host, peer, detail string, when int) alert.Fact {
	f := alert.Fact{
		Kind: kind, Host: addr(host), Port: 445, Detail: detail, Time: at(when),
		Frame: alert.FrameRef{Number: uint64(when)}, Alert: "0123456789abcdef0123456789abcdef",
	}
	if peer != "" {
		f.Peer = addr(peer)
	}
	return f
}

// sure is a fact with a confidence of its own.
func sure(f alert.Fact, confidence float64) alert.Fact {
	f.Confidence = confidence
	return f
}

const blue = "EternalBlue"

func facts(list ...alert.Fact) []said {
	words := make([]said, 0, len(list))
	for _, f := range list {
		words = append(words, factOf(f))
	}
	return words
}

func TestJudgementOfSMB(t *testing.T) {
	const host, peer, other = "10.1.0.14", "10.1.0.15", "10.1.0.16"
	few := scan(host, "sequential", alert.Scan{Port: 445, Targets: 20, Silent: 20}, 9, 9)
	tests := []struct {
		name       string
		said       []said
		state      scope.State
		confidence float64
	}{
		{"attacked", facts(smbFact(alert.FactExploitAttempted, host, peer, blue, 1)), scope.Targeted, .9},
		{"exploited, no more", facts(smbFact(alert.FactExploitCompleted, host, peer, blue, 1)), scope.Targeted, .95},
		{"vulnerable, no more", facts(smbFact(alert.FactVulnerable, host, peer, "check", 1)), scope.Seen, 0},
		{"asked for the implant", facts(smbFact(alert.FactProbed, host, peer, "ping", 1)), scope.Targeted, .9},
		{"has no implant", facts(smbFact(alert.FactClean, host, peer, "ping", 1)), scope.Targeted, .9},
		{"implanted", facts(smbFact(alert.FactImplanted, host, peer, "0x1 x86", 1)), scope.Infected, .99},
		{"implanted, from one direction", facts(sure(smbFact(alert.FactImplanted, host, peer, "0x1", 1), .8)), scope.Suspected, .8},
		{"payload delivered", facts(smbFact(alert.FactPayload, host, peer, "", 1)), scope.Infected, .95},
		{"payload from one direction", facts(sure(smbFact(alert.FactPayload, host, peer, "", 1), .85)), scope.Suspected, .85},
		{"that, and it scans", append(facts(sure(smbFact(alert.FactPayload, host, peer, "", 1), .85)), alertOf(few)), scope.Infected, .985},
		{"attacks", facts(smbFact(alert.FactExploitSent, host, peer, blue, 1)), scope.Suspected, .9},
		{"attacks two hosts", facts(smbFact(alert.FactExploitSent, host, peer, blue, 1), smbFact(alert.FactExploitSent, host, other, blue, 2)), scope.Suspected, .9},
		{"attacks and scans", append(facts(smbFact(alert.FactExploitSent, host, peer, blue, 1)), alertOf(few)), scope.Infected, .99},
		{"sends a mark", facts(sure(smbFact(alert.FactMark, host, peer, "ping-timeout", 1), .95)), scope.Infected, .95},
		{"sends a mark that tools have", facts(sure(smbFact(alert.FactMark, host, peer, "check-header", 1), .25)), scope.Seen, 0},
		{"sends a mark that says little", facts(sure(smbFact(alert.FactMark, host, peer, "tree-other-address", 1), .5)), scope.Suspected, .5},
		{"sends a payload", facts(smbFact(alert.FactExecuted, peer, host, "", 1)), scope.Suspected, .9},
		{"checks another", facts(smbFact(alert.FactVulnerable, peer, host, "check", 1)), scope.Seen, 0},
		{"checks another and scans", append(facts(smbFact(alert.FactPatched, peer, host, "check", 1)), alertOf(few)), scope.Suspected, .9},
		{"checks, asks and attacks", facts(
			smbFact(alert.FactVulnerable, peer, host, "check", 1), smbFact(alert.FactClean, peer, host, "ping", 2),
			smbFact(alert.FactExploitSent, host, peer, blue, 3),
		), scope.Suspected, .925},
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

func TestPatch(t *testing.T) {
	const host, peer = "10.1.0.14", "10.1.0.15"
	shown := smbFact(alert.FactTargeted, host, peer, "", 1) // so that it is listed
	is := func(a alert.Asset) alert.Fact {
		f := smbFact(alert.FactAsset, host, "", "", 2)
		f.Asset = &a
		return f
	}
	build := func(b string) alert.Fact {
		return is(alert.Asset{Build: alert.Attribute{Value: b, Confidence: .7, From: "ntlm"}, Product: alert.Attribute{Value: "Windows 10", Confidence: .55}})
	}
	samba := is(alert.Asset{Samba: true, Product: alert.Attribute{Value: "Samba", Confidence: .9}})
	old := sure(smbFact(alert.FactVulnerable, host, "", "running since 2017-01-02T03:04:05Z", 3), .7)
	check := func(k alert.FactKind, when int) alert.Fact { return smbFact(k, host, peer, "check", when) }
	for _, tt := range []struct {
		name       string
		said       []alert.Fact
		want       string
		confidence float64
	}{
		{"nothing", nil, "unknown", 0},
		{"a check without a result", []alert.Fact{check(alert.FactPatchUnknown, 5)}, "unknown", 0},
		{"vulnerable", []alert.Fact{check(alert.FactVulnerable, 5)}, "vulnerable", .95},
		{"patched", []alert.Fact{check(alert.FactPatched, 5)}, "patched", .95},
		{"patched since", []alert.Fact{check(alert.FactVulnerable, 5), check(alert.FactPatched, 6)}, "patched", .95},
		{"both at once", []alert.Fact{check(alert.FactVulnerable, 5), check(alert.FactPatched, 5)}, "patched", .95},
		{"no result since", []alert.Fact{check(alert.FactVulnerable, 5), check(alert.FactPatchUnknown, 6)}, "vulnerable", .95},
		{"exploited since", []alert.Fact{check(alert.FactPatched, 5), smbFact(alert.FactExploitCompleted, host, peer, blue, 6)}, "vulnerable", .95},
		{"attacked only", []alert.Fact{smbFact(alert.FactExploitAttempted, host, peer, blue, 6)}, "unknown", 0},
		{"runs since before the fix", []alert.Fact{old}, "vulnerable", .7},
		{"so it does, and is patched", []alert.Fact{old, check(alert.FactPatched, 1)}, "patched", .95},
		{"Samba", []alert.Fact{samba}, "patched", .9},
		{"Windows 10 1607", []alert.Fact{build("10.0.14393")}, "unknown", 0},
		{"Windows 10 1703", []alert.Fact{build("10.0.15063")}, "patched", .7},
		{"Windows 11", []alert.Fact{build("10.0.22631")}, "patched", .7},
		{"Windows 11, exploited", []alert.Fact{build("10.0.22631"), smbFact(alert.FactExploitCompleted, host, peer, blue, 6)}, "vulnerable", .95},
		{"Windows 7", []alert.Fact{build("6.1.7601")}, "unknown", 0},
		{"no build", []alert.Fact{build("10.0.x")}, "unknown", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := ledgerOf(t, facts(append(tt.said, shown)...))
			h := find(l.Document(capture()), host)
			if h.Patch != tt.want || math.Abs(h.PatchSure-tt.confidence) > 1e-9 || (h.PatchWhy == "") != (tt.want == "unknown") {
				t.Errorf("%s with %v because %q, want %s with %v", h.Patch, h.PatchSure, h.PatchWhy, tt.want, tt.confidence)
			}
		})
	}
}

// TestWhyNotAffected: what came out with the fix had the flaw before, and is
// not said to be without.
func TestWhyNotAffected(t *testing.T) {
	const host = "10.1.0.14"
	for _, c := range []struct {
		asset alert.Asset
		want  string
	}{
		{alert.Asset{Build: alert.Attribute{Value: "10.0.17763", Confidence: .7}, Product: alert.Attribute{Value: "Windows 10", Confidence: .55}}, "build 10.0.17763 came out after the fix"},
		{alert.Asset{Samba: true, Product: alert.Attribute{Value: "Samba", Confidence: .9}}, "Samba never had the flaw"},
	} {
		f := smbFact(alert.FactAsset, host, "", "", 2)
		f.Asset = &c.asset
		l, _ := ledgerOf(t, facts(smbFact(alert.FactTargeted, host, "10.1.0.15", "", 1), f))
		if h := find(l.Document(capture()), host); h.PatchWhy != c.want {
			t.Errorf("%q, want %q", h.PatchWhy, c.want)
		}
	}
}

// TestUnansweredCheckWords: silence is one where the server's side is seen.
func TestUnansweredCheckWords(t *testing.T) {
	host, peer := netip.MustParseAddrPort("10.0.0.9:445"), netip.MustParseAddrPort("10.0.0.8:5000")
	for oneWay, want := range map[bool]string{
		false: "was checked for MS17-010 by 10.0.0.8: no answer",
		true:  "was checked for MS17-010 by 10.0.0.8: the answer is not in the capture; told from one direction of the traffic",
	} {
		a := alert.Alert{Host: host.Addr(), Orig: peer, Resp: host, Count: 1}
		a.Evidence.SMB = &alert.SMB{Check: &alert.SMBCheck{Patch: alert.PatchUnknown}, OneWay: oneWay}
		if got := scope.Predicate(&a); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAssetGrows(t *testing.T) {
	const host = "10.1.0.14"
	tell := func(when int, a alert.Asset) alert.Fact {
		f := smbFact(alert.FactAsset, host, "", "", when)
		f.Asset = &a
		return f
	}
	said := []alert.Fact{
		smbFact(alert.FactTargeted, host, "10.1.0.15", "", 1),
		tell(2, alert.Asset{SMB1: true, Dialects: []string{"NT LM 0.12"}, SigningKnown: true}),
		tell(3, alert.Asset{
			OS:      alert.Attribute{Value: "Windows 5.1", Confidence: .9, From: "native-os"},
			Product: alert.Attribute{Value: "Windows XP", Confidence: .9, From: "native-os"}, OutOfSupport: true, Affected: true,
		}),
		tell(4, alert.Asset{
			Product: alert.Attribute{Value: "Windows 10", Confidence: .55, From: "ntlm"}, // less sure
			Name:    alert.Attribute{Value: "WARD4", Confidence: .95, From: "ntlm"}, Dialects: []string{"2.1", "NT LM 0.12"},
			SigningKnown: true, SigningRequired: true,
		}),
	}
	want := &scope.AssetEntry{
		OS:      &scope.Attribute{Value: "Windows 5.1", Confidence: .9, From: "native-os"},
		Product: &scope.Attribute{Value: "Windows XP", Confidence: .9, From: "native-os"},
		Name:    &scope.Attribute{Value: "WARD4", Confidence: .95, From: "ntlm"},
		SMB1:    true, Dialects: []string{"NT LM 0.12", "2.1"}, Signing: "required", OutOfSupport: true, Affected: true,
	}
	l, _ := ledgerOf(t, facts(said...))
	if diff := cmp.Diff(want, find(l.Document(capture()), host).Asset); diff != "" {
		t.Errorf("asset (-want +got):\n%s", diff)
	}
	for _, f := range said { // delivered again
		l.Fact(f)
	}
	if diff := cmp.Diff(want, find(l.Document(capture()), host).Asset); diff != "" {
		t.Errorf("asset after a second delivery (-want +got):\n%s", diff)
	}
}

// TestAddressOfAnotherMachine: the latest of a Samba and a Windows is what a
// host is, in whatever order they are told, and as runs tell it that know
// nothing of each other.
func TestAddressOfAnotherMachine(t *testing.T) {
	const host = "10.1.0.14"
	is := func(when int, a alert.Asset) alert.Fact {
		f := smbFact(alert.FactAsset, host, "", "", when)
		f.Asset = &a
		return f
	}
	attribute := func(v string, confidence float64) alert.Attribute {
		return alert.Attribute{Value: v, Confidence: confidence, From: "native-os"}
	}
	samba := alert.Asset{Samba: true, Product: attribute("Samba", .9), OS: attribute("Unix", .9), LAN: attribute("Samba 4.7.6", .9)}
	windows := alert.Asset{Product: attribute("Windows 7 or Server 2008 R2", .55), Build: attribute("6.1.7601", .7), OutOfSupport: true}
	opened := alert.Asset{SMB1: true, Dialects: []string{"NT LM 0.12"}}
	for _, c := range []struct {
		said               []alert.Fact
		product, patch, os string
		over               bool
	}{
		{[]alert.Fact{is(2, samba), is(3, opened), is(4, windows)}, "Windows 7 or Server 2008 R2", "unknown", "", true},
		{[]alert.Fact{is(4, windows), is(3, opened), is(2, samba)}, "Windows 7 or Server 2008 R2", "unknown", "", true},
		{[]alert.Fact{is(2, windows), is(3, opened), is(4, samba)}, "Samba", "patched", "Unix", false},
		{[]alert.Fact{is(2, samba), is(3, opened)}, "Samba", "patched", "Unix", false},
	} {
		l, _ := ledgerOf(t, append(facts(c.said...), factOf(targeted(host, "10.1.0.15", 1, 1))))
		h := find(l.Document(capture()), host)
		a, os := h.Asset, ""
		if a.OS != nil {
			os = a.OS.Value
		}
		if a.Product.Value != c.product || h.Patch != c.patch || os != c.os || a.OutOfSupport != c.over || a.Samba != (c.product == "Samba") {
			t.Errorf("%+v: %s, %s, %+v", c.said, a.Product.Value, h.Patch, a)
		}
	}
}

// TestExposedOrder: of hosts that show no sign of infection, those that the
// internet reaches come first, then those that are known to be open.
func TestExposedOrder(t *testing.T) {
	open := func(host string, outside bool, when int) said {
		by := "10.1.0.9"
		if outside {
			by = "203.0.113.5"
		}
		return alertOf(exposed(host, 445, by, 1, outside, when, uint64(when)))
	}
	xp := smbFact(alert.FactAsset, "10.1.0.13", "", "", 8)
	xp.Asset = &alert.Asset{Product: alert.Attribute{Value: "Windows XP", Confidence: .9}, OutOfSupport: true, Affected: true}
	l, _ := ledgerOf(t, []said{
		open("10.1.0.11", false, 1), open("10.1.0.12", false, 2), open("10.1.0.13", false, 3), open("10.1.0.14", true, 4),
		factOf(smbFact(alert.FactVulnerable, "10.1.0.12", "", "running since 2017-01-02T03:04:05Z", 5)), factOf(xp),
	})
	d := l.Document(capture())
	var got []string
	for _, h := range d.Hosts {
		got = append(got, h.IP)
	}
	if want := []string{"10.1.0.14", "10.1.0.12", "10.1.0.13", "10.1.0.11"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if n := d.Totals; n.Vulnerable != 1 || n.Patched != 0 || n.OutOfSupport != 1 {
		t.Errorf("totals %+v", n)
	}
}

// TestOutsideAttacker: what an outside host does over SMB puts it on the list
// of those to block, and what an inside host does to it does not.
func TestOutsideAttacker(t *testing.T) {
	l, _ := ledgerOf(t, facts(
		smbFact(alert.FactVulnerable, "10.1.0.14", "203.0.113.9", "check", 1),
		smbFact(alert.FactExploitAttempted, "10.1.0.14", "203.0.113.9", blue, 2),
		smbFact(alert.FactExploitSent, "203.0.113.9", "10.1.0.14", blue, 2),
		smbFact(alert.FactExploitSent, "203.0.113.9", "10.1.0.15", blue, 3),
		smbFact(alert.FactImplanted, "10.1.0.14", "203.0.113.9", "0x1 x64", 4),
		smbFact(alert.FactPayload, "10.1.0.14", "203.0.113.9", "", 5),
		smbFact(alert.FactImplanted, "203.0.113.20", "10.1.0.14", "0x2 x64", 6),
	))
	d := l.Document(capture())
	if len(d.External) != 1 {
		t.Fatalf("%d outside hosts, want 1: %+v", len(d.External), d.External)
	}
	got := d.External[0]
	want := scope.Scanner{
		IP: "203.0.113.9", Ports: []uint16{445}, Targets: 2, Answered: 2, First: at(1), Last: at(5), Frames: []uint64{1, 2, 3, 4},
		Alerts: []string{"0123456789abcdef0123456789abcdef"}, Attacks: []string{"MS17-010 check", blue, "DoublePulsar check", "DoublePulsar payload"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outside attacker (-want +got):\n%s", diff)
	}
	h := find(d, "10.1.0.14")
	if !h.PatientZero || len(h.InfectedBy) != 1 || h.InfectedBy[0].Inside {
		t.Errorf("infected by %+v, patient-zero candidate %v: the worm came in here", h.InfectedBy, h.PatientZero)
	}
	if !strings.Contains(textOf(t, d), "└─ 10.1.0.14") {
		t.Errorf("no tree in\n%s", textOf(t, d))
	}
}

// TestOrderOfSMBDoesNotMatter: facts in any order, some of them twice, come to
// the same document.
func TestOrderOfSMBDoesNotMatter(t *testing.T) {
	said := bracketed()
	l, _ := ledgerOf(t, facts(said...))
	want := jsonOf(t, l.Document(capture()))
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		mixed := slices.Clone(said)
		r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		l, _ := ledgerOf(t, facts(append(mixed, mixed[:len(mixed)/2]...)...))
		if diff := cmp.Diff(want, jsonOf(t, l.Document(capture()))); diff != "" {
			t.Fatalf("another order, another document (-want +got):\n%s", diff)
		}
	}
}

// TestManyMoments: of many sightings the first and the last are kept, so that
// it can be told which of them came before an infection.
func TestManyMoments(t *testing.T) {
	const host, peer = "10.1.0.14", "10.1.0.15"
	said := []alert.Fact{smbFact(alert.FactImplanted, host, peer, "0x1 x64", 5000)}
	for i := range 1000 {
		said = append(said, smbFact(alert.FactExploitCompleted, host, peer, blue, i+1), smbFact(alert.FactExploitCompleted, host, peer, blue, 6000+i))
	}
	r := rand.New(rand.NewPCG(3, 4))
	r.Shuffle(len(said), func(i, j int) { said[i], said[j] = said[j], said[i] })
	l, _ := ledgerOf(t, facts(said...))
	h := find(l.Document(capture()), host)
	if len(h.InfectedBy) != 1 || h.InfectedBy[0].Steps[0].Frame != 8 {
		t.Errorf("infected by %+v, want the eighth exploit, the last of the early ones that are kept", h.InfectedBy)
	}
	if n := h.Facts[0].Count; n != 2000 {
		t.Errorf("counted %d, want 2000", n)
	}
}

func TestTextOfSMB(t *testing.T) {
	l, _ := ledgerOf(t, append(facts(bracketed()...),
		factOf(smbFact(alert.FactExploitCompleted, "10.1.0.30", "10.1.0.1", blue, 40)),
		factOf(smbFact(alert.FactExploitCompleted, "10.1.0.30", "10.1.0.2", blue, 41)),
		alertOf(exposed("10.1.0.30", 445, "10.1.0.1", 2, false, 39, 39))))
	d := l.Document(capture())
	golden(t, "spread.json", jsonOf(t, d))
	golden(t, "spread.txt", textOf(t, d))
	for i, line := range strings.Split(textOf(t, d), "\n") {
		if n := len([]rune(line)); n > 100 {
			t.Errorf("line %d is %d characters wide: %s", i+1, n, line)
		}
	}
}

// TestCodeIsNoProgram: what an implant ran is not called a program, or the
// payload, before there was enough of it.
func TestCodeIsNoProgram(t *testing.T) {
	l, _ := ledgerOf(t, facts(
		smbFact(alert.FactImplanted, "10.1.0.14", "10.1.0.15", "0x1 x64", 1),
		smbFact(alert.FactExecuted, "10.1.0.14", "10.1.0.15", "", 2),
	))
	text := textOf(t, l.Document(capture()))
	for _, want := range []string{"ran code on 10.1.0.14 through DoublePulsar", "had it run code [frame 2]"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "program") || strings.Contains(text, "payload") {
		t.Errorf("the text is\n%s", text)
	}
}

// TestTreeIsBounded: a long chain and a wide one are cut, and the count of
// what is left out is right.
func TestTreeIsBounded(t *testing.T) {
	var said []alert.Fact
	for i := range 2000 {
		by, host := fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), fmt.Sprintf("10.1.%d.%d", (i+1)/250, (i+1)%250+1)
		said = append(said,
			smbFact(alert.FactExploitCompleted, host, by, blue, 3*i+1), smbFact(alert.FactImplanted, host, by, "0x1 x64", 3*i+2),
			smbFact(alert.FactPayload, host, by, "", 3*i+3))
	}
	l, _ := ledgerOf(t, facts(said...))
	text := textOf(t, l.Document(capture()))
	if n := strings.Count(text, "└─ "); n != 29 {
		t.Errorf("%d branches, want 29", n)
	}
	if !strings.Contains(text, "... and 1,971 more: see --scope FILE for all") {
		t.Errorf("does not say how many are left out:\n%s", text[:3000])
	}
}
