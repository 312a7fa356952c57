package feed

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/ioc"
)

// An event as MISP writes it: what is said of all attributes is behind some of them.
const mispSample = `{
  "Event": {
    "id": "7",
    "info": "The next worm",
    "Attribute": [
      {"type": "domain", "category": "Network activity", "to_ids": true, "value": "cc.worm.example", "comment": "panel", "first_seen": "2026-08-30T01:39:33.000000+00:00"},
      {"type": "ip-dst|port", "to_ids": "1", "value": "192.0.2.10|443", "Tag": [{"name": "tlp:red"}]},
      {"type": "ip-src", "to_ids": false, "value": "192.0.2.11", "comment": ""},
      {"type": "md5", "to_ids": true, "value": "d41d8cd98f00b204e9800998ecf8427e"},
      {"type": "hostname", "to_ids": true, "value": "gone.worm.example", "deleted": true},
      {"type": "domain", "to_ids": true, "value": 7},
      {"type": "domain|ip", "to_ids": true, "value": "drop.worm.example|198.51.100.7"}
    ],
    "ShadowAttribute": [{"type": "domain", "to_ids": true, "value": "proposed.example"}],
    "RelatedEvent": [{"Event": {"id": "3", "Attribute": [{"type": "domain", "to_ids": true, "value": "related.example"}]}}],
    "Object": [
      {"name": "domain-ip", "Attribute": [{"type": "ip-dst", "to_ids": true, "value": "2001:db8:77::1"}]},
      {"name": "domain-ip", "Attribute": [{"type": "domain", "to_ids": true, "value": "old.example"}], "deleted": "1"}
    ],
    "Tag": [{"name": "type:OSINT"}, {"name": "tlp:green"}]
  }
}
`

const stixSample = `{
  "type": "bundle", "id": "bundle--1",
  "objects": [
    {"type": "identity", "name": "CERT"},
    {"type": "indicator", "name": "Panel", "pattern": "[domain-name:value = 'cc.worm.example']", "pattern_type": "stix", "confidence": 85,
     "valid_from": "2026-08-30T01:39:33Z", "valid_until": "2027-01-01T00:00:00.000Z", "external_references": [{"source_name": "x"}, {"url": "https://r.example/"}],
     "object_marking_refs": ["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"]},
    {"type": "indicator", "pattern": "[ipv4-addr:value IN ('192.0.2.1', '192.0.2.2')] OR [file:hashes.MD5 = 'x']", "confidence": 0},
    {"type": "indicator", "pattern": "[domain-name:value = 'gone.example']", "revoked": true},
    {"type": "indicator", "pattern": "[domain-name:value = 'fine.example']", "indicator_types": ["benign"]},
    {"type": "indicator", "pattern": "[domain-name:value = 'exit.example']", "labels": ["anonymization"]},
    {"type": "indicator", "pattern": "rule x { condition: true }", "pattern_type": "yara"},
    {"type": "indicator", "pattern": "[domain-name:value = "},
    {"type": "ipv4-addr", "value": "192.0.2.99"}
  ]
}
`

const spamhausSample = `{"cidr":"198.51.100.0/24","sblid":"SBL256894","rir":"apnic"}
{"cidr":"0.0.0.0/0","sblid":"SBL1","rir":"apnic"}
{"asn":64500,"rir":"ripencc","domain":"as.example","cc":"NL","asname":"AS"}
no json
{"type":"metadata","timestamp":1790775842,"size":103312,"records":3,"copyright":"(c) 2026"}
`

