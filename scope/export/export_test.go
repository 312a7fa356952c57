package export_test

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/scope"
	"wormscope/scope/export"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

var start = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

const killSwitch = "www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com"

func lookup(name, class, resolver string, resolved ...string) scope.FactItem {
	return scope.FactItem{
		Fact: "beaconing", Confidence: .9, First: start, Last: start.Add(time.Minute), Rule: "ioc-domain",
		Peer: resolver, Indicator: name, Class: class, Feed: "sector-cert", Resolved: resolved, Counts: true, Detail: "asked for " + name,
	}
}

func contact(peer, class string) scope.FactItem {
	return scope.FactItem{
		Fact: "beaconing", Confidence: .8, First: start, Last: start.Add(time.Minute), Rule: "ioc-ip",
		Peer: peer, Indicator: peer, Class: class, Feed: "sector-cert", Port: 443, Counts: true, Detail: "connected to " + peer,
	}
}

func host(ip string, s scope.State, facts ...scope.FactItem) scope.HostEntry {
	return scope.HostEntry{IP: ip, Zone: "office", State: s, Confidence: .9, FirstSeen: start, LastSeen: start.Add(time.Minute), Facts: facts}
}

func scanner(ip string) scope.Scanner {
	return scope.Scanner{IP: ip, Targets: 254, Answered: 2, First: start, Last: start.Add(time.Minute)}
}

// document is a scope with one of everything that may and that must not be
// blocked.
func document() *scope.Document {
	last := start.Add(time.Hour)
	tried := scope.FactItem{Fact: "targeted", Confidence: .9, Detail: "was tried"}
	marked := host("10.1.0.14", scope.Infected, tried, lookup(killSwitch, "kill-switch", "10.3.0.53", "104.16.173.80"))
	marked.Marks = []scope.MarkKind{scope.Isolated}
	exact := lookup("only.example", "malicious", "10.3.0.53")
	exact.Exact = true
	vulnerable := scope.FactItem{Fact: "vulnerable", Confidence: .95, Detail: "is vulnerable to MS17-010"}
	counts := scope.FactItem{Fact: "scanning", Confidence: .8, Counts: true, Detail: "scanned port 445"}
	server := host("10.3.0.20", scope.Suspected, tried, vulnerable, counts)
	server.Role = []string{"file-server"}
	resolver := host("10.3.0.53", scope.Exposed)
	resolver.Role = []string{"resolver"}
	return &scope.Document{
		Version: scope.DocumentVersion,
		Capture: scope.CaptureSummary{Last: &last},
		Hosts: []scope.HostEntry{
			marked,
			host("fd00::7", scope.Infected, contact("198.51.100.7", "malicious"), contact("2001:db8::7", "malicious"), contact("2001:db8::", "malicious")),
			host("10.1.0.15", scope.Suspected,
				lookup("evil.example", "malicious", "9.9.9.9"), exact, lookup("weird_name!;\".example", "malicious", "10.3.0.53"),
				lookup("=cmd.example", "malicious", "10.3.0.53"), contact("198.51.100.7", "malicious"), contact("203.0.113.200", "anonymizer"),
				// What must stay out:
				lookup("sub."+killSwitch, "malicious", "10.3.0.53"), lookup("iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com", "malicious", "10.3.0.53"),
				lookup("com", "malicious", "10.3.0.53"), lookup("sink.example", "sinkhole", "10.3.0.53"),
				lookup("good.example", "malicious", "10.3.0.53"), lookup("www.good.example", "malicious", "10.3.0.53"),
				lookup("partner.example", "malicious", "10.3.0.53"), lookup(strings.Repeat("long.", 40)+"example", "malicious", "10.3.0.53"),
				contact("198.51.100.99", "sinkhole"), contact("198.51.100.98", "kill-switch"), contact("10.9.0.1", "malicious"), contact("9.9.9.9", "malicious"),
				contact("104.16.173.80", "malicious"), contact("192.0.2.77", "malicious"), contact("127.0.0.1", "malicious"), contact("239.0.0.1", "malicious")),
			server,
			host("10.1.0.16", scope.Targeted, tried),
			resolver,
		},
		NeverBlock: []scope.Protected{
			{IP: "9.9.9.9", Reason: "is a resolver that hosts inside ask"},
			{IP: "198.51.100.99", Reason: "is a sinkhole: defenders run it, and where a kill switch leads there the worm stops"},
			{IP: "104.16.173.80", Reason: "is where a kill switch leads to: blocked, the worm goes on"},
		},
		External: []scope.Scanner{scanner("203.0.113.99"), scanner("198.51.100.7"), scanner("192.0.2.78"), scanner("fe80::1%eth0"), scanner("10.0.0.9"), scanner("2001:db8:0:1::9")},
	}
}

