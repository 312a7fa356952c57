package feed

import (
	"fmt"
	"testing"
	"time"

	"wormscope/ioc"
)

const threatFox = `################################################################
# ThreatFox IOCs: additional CSV export                        #
################################################################
#
# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","fk_malware","malware_alias","malware_printable","last_seen_utc","confidence_level","is_compromised","reference","tags","anonymous","reporter"
"2026-08-30 01:39:33", "1891291", "mbond38982.workers.dev", "domain", "botnet_cc", "php.shin_webshell", "None", "Shin", "", "50", "True", "None", "None", "0", "xscon"
"2026-08-30 01:40:00", "1891292", "192.0.2.7:4444", "ip:port", "botnet_cc", "win.cobalt", "None", "Cobalt ""Strike""", "", "100", "True", "https://r.example/, x", "None", "0", "xscon"
"2026-08-30 01:41:00", "1891293", "d41d8cd98f00b204e9800998ecf8427e", "md5_hash", "payload", "x", "None", "x", "", "100", "True", "None", "None", "0", "xscon"
"2026-08-30 01:42:00", "1891294", "http://evil.example/a,b", "url", "payload_delivery", "x", "None", "Two
lines", "", "10", "True", "None", "None", "0", "xscon"
# Number of entries: 4
`

const urlHaus = `# URLhaus Database Dump (CSV - recent URLs only)
# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter
"3695","2026-11-20 10:00:00","http://192.0.2.9:39000/i","online","2026-11-20","malware_download","elf,mozi","https://urlhaus.example/url/3695/","geenensp"
"3696","2026-11-20 10:00:01","https://bad.example/x.exe","offline","","malware_download","exe","https://urlhaus.example/url/3696/","x"
`

const feodo = `################################################################
# Feodo Tracker Botnet C2 IP Blocklist (CSV)                   #
################################################################
"first_seen_utc","dst_ip","dst_port","c2_status","last_online","malware"
"2025-12-30 13:56:31","192.0.2.211","443","online","2026-03-12","QakBot"
"2025-12-30 13:56:31","192.0.2.212","99999","online","2026-03-12","QakBot"
`

const zeekIntel = "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\tmeta.url\n" +
	"192.0.2.4\tIntel::ADDR\tsource1\tthis host is bad\thttps://r.example/\n" +
	"198.51.100.0/24\tIntel::SUBNET\tsource1\t-\t-\n" +
	"bad.example\tIntel::DOMAIN\tsource1\t-\t-\n" +
	"url.example/path\tIntel::URL\tsource1\tx\t-\n" +
	"d41d8cd98f00b204e9800998ecf8427e\tIntel::FILE_HASH\tsource1\tx\t-\n" +
	"short.example\n"

