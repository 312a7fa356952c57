package feed

import (
	"strings"
	"testing"

	"wormscope/ioc"
)

const rpzSample = `$TTL 1h
@ IN SOA rpz.cert.example. hostmaster.cert.example. (
    2026113001 ; serial
    1h 15m 30d 2h )
  IN NS localhost.
; the next worm
evil.example        CNAME .
*.evil.example      CNAME .
Bad.Example 60 IN   CNAME *.
drop.example        CNAME rpz-drop.
garden.example      CNAME walled.garden.example.
                    A     192.0.2.80
ok.evil.example     CNAME rpz-passthru.
tcp.example         CNAME rpz-tcp-only.
www.search.example  CNAME forcesafesearch.google.com.
32.7.113.0.203.rpz-ip          CNAME .
24.0.100.51.198.rpz-ip         CNAME .
128.1.zz.77.db8.2001.rpz-ip    CNAME .
48.zz.78.db8.2001.rpz-ip       CNAME .
24.0.0.rpz-ip                  CNAME .
ns.bad.example.rpz-nsdname     CNAME .
32.1.2.0.192.rpz-client-ip     CNAME rpz-drop.
broken.example      CNAME
last.example        TXT "blocked by CERT"
$GENERATE 1-65535 g$.example CNAME .
`

const rpzOfAZone = `$ORIGIN rpz.cert.example.
$TTL 60
@ SOA localhost. root 1 1 1 1 1
evil.example CNAME .
bad.example.rpz.cert.example. CNAME .
32.7.113.0.203.rpz-ip CNAME .
`

// TestRPZ reads response policy zones.
func TestRPZ(t *testing.T) {
	for _, test := range []sampleTest{
		{"rpz", rpzSample, Options{}, RPZ, map[string]ioc.Indicator{
			"evil.example":   {Value: "evil.example", Line: 7},
			"bad.example":    {Value: "bad.example", Line: 9},
			"drop.example":   {Value: "drop.example", Line: 10},
			"garden.example": {Value: "garden.example", Line: 11},
			"203.0.113.7":    {Type: ioc.Address, Value: "203.0.113.7", Line: 16},
			"198.51.100.9":   {Type: ioc.Network, Value: "198.51.100.0/24", Line: 17},
			"2001:db8:77::1": {Type: ioc.Address, Value: "2001:db8:77::1", Line: 18},
			"2001:db8:78::1": {Type: ioc.Network, Value: "2001:db8:78::/48", Line: 19},
			"last.example":   {Value: "last.example", Line: 24},
		}, "[{an exception rule 1} {a rule that keeps nobody from a name 2} {not a valid network 1} {not watched: type rpz-nsdname 1} " +
			"{not watched: type rpz-client-ip 1} {not a valid record of a zone 2}]"},
		{"rpz of a zone", rpzOfAZone, Options{}, RPZ, map[string]ioc.Indicator{
			"evil.example": {Value: "evil.example", Line: 4},
			"bad.example":  {Value: "bad.example", Line: 5},
			"203.0.113.7":  {Type: ioc.Address, Value: "203.0.113.7", Line: 6},
		}, "[]"},
		{"rpz without a head", "; mine\nEvil.example 60 in cname .\n", Options{}, RPZ, map[string]ioc.Indicator{
			"evil.example": {Value: "evil.example", Line: 2},
		}, "[]"},
		{"rpz that goes on after mistakes", "a.example CNAME .\nb.example CNAME (\n.\nc.example CNAME .\n" + strings.Repeat(";\n", 200) + "d.example CNAME .\n", Options{}, RPZ, map[string]ioc.Indicator{
			"a.example": {Value: "a.example", Line: 1},
			"c.example": {Value: "c.example", Line: 4},
			"d.example": {Value: "d.example", Line: 205},
		}, "[{not a valid record of a zone 2}]"},
		{"rpz of a record without end", "a.example CNAME . (\n" + strings.Repeat("b.example CNAME .\n", 200), Options{}, RPZ, map[string]ioc.Indicator{
			"b.example": {Value: "b.example", Line: 2},
		}, "[{not a valid record of a zone 1}]"},
		{"rpz of an invalid origin", "$ORIGIN .cert.example.\n$TTL 60\na.example CNAME .\n", Options{}, RPZ, map[string]ioc.Indicator{
			"a.example": {Value: "a.example", Line: 3},
		}, "[{not a valid record of a zone 1}]"},
		{"rpz named", "evil.example A 127.0.0.1\n", Options{Format: RPZ}, RPZ, map[string]ioc.Indicator{
			"evil.example": {Value: "evil.example", Line: 1},
		}, "[]"},
	} {
		t.Run(test.name, test.run)
	}
}