// TestAttackerReason: what an outside host attacked with is why it is blocked.
func TestAttackerReason(t *testing.T) {
	d := document()
	d.External[0].Attacks = []string{"MS17-010 check", "EternalBlue"}
	l := export.Block(d, guards())
	at := slices.Index(values(l), d.External[0].IP)
	if at < 0 || l.Entries[at].Reason != "scans from outside: 254 targets, 2 answered; over SMB: MS17-010 check, EternalBlue" {
		t.Errorf("entry %d of %+v", at, l.Entries)
	}
	d.External[0].Targets, d.External[0].Attacks = 1, nil
	if l = export.Block(d, guards()); l.Entries[at].Reason != "scans from outside: 1 target, 2 answered" {
		t.Errorf("entry %d of %+v", at, l.Entries)
	}
}

func guards() export.Guards {
	g := export.Guards{Inside: func(a netip.Addr) bool { return a.Is4() && a.As4()[0] == 10 }}
	g.Trust.KillSwitch = func(name string) bool { return strings.Contains(name, "iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea") }
	for _, allowed := range []string{"192.0.2.0/24", "good.example", "cdn.partner.example.", "198.51.100.200"} {
		if err := g.Trust.Allow(allowed); err != nil {
			panic(err)
		}
	}
	return g
}

func block(t testing.TB) export.List {
	t.Helper()
	return export.Block(document(), guards())
}

func values(l export.List) []string {
	var v []string
	for i := range l.Entries {
		v = append(v, l.Entries[i].Value())
	}
	return v
}

func TestIsolate(t *testing.T) {
	for least, want := range map[scope.State][]string{
		scope.Infected:  {"10.1.0.14", "fd00::7"},
		scope.Suspected: {"10.1.0.14", "fd00::7", "10.1.0.15", "10.3.0.20"},
		scope.Targeted:  {"10.1.0.14", "fd00::7", "10.1.0.15", "10.3.0.20", "10.1.0.16"},
	} {
		l := export.Isolate(document(), least)
		if diff := cmp.Diff(want, values(l)); diff != "" {
			t.Errorf("%v: %s", least, diff)
		}
		if least == scope.Infected && (len(l.LeftOut) != 2 || l.LeftOut[0].Value != "10.1.0.15") {
			t.Errorf("left out: %+v", l.LeftOut)
		}
		if l.Entries[0].Reason != "infected: asked for "+killSwitch {
			t.Errorf("reason %q", l.Entries[0].Reason)
		}
	}
}

// TestRoleAndReason: every format says whom others need, and why it is listed:
// for what it did, not for how it is.
func TestRoleAndReason(t *testing.T) {
	l := export.Isolate(document(), scope.Suspected)
	for _, f := range formats(export.ToIsolate) {
		text := written(t, l, f)
		if !strings.Contains(text, "file-server") || !strings.Contains(text, "suspected: scanned port 445") || strings.Contains(text, "vulnerable") {
			t.Errorf("%s:\n%s", f, text)
		}
	}
}