// TestFormats reads a sample of each feed that is documented, and compares its indicators
// and what is skipped.
func TestFormats(t *testing.T) {
	seen := time.Date(2026, 8, 30, 1, 39, 33, 0, time.UTC)
	for _, test := range []sampleTest{
		{"threatfox", threatFox, Options{}, CSV, map[string]ioc.Indicator{
			"mbond38982.workers.dev": {Value: "mbond38982.workers.dev", Line: 6, Description: "Shin", Confidence: ioc.MediumConfidence, FirstSeen: seen},
			"192.0.2.7:4444": {
				Type: ioc.Address, Value: "192.0.2.7", Port: 4444, Line: 7, Description: `Cobalt "Strike"`,
				Confidence: ioc.HighConfidence, Reference: "https://r.example/, x", FirstSeen: seen.Add(27 * time.Second),
			},
			"evil.example": {
				Value: "evil.example", Line: 9, Exact: true, Description: "Two\nlines (http://evil.example/a,b)",
				Confidence: ioc.LowConfidence, FirstSeen: seen.Add(147 * time.Second),
			},
		}, "[{not watched: type md5_hash 1}]"},
		{"urlhaus", urlHaus, Options{}, CSV, map[string]ioc.Indicator{
			"192.0.2.9:39000": {
				Type: ioc.Address, Value: "192.0.2.9", Port: 39000, Line: 3, Description: "malware_download (http://192.0.2.9:39000/i)",
				Reference: "https://urlhaus.example/url/3695/", FirstSeen: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
			},
			"bad.example": {
				Value: "bad.example", Line: 4, Exact: true, Description: "malware_download (https://bad.example/x.exe)",
				Reference: "https://urlhaus.example/url/3696/", FirstSeen: time.Date(2026, 11, 20, 10, 0, 1, 0, time.UTC),
			},
		}, "[]"},
		{"feodo", feodo, Options{}, CSV, map[string]ioc.Indicator{
			"192.0.2.211:443": {
				Type: ioc.Address, Value: "192.0.2.211", Port: 443, Line: 5, Description: "QakBot",
				FirstSeen: time.Date(2025, 12, 30, 13, 56, 31, 0, time.UTC),
			},
		}, "[{not a port from 1 to 65535 1}]"},
		{"zeek", zeekIntel, Options{}, Zeek, map[string]ioc.Indicator{
			"192.0.2.4":    {Type: ioc.Address, Value: "192.0.2.4", Line: 2, Description: "this host is bad", Reference: "https://r.example/"},
			"198.51.100.9": {Type: ioc.Network, Value: "198.51.100.0/24", Line: 3, Description: "source1"},
			"bad.example":  {Value: "bad.example", Line: 4, Description: "source1"},
			"url.example":  {Value: "url.example", Line: 5, Exact: true, Description: "x (url.example/path)"},
		}, "[{not watched: type Intel::FILE_HASH 1} {fewer columns than the header 1}]"},
		{"two columns of indicators", "domain;ip;valid_until;confidence\na.example;;2030-01-02;low\n;192.0.2.5;;\nb.example;192.0.2.6;;90\n;;;\n", Options{}, CSV, map[string]ioc.Indicator{
			"a.example": {Value: "a.example", Line: 2, Confidence: ioc.LowConfidence, Expires: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)},
			"192.0.2.5": {Type: ioc.Address, Value: "192.0.2.5", Line: 3},
			"192.0.2.6": {Type: ioc.Address, Value: "192.0.2.6", Line: 4, Confidence: ioc.HighConfidence},
			"b.example": {Value: "b.example", Line: 4, Confidence: ioc.HighConfidence},
		}, "[{no indicator in the line 1}]"},
		{"misp csv", "uuid,event_id,category,type,value,comment,to_ids,date\n" +
			"1,1,Network activity,ip-dst|port,192.0.2.10|443,c2,1,20260101\n" +
			"2,1,Network activity,domain|ip,evil.example|192.0.2.11,,1,20260101\n" +
			"3,1,Network activity,domain,ref.example,,0,20260101\n" +
			"4,1,Payload delivery,malware-sample,invoice.doc.exe|d41d8cd98f00b204e9800998ecf8427e,,1,20260101\n" +
			"5,1,Attribution,whois-registrar,registrar.example,,1,20260101\n" +
			"6,1,External analysis,link,https://report.example/x,,1,20260101\n" +
			"7,1,Network activity,hostname|port,c2.example|8080,,1,20260101\n" +
			"8,1,Payload delivery,attachment,setup.zip,,1,20260101\n" +
			"9,1,Payload delivery,attachment,setup2.zip,,1,20260101\n", Options{}, CSV, map[string]ioc.Indicator{
			"192.0.2.10:443": {Type: ioc.Address, Value: "192.0.2.10", Port: 443, Line: 2, Description: "c2"},
			"evil.example":   {Value: "evil.example", Line: 3, Description: "Network activity"},
			"192.0.2.11":     {Type: ioc.Address, Value: "192.0.2.11", Line: 3, Description: "Network activity"},
			"c2.example":     {Value: "c2.example", Port: 8080, Line: 8, Description: "Network activity"},
		}, "[{marked as not for detection 1} {not watched: type malware-sample 1} {not watched: type whois-registrar 1} " +
			"{not watched: type link 1} {not watched: type attachment 2}]"},
		{"types where the column says the kind", "domain,type\nevil.example,botnet\nbad.example,md5\n", Options{}, CSV, map[string]ioc.Indicator{
			"evil.example": {Value: "evil.example", Line: 2},
		}, "[{not watched: type md5 1}]"},
		{
			"columns by hand", "what,where,why\n1,evil.example,bot\n2\n",
			Options{Columns: Columns{Indicator: "Where", Description: "3"}},
			CSV,
			map[string]ioc.Indicator{"evil.example": {Value: "evil.example", Line: 2, Description: "bot"}},
			"[{fewer columns than the header 1}]",
		},
		{
			"an open quote costs one row", "domain,comment\na.example,\"open\nb.example,\"closed\"\nc.example,x\n",
			Options{},
			CSV,
			map[string]ioc.Indicator{
				"b.example": {Value: "b.example", Line: 3, Description: "closed"},
				"c.example": {Value: "c.example", Line: 4, Description: "x"},
			},
			"[{a quote that is not closed 1}]",
		},
		{"one column with a header", "domain\nevil.example\n", Options{}, Plain, map[string]ioc.Indicator{
			"evil.example": {Value: "evil.example", Line: 2},
		}, "[]"},
		{"prose that looks like a header", "# domain,ip\nevil.example\n", Options{}, Plain, map[string]ioc.Indicator{
			"evil.example": {Value: "evil.example", Line: 2},
		}, "[]"},
	} {
		t.Run(test.name, test.run)
	}
}

// A sampleTest is a feed and what comes of it.
type sampleTest struct {
	name, content string
	options       Options
	format        Format
	want          map[string]ioc.Indicator // by what is looked up; their feed is "test"
	skipped       string                   // reasons and counts
}

func (test *sampleTest) run(t *testing.T) {
	s, file := load(t, test.content, test.options)
	if file.Format != test.format || file.Total()-file.Duplicates != len(test.want) {
		t.Errorf("format %v, %d entries: %+v", file.Format, file.Total(), file)
	}
	for lookup, want := range test.want {
		want.Feed = "test"
		if got, _ := find(s, lookup); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n got %+v\nwant %+v", lookup, got, want)
		}
	}
	got := []string{}
	for _, skip := range file.Skipped {
		got = append(got, fmt.Sprintf("{%s %d}", skip.Reason, skip.Count))
	}
	if fmt.Sprint(got) != test.skipped {
		t.Errorf("skipped %v, want %s", got, test.skipped)
	}
}
