package feed

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wormscope/ioc"
)

func TestExpiryForms(t *testing.T) {
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	minute, day := at.Truncate(time.Minute), at.Truncate(24*time.Hour)
	for text, want := range map[string]time.Time{
		"2020-01-02 03:04:05":             at,
		"2020-01-02 03:04:05 UTC":         at,
		"2020-01-02T03:04:05.123456Z":     at,
		"2020-01-02 04:04:05+01:00":       at,
		"2020-01-02 03:04:05.250000+0000": at,
		"2020-01-02T05:04:05+0200":        at,
		"2020-01-02 05:04:05 +0200":       at,
		"1577934245":                      at,
		"1577934245000":                   at,
		"2020-01-02T03:04":                minute,
		"2020-01-02":                      day,
		"2020/01/02":                      day,
		"20200102":                        day,
		"20200102030405":                  at,
		"20201302030405":                  {}, // the year 2610 in milliseconds
		"01/02/2020":                      {},
		"soon":                            {},
		"1970-01-01":                      {},
	} {
		if got := parseTime(text); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// TestUndated has entries whose expiry is not understood: they are used, and
// counted with their lines.
func TestUndated(t *testing.T) {
	s, file := load(t, "domain,expires\na.example,01/02/2020\nb.example,2020-01-02\nc.example,never\nd.example,0\ne.example,\nf.example,soon\n", Options{})
	if file.Names != 6 || len(file.Skipped) != 0 {
		t.Errorf("%+v", file)
	}
	if u := file.Undated; u.Count != 2 || u.Samples[0] != (Sample{2, "a.example,01/02/2020"}) || u.Samples[1].Line != 7 {
		t.Errorf("undated: %+v", u)
	}
	if i, ok := find(s, "a.example"); !ok || !i.Expires.IsZero() {
		t.Errorf("a.example: %+v", i)
	}
	r := Report{Files: []FileReport{file}}
	var text strings.Builder
	want := "  undated  2: an expiry that is not understood; used for ever\n           line 2: a.example,01/02/2020\n           line 7: f.example,soon\n"
	if err := r.WriteText(&text); err != nil || !strings.HasSuffix(text.String(), want) {
		t.Errorf("%s", text.String())
	}
}

func TestConfidenceScales(t *testing.T) {
	for text, want := range map[string]ioc.Confidence{
		"95": ioc.HighConfidence, "0.95": ioc.HighConfidence, "1.0": ioc.HighConfidence, "0.30": ioc.MediumConfidence,
		".1": ioc.LowConfidence, "1": ioc.LowConfidence, "1.5": ioc.LowConfidence, "0": ioc.None, "0.0": ioc.None,
		"0.5%": ioc.None, "80%": ioc.HighConfidence, "High": ioc.HighConfidence, "": ioc.NotSpecified, "?": ioc.NotSpecified,
	} {
		if got := parseConfidence(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestDelimiterAtTheEnd has rows with one more, empty field than the header.
func TestDelimiterAtTheEnd(t *testing.T) {
	s, file := load(t, "ip,port,desc\n203.0.113.9,4444,x,\n203.0.113.10,80,y,\n", Options{})
	if i, ok := find(s, "203.0.113.9:4444"); !ok || i.Port != 4444 || file.Format != CSV || file.Addresses != 2 {
		t.Errorf("%+v, %+v", i, file)
	}
}

// TestIrregularRows has tables whose first row has more or fewer fields than
// the header: what the columns say of an entry holds all the same.
func TestIrregularRows(t *testing.T) {
	for content, want := range map[string]string{
		"indicator,to_ids,description\na.example,0,Emotet, epoch 5\nb.example,1,x\n":             "b.example",
		"sep=;\r\nindicator;to_ids;description\r\na.example;0;Emotet\r\nb.example;1;x\r\n":       "b.example",
		"date,ip,port,malware\n2026-11-01,192.0.2.1\n2026-11-01,192.0.2.2,443,Emotet\n":          "192.0.2.2:443",
		"# id,date,domain,by\n1,2026-11-01,a.example,x, y\n2,2026-11-01,b.example,z\n":           "b.example",
		"sep=!\nindicator!to_ids\na.example!0\nb.example!1\n":                                    "b.example",
		"date,domain\n2026-11-01,a.example,x\n2026-11-01,b.example\n":                            "b.example",
		"domain;valid_until\na.example;2020-01-01;x\nb.example;2030-01-01\nc.example;;\n# end\n": "b.example",
	} {
		s, file := load(t, content, Options{})
		if _, ok := find(s, want); !ok || file.Format != CSV {
			t.Errorf("%q: %s %v: %+v", content, want, ok, file)
		}
		if strings.Contains(content, "to_ids") && (file.Total() != 1 || len(file.Skipped) != 1 || file.Skipped[0].Reason != reasonUndetected) {
			t.Errorf("%q: %+v", content, file)
		}
	}
}

// TestTypes has the words that feeds have for kinds of indicators.
// TestManyQuotes: fields of thousands of quotes are read. What grew with the square of
// their number, again for each line of a field, took hours for a large feed.
func TestManyQuotes(t *testing.T) {
	var content, line strings.Builder
	content.WriteString("domain,description\n")
	for range 2500 {
		line.WriteString(`""`)
	}
	const rows, lines = 10, 12
	for i := range rows {
		fmt.Fprintf(&content, "h%d.example,\"%s", i, line.String())
		for range lines - 1 {
			content.WriteString("\n" + line.String())
		}
		content.WriteString("\"\n")
	}
	s, file := load(t, content.String(), Options{})
	if file.Names != rows || file.Lines != 1+rows*lines || len(file.Skipped) != 0 {
		t.Errorf("%+v", file)
	}
	if i, ok := find(s, "h9.example"); !ok || !strings.HasPrefix(i.Description, `""""""`) {
		t.Errorf("h9.example: %v %.20q", ok, i.Description)
	}
}

func TestTypes(t *testing.T) {
	for kind, want := range map[string]bool{
		"ip": true, "IPv4": true, "ip-dst|port": true, "ip:port": true, "ipv6-addr": true, "IP Address": true, "CIDR": true, "net": true,
		"domain": true, "domain-name": true, "hostname": true, "FQDN": true, "url": true, "URI": true, "domain|ip": true, "subnet": true,
		"md5_hash": false, "FileHash-SHA256": false, "filename|md5": false, "email-dst": false, "whois-registrar": false, "link": false,
		"mac-address": false, "AS": false, "text": false, "attachment": false, "named pipe": false, "description": false, "btc": false,
	} {
		if isWatchedType(kind) != want {
			t.Errorf("%s: %v", kind, !want)
		}
	}
}

// TestSecondEntry has lines of a plain list with more than one entry: the
// first is used, and the others are not dropped in silence.
func TestSecondEntry(t *testing.T) {
	for text, counted := range map[string]bool{
		"evil1.example evil2.example":             true,
		"evil1.example, evil2.example":            true,
		"evil1.example\t\"203.0.113.6\"":          true,
		"203.0.113.5 evil.example":                true,
		"203.0.113.5 203.0.113.0/24 and more":     true,
		"evil1.example seen in May, by x.example": false,
		"evil1.example Win32.Emotet":              false,
		"evil1.example https://report.example/1":  false,
		"evil1.example 10.0.0.1":                  false,
		"evil1.example # evil2.example":           false,
		"203.0.113.5 443":                         false,
		"0.0.0.0 evil1.example":                   false,
	} {
		_, file := load(t, "# a list\n"+text+"\n", Options{Format: Plain})
		if got := file.SkippedTotal() == 1 && file.Skipped[0].Reason == reasonSecond && file.Skipped[0].Samples[0].Line == 2; got != counted || file.Total() != 1 {
			t.Errorf("%q: %+v", text, file)
		}
	}
}

// TestErrorsAreVisible: a header is what a stranger wrote, and no command to a
// terminal.
func TestErrorsAreVisible(t *testing.T) {
	path := write(t, "feed.csv", "red\x1b[31m,b\nx,y\n")
	r, err := Load(t.Context(), ioc.NewBuilder(), path, Options{Columns: Columns{Indicator: "c"}})
	if err == nil {
		t.Fatal("a column that is not there was found")
	}
	var out strings.Builder
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	if want := "which has red.[31m, b"; !strings.Contains(out.String(), want) || strings.Contains(out.String(), "\x1b") {
		t.Errorf("the report lacks %q: %q", want, out.String())
	}
}

// TestSharedPage: a row that is about a page of a host that many share says nothing of
// that host, though it has its name and address.
func TestSharedPage(t *testing.T) {
	s, file := load(t, "date,url,host,ip\n2026-01-02,https://github.com/x/y,github.com,192.0.2.3\n2026-01-02,https://evil.example/x,evil.example,192.0.2.4\n", Options{})
	for lookup, want := range map[string]bool{"github.com": false, "192.0.2.3": false, "evil.example": true, "192.0.2.4": true} {
		if i, ok := find(s, lookup); ok != want {
			t.Errorf("%s: %v %+v", lookup, ok, i)
		}
	}
	if len(file.Skipped) != 1 || file.Skipped[0].Reason != reasonShared || file.Skipped[0].Count != 1 || file.Skipped[0].Samples[0].Line != 2 {
		t.Errorf("skipped %+v", file.Skipped)
	}
}

// TestNoHeader: where columns are named by their numbers, the first line is a row if
// it has an indicator.
func TestNoHeader(t *testing.T) {
	for first, want := range map[string]int{
		"x,a.example.com,C2": 3, "x,192.0.2.1,C2": 3, "x,https://a.example/x,C2": 3, "x,192.0.2.1|443,C2": 3,
		"x,10.0.0.1,C2": 2, "x,https://github.com/x/y,C2": 2, "x,observable,C2": 2, "x,host,C2": 2, "x,threat.indicator.ip,C2": 2, "# x,a.example.com,C2": 2,
	} {
		_, file := load(t, first+"\ny,b.example,C2\nz,c.example,C2\n", Options{Columns: Columns{Indicator: "2"}})
		if file.Total() != want {
			t.Errorf("%s: %+v", first, file)
		}
		if isRefused := strings.Contains(first, "10.0") || strings.Contains(first, "github"); isRefused != (len(file.Skipped) == 1) {
			t.Errorf("%s: skipped %+v", first, file.Skipped)
		}
	}
	if _, file := load(t, "x,a.example.com\ny,b.example\n", Options{Columns: Columns{Indicator: "a.example.com"}}); file.Total() != 1 {
		t.Errorf("a header that is named: %+v", file)
	}
}
