package cef_test

import (
	"bytes"
	"flag"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"wormscope/detect/alert"
	"wormscope/internal/samples"
	"wormscope/sinks/cef"
	"wormscope/sinks/event"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func renderer(t testing.TB) *cef.Renderer {
	t.Helper()
	zones, err := samples.Zones()
	if err != nil {
		t.Fatal(err)
	}
	return cef.New(cef.Options{Version: "1.2.3", Sensor: "tap-1", Zones: zones})
}

func TestGolden(t *testing.T) { samples.Golden(t, *update, renderer(t).Event) }

// lookup is an event with a name that its sender chose.
func lookup(name string) event.Event {
	return samples.Alert(alert.Alert{
		Rule: alert.RuleDomain, Proto: 17, Name: name,
		Evidence: alert.Evidence{DNS: &alert.DNS{Question: name, Matched: name, ResponseCode: "NXDOMAIN"}},
	})
}

// hostile are names that try to end a field, a record or the alphabet.
func hostile() []string {
	return []string{
		"evil.example", "a|b|c", "x=y src=10.0.0.1", `back\slash`, `end\`, "two\nlines", "carriage\rreturn", "\xff\xfe.example",
		"tab\there", "nul\x00", "next\u0085line", "csi\u009b31m", "gnp.\u202eexe", strings.Repeat("ä", 600), "", " ", "=", "|", `\=`, `\|`, "cs1Label=zone cs1=dmz",
	}
}

func TestHostileNames(t *testing.T) {
	r := renderer(t)
	for _, name := range hostile() {
		checkLine(t, r, name)
	}
}

func FuzzNames(f *testing.F) {
	for _, name := range hostile() {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) { checkLine(t, renderer(t), name) })
}

// checkLine: a name can't break out of its field, nor a record out of its line.
func checkLine(t *testing.T, r *cef.Renderer, name string) {
	t.Helper()
	e := lookup(name)
	b, err := r.Event(&e)
	if err != nil {
		t.Fatal(err)
	}
	hidden := func(r rune) bool { return !unicode.IsGraphic(r) }
	if bytes.ContainsFunc(b, hidden) || !utf8.Valid(b) || len(b) >= 8192 {
		t.Fatalf("%q leads to %d bytes: %q", name, len(b), b)
	}
	header, extension := parse(t, string(b))
	plain := lookup("x")
	b, err = r.Event(&plain)
	if err != nil {
		t.Fatal(err)
	}
	_, want := parse(t, string(b))
	if len(header) != 8 || header[4] != "ioc-domain" {
		t.Fatalf("%q leads to the header %q", name, header)
	}
	if name != "" {
		delete(want, "destinationDnsDomain")
		delete(extension, "destinationDnsDomain")
	}
	if name == "" {
		delete(want, "destinationDnsDomain")
	}
	for _, m := range []map[string]string{want, extension} {
		delete(m, "msg")
	}
	if diff := cmp.Diff(want, extension); diff != "" {
		t.Fatalf("%q changes other fields (-want +got):\n%s", name, diff)
	}
}

// parse reads a record by the letter of the standard.
func parse(t *testing.T, s string) (header []string, extension map[string]string) {
	t.Helper()
	field := ""
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			field += s[i : i+1]
		case s[i] == '|':
			header, field = append(header, field), ""
			if len(header) == 7 {
				return append(header, ""), pairs(t, s[i+1:])
			}
		default:
			field += s[i : i+1]
		}
	}
	t.Fatalf("the header has no end: %q", s)
	return nil, nil
}

// pairs reads an extension: a key is the word before an unescaped =.
func pairs(t *testing.T, s string) map[string]string {
	t.Helper()
	var marks []int // of unescaped =
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '=':
			marks = append(marks, i)
		}
	}
	out := map[string]string{}
	for n, at := range marks {
		key := s[strings.LastIndex(s[:at], " ")+1 : at]
		end := len(s)
		if n+1 < len(marks) {
			end = strings.LastIndex(s[:marks[n+1]], " ")
		}
		if _, twice := out[key]; twice {
			t.Fatalf("%s is there twice: %q", key, s)
		}
		out[key] = strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\n`, "\n", `\r`, "\r").Replace(s[at+1 : end])
	}
	return out
}

// TestKeys: every key is one of the standard's.
func TestKeys(t *testing.T) {
	known := map[string]bool{}
	for k := range strings.FieldsSeq(`rt start end externalId dvchost cat msg cnt src spt dst dpt proto app deviceDirection
		c6a2 c6a2Label c6a3 c6a3Label cs1 cs1Label cs2 cs2Label cs3 cs3Label cs4 cs4Label cs5 cs5Label cs6 cs6Label
		cn1 cn1Label cn2 cn2Label cfp1 cfp1Label flexString1 flexString1Label flexString2 flexString2Label
		in out outcome destinationDnsDomain fname`) {
		known[k] = true
	}
	r := renderer(t)
	for _, s := range samples.All() {
		b, err := r.Event(&s.Event)
		if err != nil {
			t.Fatal(err)
		}
		_, got := parse(t, string(b))
		for k := range maps.Keys(got) {
			if !known[k] {
				t.Errorf("%s: %s is no key of the standard", s.Name, k)
			}
		}
	}
	if _, err := r.Event(&event.Event{Fact: &alert.Fact{}}); err == nil {
		t.Error("a fact is rendered")
	}
}

// TestBytes: the standard says of bytesIn that data was flowing from source to
// destination, of bytesOut the reverse.
func TestBytes(t *testing.T) {
	e := samples.Alert(alert.Alert{
		Rule: alert.RuleContact, Proto: 6,
		Orig: netip.MustParseAddrPort("10.1.0.14:50001"), Resp: netip.MustParseAddrPort("198.51.100.7:443"),
		Evidence: alert.Evidence{Contact: &alert.Contact{State: "established", BytesOrig: 1834, BytesResp: 5_300_000}},
	})
	b, err := renderer(t).Event(&e)
	if err != nil {
		t.Fatal(err)
	}
	_, got := parse(t, string(b))
	if got["src"] != "10.1.0.14" || got["in"] != "1834" || got["out"] != "5300000" {
		t.Errorf("the source %s sent %s bytes and got %s", got["src"], got["in"], got["out"])
	}
}