// TestStructured reads a sample of each format that is not a list of lines.
func TestStructured(t *testing.T) {
	seen := time.Date(2026, 8, 30, 1, 39, 33, 0, time.UTC)
	all := "The next worm"
	for _, test := range []sampleTest{
		{"misp", mispSample, Options{TLP: "AMBER"}, MISP, map[string]ioc.Indicator{
			"cc.worm.example":   {Value: "cc.worm.example", Line: 6, Description: all + ": panel", FirstSeen: seen, TLP: "GREEN"},
			"192.0.2.10:443":    {Type: ioc.Address, Value: "192.0.2.10", Port: 443, Line: 7, Description: all, TLP: "RED"},
			"drop.worm.example": {Value: "drop.worm.example", Line: 12, Description: all, TLP: "GREEN"},
			"198.51.100.7":      {Type: ioc.Address, Value: "198.51.100.7", Line: 12, Description: all, TLP: "GREEN"},
			"2001:db8:77::1":    {Type: ioc.Address, Value: "2001:db8:77::1", Line: 17, Description: all, TLP: "GREEN"},
		}, "[{marked as not for detection 1} {not watched: type md5 1} {deleted 1} {no indicator in the line 1}]"},
		{"misp without its frame", `{"Attribute":[{"type":"domain","value":"evil.example"}],"Object":[{"Attribute":[{"type":"url","value":"http://a.example:81/","to_ids":"0"}]}],` +
			`"info":"x"}`, Options{Format: MISP}, MISP, map[string]ioc.Indicator{
			"evil.example": {Value: "evil.example", Line: 1, Description: "x"},
		}, "[{marked as not for detection 1}]"},
		{
			"what MISP's search answers",
			"\ufeff" + `{"response":[{"Event":{"info":"a","Attribute":[{"type":"domain","value":"a.example"}]}},` + "\n" +
				`{"Event":{"info":"b","Attribute":[{"type":"domain","value":"b.example"}]}}]}`,
			Options{},
			MISP,
			map[string]ioc.Indicator{
				"a.example": {Value: "a.example", Line: 1, Description: "a"},
				"b.example": {Value: "b.example", Line: 2, Description: "b"},
			},
			"[]",
		},
		{"stix", stixSample, Options{TLP: "RED"}, STIX, map[string]ioc.Indicator{
			"cc.worm.example": {
				Value: "cc.worm.example", Line: 5, Description: "Panel", Confidence: ioc.HighConfidence, TLP: "GREEN", Reference: "https://r.example/",
				FirstSeen: seen, Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
			},
			"192.0.2.1":    {Type: ioc.Address, Value: "192.0.2.1", Line: 8, Confidence: ioc.None, TLP: "RED"},
			"192.0.2.2":    {Type: ioc.Address, Value: "192.0.2.2", Line: 8, Confidence: ioc.None, TLP: "RED"},
			"exit.example": {Value: "exit.example", Line: 11, Class: ioc.Anonymizer, TLP: "RED"},
		}, "[{not watched: type file 1} {revoked 1} {marked as not for detection 1} {not watched: type yara 1} {a pattern with a mistake 1} " +
			"{an observation, which may be harmless: indicators only are used 1}]"},
		{"what TAXII sends", `{"more":false,"objects":[{"type":"indicator","spec_version":"2.1","pattern":"[url:value='http://a.example/x']","description":"d"}]}`, Options{}, STIX, map[string]ioc.Indicator{
			"a.example": {Value: "a.example", Line: 1, Exact: true, Description: "d (http://a.example/x)"},
		}, "[]"},
		{"spamhaus", spamhausSample, Options{}, Spamhaus, map[string]ioc.Indicator{
			"198.51.100.9": {Type: ioc.Network, Value: "198.51.100.0/24", Line: 1, Description: "SBL256894"},
		}, "[{a network wider than /8 (IPv4) or /19 (IPv6) 1} {not watched: type asn 1} {not valid JSON 1}]"},
	} {
		t.Run(test.name, test.run)
	}
}