func TestBlock(t *testing.T) {
	l := block(t)
	want := []string{
		"198.51.100.7", "2001:db8::7", "2001:db8::", "evil.example", "only.example", "weird_name!;\".example", "=cmd.example",
		"203.0.113.200", strings.Repeat("long.", 40) + "example", "203.0.113.99", "2001:db8:0:1::9",
	}
	if diff := cmp.Diff(want, values(l)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	why := map[string]string{
		killSwitch: "kill switch", "sub." + killSwitch: "kill switch", "com": "kill switch below",
		"iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com": "kill switch",
		"sink.example": "sinkhole", "good.example": "allow list", "www.good.example": "allow list", "partner.example": "allow list below",
		"198.51.100.99": "sinkhole", "198.51.100.98": "kill switch", "10.9.0.1": "inside", "9.9.9.9": "resolver", "104.16.173.80": "where a kill switch leads",
		"192.0.2.77": "allow list", "192.0.2.78": "allow list", "127.0.0.1": "no address", "239.0.0.1": "no address",
		"fe80::1": "no address", "10.0.0.9": "inside",
	}
	for _, out := range l.LeftOut {
		words, ok := why[out.Value]
		if !ok || !containsWords(out.Reason, words) {
			t.Errorf("left out %s: %s, want %q", out.Value, out.Reason, words)
		}
		delete(why, out.Value)
	}
	if len(why) > 0 {
		t.Errorf("not said to be left out: %v", why)
	}
}

// containsWords reports whether all words are in a text.
func containsWords(text, words string) bool {
	for w := range strings.FieldsSeq(words) {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// TestDocumentWithoutNeverBlock: documents of earlier versions do not list whom
// to keep; the facts tell.
func TestDocumentWithoutNeverBlock(t *testing.T) {
	d := document()
	want := values(export.Block(d, guards()))
	d.NeverBlock = nil
	if diff := cmp.Diff(want, values(export.Block(d, guards()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestIndicatorsBeyondFacts: what a host met beyond its listed facts is blocked,
// and guarded, as the rest is; what is no longer known is said.
func TestIndicatorsBeyondFacts(t *testing.T) {
	h := host("10.1.0.17", scope.Suspected)
	h.Unlisted = []scope.MetIndicator{
		{Rule: "ioc-ip", Indicator: "203.0.113.0/24", Peer: "203.0.113.44", Class: "malicious"},
		{Rule: "ioc-ip", Indicator: "203.0.113.45", Peer: "203.0.113.45", Class: "malicious"},
		{Rule: "ioc-domain", Indicator: "more.example", Peer: "10.3.0.53", Class: "malicious", Exact: true},
		{Rule: "ioc-domain", Indicator: "ends.example", Peer: "10.3.0.53", Class: "kill-switch"},
	}
	h.Totals = []scope.FactTotal{{Fact: "beaconing", LeftOut: 480, AtLeast: true}}
	d := &scope.Document{Hosts: []scope.HostEntry{h}, NeverBlock: []scope.Protected{{IP: "203.0.113.45", Reason: "is a sinkhole"}}}
	l := export.Block(d, export.Guards{})
	if got := values(l); !slices.Equal(got, []string{"203.0.113.44", "more.example"}) || !l.Entries[1].Exact {
		t.Errorf("%+v", l.Entries)
	}
	want := []export.LeftOut{
		{Value: "203.0.113.45", Reason: "is a sinkhole"},
		{Value: "ends.example", Reason: "is a kill switch: blocked, the worm goes on"},
		{Value: "10.1.0.17", Reason: "met more indicators than are known here: the events have them all"},
	}
	if diff := cmp.Diff(want, l.LeftOut); diff != "" {
		t.Error(diff)
	}
}

// TestAllowedAreNotIsolated: who acts for others is not taken off the network.
func TestAllowedAreNotIsolated(t *testing.T) {
	gateway := host("10.1.0.1", scope.Infected)
	gateway.Allowed = true
	l := export.Isolate(&scope.Document{Hosts: []scope.HostEntry{gateway}}, scope.Suspected)
	if len(l.Entries) != 0 || len(l.LeftOut) != 1 || l.LeftOut[0].Reason != "is an allowed scanner or translator: look behind it" {
		t.Errorf("%+v", l)
	}
}

func TestAWrongAllowListIsAnError(t *testing.T) {
	var trust scope.Trust
	if trust.Allow("10.0.0.0/99") == nil {
		t.Error("no error")
	}
}

// written is a list in a format.
func written(t testing.TB, l export.List, f export.Format) string {
	t.Helper()
	l = l.For(f)
	var b strings.Builder
	if err := l.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// lists are those that every format is tried with.
func lists(t testing.TB) map[string]export.List {
	t.Helper()
	empty := export.Block(&scope.Document{}, export.Guards{})
	return map[string]export.List{"block": block(t), "isolate": export.Isolate(document(), scope.Suspected), "empty": empty}
}

// formats are those that a list for a purpose can be written in.
func formats(p export.Purpose) []export.Format {
	return slices.DeleteFunc(export.Formats(), func(f export.Format) bool { return f.Check(p) != nil })
}

// TestNoNameServerIsolates: a dormant worm that gets no answer goes on.
func TestNoNameServerIsolates(t *testing.T) {
	l := export.Isolate(document(), scope.Infected)
	var b strings.Builder
	if err := l.Write(&b, export.RPZ); err == nil || b.Len() > 0 || !strings.Contains(err.Error(), "kill switch") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestGolden(t *testing.T) {
	for name, l := range lists(t) {
		for _, f := range formats(l.Purpose) {
			got := written(t, l, f)
			path := filepath.Join("testdata", name+"."+string(f))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		}
	}
}

func TestJSONAndCSVHoldTheSame(t *testing.T) {
	for name, l := range lists(t) {
		var doc struct {
			Entries []struct{ Type, Value string }
		}
		if err := json.Unmarshal([]byte(written(t, l, export.JSON)), &doc); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(written(t, l, export.CSV))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var fromJSON, fromCSV []string
		for _, e := range doc.Entries {
			fromJSON = append(fromJSON, e.Type+" "+e.Value)
		}
		for _, r := range rows[1:] {
			fromCSV = append(fromCSV, r[0]+" "+strings.TrimPrefix(r[1], "'"))
		}
		if !slices.Equal(fromJSON, fromCSV) || len(fromJSON) != len(l.Entries) {
			t.Errorf("%s: %v in JSON, %v in CSV, %d entries", name, fromJSON, fromCSV, len(l.Entries))
		}
	}
}

// FuzzReasons: whatever strangers wrote into a reason, no format takes it for
// anything but a comment.
func FuzzReasons(f *testing.F) {
	f.Add("x\nadd table inet evil")
	f.Add("}\r\n! end\x00\u2028flush ruleset")
	f.Fuzz(func(t *testing.T, words string) {
		d := document()
		for i := range d.Hosts {
			for k := range d.Hosts[i].Facts {
				d.Hosts[i].Facts[k].Feed, d.Hosts[i].Facts[k].Detail = words, words
			}
		}
		hostile := export.Block(d, guards())
		for name, pair := range map[string][2]export.List{
			"block":   {block(t), hostile},
			"isolate": {export.Isolate(document(), scope.Suspected), export.Isolate(d, scope.Suspected)},
		} {
			for _, format := range formats(pair[0].Purpose) {
				if format == export.CSV || format == export.JSON {
					continue
				}
				if got, want := commands(written(t, pair[1], format), format), commands(written(t, pair[0], format), format); got != want {
					t.Errorf("%s as %s: got\n%s\nwant\n%s", name, format, got, want)
				}
			}
		}
	})
}

// commands is a text without its comments.
func commands(text string, f export.Format) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if f == export.NFTables {
			line, _, _ = strings.Cut(line, "#")
			line = strings.TrimRight(line, " \n") + "\n"
		}
		trimmed := strings.TrimSpace(line)
		isComment := trimmed == "" || strings.ContainsRune("#;!", rune(trimmed[0])) && f != export.NFTables || strings.HasPrefix(trimmed, "remark ")
		if !isComment {
			b.WriteString(line)
		}
	}
	return b.String()
}
