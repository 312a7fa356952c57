package export_test

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"wormscope/scope"
	"wormscope/scope/export"
)

// TestGuardsSeeNamesAsResolversDo: documents and sensors of elsewhere write names as
// they like. However one is written, it is the one that is guarded.
func TestGuardsSeeNamesAsResolversDo(t *testing.T) {
	d := &scope.Document{Hosts: []scope.HostEntry{host(
		"10.1.0.15", scope.Suspected,
		lookup("GOOD.example", "malicious", "10.3.0.53"), lookup("www.good.example.", "malicious", "10.3.0.53"),
		lookup("COM.", "malicious", "10.3.0.53"), lookup("WWW.Iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.COM.", "malicious", "10.3.0.53"),
		lookup("EVIL.example.", "malicious", "10.3.0.53"), lookup("evil.example", "malicious", "10.3.0.53"),
	)}}
	l := export.Block(d, guards())
	if got := values(l); !slices.Equal(got, []string{"evil.example"}) {
		t.Errorf("to block: %q", got)
	}
	if len(l.LeftOut) != 4 {
		t.Errorf("left out: %+v", l.LeftOut)
	}
}

// TestNoNames: what a name server would not take is not given to it, since it
// refuses the whole zone for one line.
func TestNoNames(t *testing.T) {
	long := strings.Repeat("a", 64) + ".example"
	bad := []string{
		"", ".", "a..example", ".example", "a.example..", long, `a.example\`, `a\25.example`, `a\256.example`, `a\ .example`,
		"a b.example", "a\nb.example", "a\x1b[31m.example", "ä.example", "a\u202e.example",
	}
	good := []string{"a.example", `a\.b.example`, `a\032b.example`, `a\;b.example`, strings.Repeat("a", 63) + ".example"}
	d := &scope.Document{}
	for _, name := range slices.Concat(bad, good) {
		d.Hosts = append(d.Hosts, host("10.1.0.15", scope.Suspected, lookup(name, "malicious", "10.3.0.53")))
	}
	l := export.Block(d, guards())
	if got := values(l); !slices.Equal(got, good) {
		t.Errorf("got %q, want %q", got, good)
	}
	text := written(t, l, export.RPZ)
	if want := "\na\\059b.example IN CNAME .\n"; !strings.Contains(text, want) {
		t.Errorf("want %q in\n%s", want, text)
	}
}

// TestNamesAreNoTriggers: a name that a feed lists, and someone inside asked for, is not
// taken for a rule of a zone, which could be for all addresses or for all clients.
func TestNamesAreNoTriggers(t *testing.T) {
	d := &scope.Document{}
	bad := []string{"1.0.0.0.128.rpz-ip", "8.0.0.0.10.RPZ-Client-IP.", "com.rpz-nsdname", `1.0.0.0.0.rpz\045ip`, `1.0.0.0.0.rpz-i\112`, `1.0.0.0.0.r\pz-ip`}
	for _, name := range append(bad, "a.rpz-ip.example") {
		d.Hosts = append(d.Hosts, host("10.1.0.15", scope.Suspected, lookup(name, "malicious", "10.3.0.53")))
	}
	all := export.Block(d, guards())
	l := all.For(export.RPZ)
	if got := values(l); !slices.Equal(got, []string{"a.rpz-ip.example"}) {
		t.Errorf("in the zone: %q", got)
	}
	if len(l.LeftOut) == 0 {
		t.Error("it is not said what is left out")
	}
}

// TestGuardsSeeThroughEscapes: a kill switch stays one when its letters are escaped.
func TestGuardsSeeThroughEscapes(t *testing.T) {
	for _, name := range []string{`www.\105` + killSwitch[5:], `www.\I` + killSwitch[5:], "www" + `\046` + "good.example", `g\111od.example`} {
		d := &scope.Document{Hosts: []scope.HostEntry{host("10.1.0.15", scope.Suspected, lookup(name, "malicious", "10.3.0.53"))}}
		l := export.Block(d, guards())
		if got := values(l); strings.Contains(name, "046") != (len(got) == 1) { // a label with a dot in it is another name
			t.Errorf("%s: to block %q", name, got)
		}
	}
}

// TestCellsAreNoFormulas: no field of a table that strangers had a part in is taken
// for a formula, or for two lines.
func TestCellsAreNoFormulas(t *testing.T) {
	for _, evil := range []string{"=1+1", "+1", "-1", "@SUM(1)", "\t=1+1", "\r=1+1", "\n=1+1", "＝1+1", "＠SUM(1)"} {
		h := host("10.1.0.15", scope.Suspected, lookup("evil.example", "malicious", "10.3.0.53"))
		h.Zone, h.Role, h.Marks = evil, []string{evil}, []scope.MarkKind{scope.MarkKind(evil)}
		text := written(t, export.Isolate(&scope.Document{Hosts: []scope.HostEntry{h}}, scope.Suspected), export.CSV)
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(rows) != 2 || strings.Count(text, "\n") != 2 {
			t.Fatalf("%q: %v in %q", evil, err, text)
		}
		for i, field := range rows[1] {
			if strings.HasPrefix(field, evil) || strings.ContainsAny(field, "\t\r\n") {
				t.Errorf("%q: %s is %q", evil, rows[0][i], field)
			}
		}
	}
}