// TestStructuredErrors checks what is said of files in these formats, and of zones, that
// are no feeds.
func TestStructuredErrors(t *testing.T) {
	for _, test := range []errorTest{
		{"misp without attributes", `{"Event":{"id":"1"}}`, Options{}, "no usable entry"},
		{"misp cut short", "{\"Event\":{\n\"Attribute\":[\n", Options{}, "line 3: unexpected EOF"},
		{"misp with a mistake", "{\"Event\":{\n\"Attribute\":[}\n", Options{}, "line 2: invalid character '}' looking for beginning of value"},
		{"misp of many levels", `{"Event":` + strings.Repeat("[", 1<<20), Options{}, "line 1: lists and objects of more than 200 levels"},
		{"misp and more", "{\"Event\":{}}\n]", Options{}, "line 2: invalid character ']' looking for beginning of value"},
		{"misp named plain", `{"Event":{"id":"1"}}`, Options{Format: Plain}, "is a MISP event, not plain"},
		{"plain named misp", "evil.example\n", Options{Format: MISP}, "line 1: invalid character 'e' looking for beginning of value"},
		{"a manifest alone", `{"5f0c":{"Orgc":{},"threat_level_id":1}}`, Options{}, "no usable entry"},
		{"stix without objects", `{"type":"bundle","objects":[]}`, Options{}, "no usable entry"},
		{"stix with columns", `{"type":"bundle","objects":[]}`, Options{Columns: Columns{Indicator: "1"}}, "is a STIX bundle, not csv"},
		{"spamhaus cut short", "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\"}\n{\"type\":\"metadata\",\"records\":2}\n", Options{}, "line 2: 1 records, but the list says that it has 2"},
		{"rpz of an exception", "ok.example 1h30m IN CNAME rpz-passthru.\n", Options{}, "no usable entry"},
		{"a zone of hosts", "$ORIGIN corp.example.\nmail.eu 60 A 192.0.2.1\n@ 60 MX 10 mail.eu\n", Options{}, "a zone of names that exist, not a response policy zone"},
		{"rpz named plain", "$origin rpz.example.\nevil A 127.0.0.1\n", Options{Format: Plain}, "is an RPZ zone, not plain"},
	} {
		t.Run(test.name, test.run)
	}
}

// TestMISPFolder reads a folder as MISP writes a feed: an event, one of which nothing is
// to be detected, a list of hashes, and a manifest.
func TestMISPFolder(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"5f0c3c9e.json": mispSample,
		"5f0c3c9f.json": `{"Event":{"info":"for reading","Attribute":[{"type":"domain","value":"ref.example","to_ids":false},{"type":"sha1","value":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}]}}`,
		"hashes.csv":    "d41d8cd98f00b204e9800998ecf8427e,5f0c3c9e\n",
		"manifest.json": `{"5f0c3c9e":{"Orgc":{"name":"CERT"},"Tag":[{"name":"tlp:green"}],"info":"The next worm","threat_level_id":1}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Load(t.Context(), ioc.NewBuilder(), dir, Options{})
	if err != nil || r.Total() != 5 || len(r.Files) != 4 {
		t.Errorf("%d entries of %d files, %v", r.Total(), len(r.Files), err)
	}
}

// TestLargeElement shows that a document is not held in memory, and that an endless entry
// ends.
func TestLargeElement(t *testing.T) {
	many := strings.NewReader("{\"objects\":[" + strings.Repeat(`{"type":"note","content":"`+strings.Repeat("x", 1<<16)+"\"},\n", 2*maxElement>>16) + "{}]}")
	one := strings.NewReader(`{"objects":[{"pattern":"` + strings.Repeat("x", 2*maxElement) + `"}]}`)
	lines := strings.NewReader("{\"more\":[" + strings.Repeat("1\n,", 1<<20) + "1]}")
	for text, want := range map[*strings.Reader]error{many: nil, one: errLargeElement, lines: nil} {
		r, err := newJSONReader(t.Context(), bufio.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		c := newCollector(ioc.NewBuilder(), &FileReport{}, Options{})
		if err := c.readSTIX(r); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if n := len(r.lines.ends); n > 1<<17 {
			t.Errorf("the ends of %d lines are remembered", n)
		}
	}
}

