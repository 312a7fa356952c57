package feed

import (
	"bufio"
	"encoding/csv"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"wormscope/ioc"
)

// fuzzFormat checks what must hold of any input in a format: no panic, every
// entry counted once, and the Set has what the report says.
func fuzzFormat(f *testing.F, format Format, seeds ...string) {
	f.Helper()
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		b := ioc.NewBuilder()
		file := FileReport{Feed: "fuzz"}
		c := newCollector(b, &file, Options{})
		lines := newLineReader(t.Context(), strings.NewReader(content))
		var err error
		switch format {
		case MISP, STIX:
			err = c.readJSON(t.Context(), &source{Reader: bufio.NewReader(strings.NewReader(content))}, format)
		case Spamhaus:
			err = c.readSpamhaus(lines)
		case RPZ:
			err = c.readRPZ(lines)
		case CSV:
			l, findErr := findTable(content, Columns{})
			if findErr != nil {
				return
			}
			err = c.readCSV(lines, l)
		case Zeek:
			err = c.readZeek(lines)
		default:
			err = c.readPlain(lines)
		}
		if err != nil && (format == Plain || format == CSV || format == RPZ) {
			t.Fatal(err)
		}
		counts := b.Build().Counts()
		if counts.Total() != file.Total()-file.Duplicates {
			t.Fatalf("the set has %+v, the report says %+v", counts, file)
		}
		want := strings.Count(content, "\n")
		if content != "" && !strings.HasSuffix(content, "\n") {
			want++
		}
		if err == nil && file.Lines != want {
			t.Fatalf("%d lines, want %d", file.Lines, want)
		}
	})
}

func FuzzPlain(f *testing.F) {
	fuzzFormat(f, Plain, "evil.example # x\n192.0.2.0/24\n0.0.0.0 a.example b.example\nhxxp://a[.]b/", "\ufeff[2001:db8::1]:443\r\n||x.example^")
}

func FuzzCSV(f *testing.F) {
	fuzzFormat(f, CSV, threatFox, urlHaus, feodo, "domain;ip\na.example;192.0.2.1")
}

func FuzzZeek(f *testing.F) { fuzzFormat(f, Zeek, zeekIntel) }

func FuzzMISP(f *testing.F) { fuzzFormat(f, MISP, mispSample, `{"response":[{"Event":{}},[]]}`) }

func FuzzSTIX(f *testing.F) {
	fuzzFormat(f, STIX, stixSample, `{"objects":[{"type":"indicator","pattern":"([a:b='x'] OR [c:d IN (1,2)]) WITHIN 5 SECONDS"}]}`)
}

func FuzzSpamhaus(f *testing.F) { fuzzFormat(f, Spamhaus, spamhausSample) }

func FuzzRPZ(f *testing.F) { fuzzFormat(f, RPZ, rpzSample, rpzOfAZone) }

// FuzzZone compares zones without a mistake with what their parser says of them as a whole.
func FuzzZone(f *testing.F) {
	f.Add(rpzSample)
	f.Add(rpzOfAZone)
	f.Fuzz(func(t *testing.T, content string) {
		if strings.Contains(strings.ToUpper(content), "$GENERATE") || strings.Contains(content, "\r") {
			return
		}
		content += "\n"
		parser := dns.NewZoneParser(strings.NewReader(content), ".", "")
		parser.SetDefaultTTL(1)
		want := 0
		for _, ok := parser.Next(); ok; _, ok = parser.Next() {
			want++
		}
		if parser.Err() != nil {
			return
		}
		z := zoneLines{lines: newLineReader(t.Context(), strings.NewReader(content)), skip: func(Reason, line) { t.Fatal("a line is left out") }}
		parser = dns.NewZoneParser(&z, ".", "")
		parser.SetDefaultTTL(1)
		got := 0
		for _, ok := parser.Next(); ok; _, ok = parser.Next() {
			got, z.taken = got+1, z.taken[:0]
		}
		if parser.Err() != nil && !errors.Is(z.err, errLongRecord) || parser.Err() == nil && got != want {
			t.Fatalf("%d records, want %d: %v", got, want, parser.Err())
		}
	})
}

// FuzzRecognise looks for panics in what decides by the first bytes.
func FuzzRecognise(f *testing.F) {
	for _, s := range []string{threatFox, zeekIntel, "{", "[", "<", "[2001:db8::1]:443", "\x1f\x8b"} {
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, head, column string) {
		l, err := recognise([]byte(head), Options{Columns: Columns{Indicator: column}})
		if err == nil && l.format == CSV && len(l.table.columns[roleIndicator]) == 0 {
			t.Fatal("a table without a column of indicators")
		}
	})
}

// FuzzEntry compares how entries are taken apart with the standard library.
func FuzzEntry(f *testing.F) {
	for _, s := range []string{"evil.example", "192.0.2.1:80", "2001:db8::/32", "http://u@evil.example:8/x?y", "1.2.3", "[::1]:1"} {
		f.Add(s)
	}
	p := parser{guards: newGuards(), force: true}
	f.Fuzz(func(t *testing.T, entry string) {
		if entry == "" {
			return
		}
		checkPlainName(t, &p, entry)
		o, reason := p.parse(entry)
		if a, err := netip.ParseAddr(entry); err == nil && a.Zone() == "" {
			if reason != "" || o.kind != ioc.Address || o.net.Addr() != a.Unmap() {
				t.Fatalf("%q: %+v %q", entry, o, reason)
			}
		}
		if ap, err := netip.ParseAddrPort(entry); err == nil && ap.Port() != 0 && ap.Addr().Zone() == "" {
			if reason != "" || o.addr() != netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()) {
				t.Fatalf("%q: %+v %q", entry, o, reason)
			}
		}
		if reason != "" {
			return
		}
		if o.kind != ioc.Domain && !o.net.IsValid() {
			t.Fatalf("%q: an invalid network", entry)
		}
		if o.kind != ioc.Domain {
			return
		}
		if u, err := url.Parse(entry); err == nil && u.Host != "" && u.Hostname() != "" && isPlainASCII(u.Hostname()) {
			if want := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."); o.name != want {
				t.Fatalf("%q: host %q, net/url says %q", entry, o.name, want)
			}
		}
		// What came out is canonical: a Builder takes it, and it stays as it is.
		if err := ioc.NewBuilder().Add(ioc.Indicator{Value: o.name}); err != nil {
			t.Fatalf("%q: %v", entry, err)
		}
		if again, reason := p.parse(o.name); reason != "" || again.name != o.name {
			t.Fatalf("%q gives %q, which gives %q %q", entry, o.name, again.name, reason)
		}
	})
}

// isPlainASCII reports whether a text has only what names are made of.
func isPlainASCII(text string) bool {
	return strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// FuzzFields compares rows with encoding/csv, where that one reads them.
func FuzzFields(f *testing.F) {
	f.Add(`a,"b,""c""", d`)
	f.Add(`"x"y,z`)
	f.Fuzz(func(t *testing.T, row string) {
		if row == "" || strings.ContainsFunc(row, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // the two differ in what they take for a blank
		}
		r := csv.NewReader(strings.NewReader(row))
		r.TrimLeadingSpace = true
		want, err := r.Read()
		if err != nil {
			_, _ = splitFields(row, ',', nil)
			return
		}
		for i := range want {
			want[i] = strings.TrimSpace(want[i])
		}
		got, state := splitFields(row, ',', nil)
		if state != rowWhole || !slices.Equal(got, want) {
			t.Fatalf("%q: %q (%d), encoding/csv says %q", row, got, state, want)
		}
	})
}