// TestPatterns brings patterns of STIX into entries.
func TestPatterns(t *testing.T) {
	const several = "[a pattern for more than one address, name or URL at a time]"
	for _, test := range []struct{ pattern, values, reasons string }{
		{"[ipv4-addr:value = '192.0.2.1']", "[192.0.2.1]", "[]"},
		{" [ ipv6-addr:value='2001:db8::1' OR url:value = 'http://a.example/it\\'s' ] ", "[2001:db8::1 http://a.example/it's]", "[]"},
		{"[ipv4-addr:value ISSUBSET '198.51.100.0/24']", "[198.51.100.0/24]", "[]"},
		{"[domain-name:value LIKE '%.evil.example']", "[evil.example]", "[]"},
		{"[domain-name:value LIKE 'evil%']", "[]", several},
		{"[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 8443]", "[192.0.2.1:8443]", "[]"},
		{"[(network-traffic:dst_ref.value = '2001:db8::1' OR network-traffic:dst_ref.value = 'a.example') AND network-traffic:dst_port = '80' AND network-traffic:protocols[*] = 'tcp']", "[[2001:db8::1]:80 a.example:80]", "[]"},
		{"[network-traffic:src_ref.value = '192.0.2.1']", "[192.0.2.1]", "[]"},
		{"[network-traffic:dst_port = 445]", "[]", several},
		{"[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port > 1000]", "[]", several},
		{"[domain-name:value = 'a.example' AND domain-name:resolves_to_refs[*].value = '192.0.2.1']", "[a.example]", "[]"},
		{"[domain-name:value = 'a.example' AND ipv4-addr:value = '192.0.2.1']", "[]", several},
		{"[domain-name:value = 'a.example' AND file:name = 'x']", "[]", several},
		{"[domain-name:value != 'a.example']", "[]", several},
		{"[domain-name:value NOT = 'a.example']", "[]", several},
		{"[NOT domain-name:value = 'a.example']", "[]", "[a pattern with a mistake]"},
		{"[EXISTS domain-name:value]", "[]", "[]"},
		{"[domain-name:value = 'a.example'] AND [ipv4-addr:value = '192.0.2.1']", "[]", several},
		{"[domain-name:value = 'a.example'] OR [ipv4-addr:value = '192.0.2.1'] AND [ipv4-addr:value = '192.0.2.2']", "[a.example]", several},
		{"[domain-name:value = 'a.example'] FOLLOWEDBY [domain-name:value = 'b.example'] OR [domain-name:value = 'c.example']", "[]", several},
		{"([domain-name:value = 'a.example'] OR [domain-name:value = 'b.example']) WITHIN 5 SECONDS", "[]", several},
		{"[domain-name:value = 'a.example'] REPEATS 5 TIMES", "[]", several},
		{"[domain-name:value = 'a.example'] START t'2026-01-01T00:00:00Z' STOP t'2027-01-01T00:00:00Z'", "[]", several},
		{"[file:hashes.'SHA-256' = 'x' AND file:size = 5]", "[]", "[not watched: type file]"},
		{"[email-addr:value = 'x@a.example'] OR [domain-name:value IN ('a.example', 'b.example')]", "[a.example b.example]", "[not watched: type email-addr]"},
		{"[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'x']", "[]", "[not watched: type network-traffic]"},
		{"[a:b = h'00' AND a:c = b'QQ==' AND a:d = true AND a:e = -1.5]", "[]", "[not watched: type a]"},
		{"", "[]", "[a pattern with a mistake]"},
		{"[domain-name:value = 'a.example'", "[]", "[a pattern with a mistake]"},
		{"[domain-name:value = 'a.example']]", "[]", "[a pattern with a mistake]"},
		{"[domain-name:value = 'a.example", "[]", "[a pattern with a mistake]"},
		{strings.Repeat("(", 100) + "[domain-name:value = 'a.example']" + strings.Repeat(")", 100), "[]", "[a pattern with a mistake]"},
		{"[" + strings.Repeat("a:b = 1 AND ", 1<<16) + "a:d = 3]", "[]", several},
		{"[" + strings.Repeat("(a:b = 1 OR a:c = 2) AND ", 40) + "a:d = 3]", "[]", several},
	} {
		values, reasons := patternValues(test.pattern)
		if got := fmt.Sprint(values); got != test.values || fmt.Sprint(reasons) != test.reasons {
			t.Errorf("%.200s:\n got %s %v\nwant %s %s", test.pattern, got, reasons, test.values, test.reasons)
		}
	}
}
