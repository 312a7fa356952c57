package feed

import (
	"strings"
	"testing"
)

// TestEntries reads entries in all the ways in which feeds write them.
func TestEntries(t *testing.T) {
	for _, test := range []struct{ entry, lookup, want string }{
		{"evil.example", "evil.example", "domain evil.example"},
		{"EVIL.Example.", "www.evil.example", "domain evil.example"},
		{"*.evil.example", "evil.example", "domain evil.example"},
		{".evil.example", "evil.example", "domain evil.example"},
		{"||evil.example^", "evil.example", "domain evil.example"},
		{"||evil.example^$third-party", "evil.example", "domain evil.example"},
		{"evil[.]example", "evil.example", "domain evil.example"},
		{"evil(.)example", "evil.example", "domain evil.example"},
		{"evil{.}example", "evil.example", "domain evil.example"},
		{"evil[dot]example", "evil.example", "domain evil.example"},
		{"evil[DOT]example", "evil.example", "domain evil.example"},
		{"192(DOT)0{DOT}2[DOT]1", "192.0.2.1", "address 192.0.2.1"},
		{"evil[.example", "evil.example", "domain evil.example"},
		{"hxxp://evil[.]example", "evil.example", "domain evil.example"},
		{"hxxp://evil[.]example/x", "evil.example", "domain evil.example exact"},
		{"hXXps[:]//evil.example/x", "evil.example", "domain evil.example exact"},
		{"hxxps(:)//evil.example", "evil.example", "domain evil.example"},
		{"hxxp[://]evil.example", "evil.example", "domain evil.example"},
		{"hxxpanel.example", "hxxpanel.example", "domain hxxpanel.example"},
		{"hxxps.example:8080", "hxxps.example", "domain hxxps.example port 8080"},
		{"https://user:pass@evil.example:8443/x?y#z", "evil.example", "domain evil.example port 8443 exact"},
		{"https://evil.example?x=y", "evil.example", "domain evil.example exact"},
		{"https://evil.example/", "www.evil.example", "domain evil.example"},
		{"https://evil.example/#top", "www.evil.example", "domain evil.example"},
		{"evil.example/#top", "www.evil.example", "domain evil.example"},
		{"evil.example/*", "www.evil.example", "domain evil.example"},
		{"||evil.example/x^$all", "evil.example", "domain evil.example exact"},
		{"||evil.example^x/y", "evil.example", "domain evil.example exact"},
		{"||evil.example^$document,domain=a.example|b.example", "www.evil.example", "domain evil.example"},
		{"||evil.example^|", "www.evil.example", "domain evil.example"},
		{"||github.com^$domain=~a.example", "github.com", "domain github.com"},
		{"||evil.example^ # C2", "www.evil.example", "domain evil.example"},
		{"https://github.com/", "api.github.com", "domain github.com"},
		{"raw.githubusercontent.com", "raw.githubusercontent.com", "domain raw.githubusercontent.com"},
		{"bucket.s3.amazonaws.com/x", "bucket.s3.amazonaws.com", "domain bucket.s3.amazonaws.com exact"},
		{"http://192.0.2.1/x", "192.0.2.1", "address 192.0.2.1"},
		{"http://192.0.2.1:8080/x", "192.0.2.1:8080", "address 192.0.2.1 port 8080"},
		{"http://[2001:db8::1]:8080/x", "[2001:db8::1]:8080", "address 2001:db8::1 port 8080"},
		{"http://[2001:db8::1]", "2001:db8::1", "address 2001:db8::1"},
		{"evil.example/path", "evil.example", "domain evil.example exact"},
		{"evil.example:443", "evil.example", "domain evil.example port 443"},
		{"192.0.2.1", "192.0.2.1", "address 192.0.2.1"},
		{"192[.]0[.]2[.]1", "192.0.2.1", "address 192.0.2.1"},
		{"192.0.2.1[:]443", "192.0.2.1:443", "address 192.0.2.1 port 443"},
		{"192.0.2.1:443", "192.0.2.1:443", "address 192.0.2.1 port 443"},
		{"192.0.2.1/path", "192.0.2.1", "address 192.0.2.1"},
		{"192.0.2.0/24", "192.0.2.77", "network 192.0.2.0/24"},
		{"192.0.2.99/24", "192.0.2.77", "network 192.0.2.0/24"},
		{"192.0.2.99/32", "192.0.2.99", "address 192.0.2.99"},
		{"192.0.2.0/255.255.255.0", "192.0.2.77", "network 192.0.2.0/24"},
		{"192.0.2.0 255.255.255.0", "192.0.2.77", "network 192.0.2.0/24"},
		{"192.0.2.0, mask 255.255.255.0", "192.0.2.77", "network 192.0.2.0/24"},
		{"192.0.2.0\t0.0.0.255 C2", "192.0.2.77", "network 192.0.2.0/24"},
		{"192.0.2.1 255.255.255.255", "192.0.2.1", "address 192.0.2.1"},
		{"192.0.2.0-192.0.2.255", "192.0.2.77", "network 192.0.2.0/24"},
		{"192.0.2.0 - 192.0.2.255 C2", "192.0.2.77", "network 192.0.2.0/24"},
		{"192.0.2.0 – 192.0.2.255", "192.0.2.77", "network 192.0.2.0/24"},
		{"192.0.2.0 to 192.0.2.127", "192.0.2.77", "network 192.0.2.0/25"},
		{"192.0.2.1-192.0.2.1", "192.0.2.1", "address 192.0.2.1"},
		{"2001:db8:: - 2001:db8::ffff", "2001:db8::1", "network 2001:db8::/112"},
		{"::ffff:192.0.2.0-::ffff:192.0.2.255", "192.0.2.77", "network 192.0.2.0/24"},
		{"192.0.2.1 - C2 of 192.0.2.9", "192.0.2.1", "address 192.0.2.1"},
		{"192.0.2.1-static.example", "192.0.2.1-static.example", "domain 192.0.2.1-static.example"},
		{"2001:db8::1", "2001:db8::1", "address 2001:db8::1"},
		{"[2001:db8::1]", "2001:db8::1", "address 2001:db8::1"},
		{"[2001:db8::1]:443", "[2001:db8::1]:443", "address 2001:db8::1 port 443"},
		{"2001:DB8::/32", "2001:db8::1", "network 2001:db8::/32"},
		{"2001:db8::1/128", "2001:db8::1", "address 2001:db8::1"},
		{"::ffff:192.0.2.1", "192.0.2.1", "address 192.0.2.1"},
		{"::ffff:192.0.2.0/120", "192.0.2.1", "network 192.0.2.0/24"},
		{"under_score.example", "under_score.example", "domain under_score.example"},
		{"-dash-.example", "-dash-.example", "domain -dash-.example"},
		{"Bücher.example", "xn--bcher-kva.example", "domain xn--bcher-kva.example"},
		{"bü_cher.example", "xn--b_cher-3ya.example", "domain xn--b_cher-3ya.example"},
		{"ｅｖｉｌ．example", "evil.example", "domain evil.example"},
		{"github.io", "github.io", "domain github.io exact"},
		{"someone.github.io", "x.someone.github.io", "domain someone.github.io"},
		{"57g7spgrzlojinas.onion", "57g7spgrzlojinas.onion", "domain 57g7spgrzlojinas.onion"},
		{"evil.example # C2", "evil.example", "domain evil.example"},
		{"evil.example#C2", "evil.example", "domain evil.example"},
		{"evil.example ; C2", "evil.example", "domain evil.example"},
		{"evil.example\t// C2", "evil.example", "domain evil.example"},
		{"evil.example,C2,2017", "evil.example", "domain evil.example"},
		{"\"evil.example\"", "evil.example", "domain evil.example"},
		{"'evil.example', 'C2'", "evil.example", "domain evil.example"},
		{"  evil.example  ", "evil.example", "domain evil.example"},
		{"\ufeffevil.example", "evil.example", "domain evil.example"},
		{"\ufeff# C2\r\nevil.example", "evil.example", "domain evil.example"},
		{"0.0.0.0 evil.example evil.test", "evil.test", "domain evil.test"},
		{"127.0.0.1\tlocalhost evil.example", "evil.example", "domain evil.example"},
		{":: evil.example # hosts", "evil.example", "domain evil.example"},
	} {
		s, file := load(t, test.entry+"\r\n", Options{})
		i, ok := find(s, test.lookup)
		if !ok || show(i) != test.want || file.SkippedTotal() > 0 {
			t.Errorf("%q: %q is %v %q, want %q; skipped %+v", test.entry, test.lookup, ok, show(i), test.want, file.Skipped)
		}
	}
}

// TestRefused checks for which reason an entry is refused, and that the report shows it.
func TestRefused(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, test := range []struct {
		entry string
		want  Reason
	}{
		{"com", "a public suffix: it would match everybody's names"},
		{"co.uk", "a public suffix: it would match everybody's names"},
		{".xyz", "a public suffix: it would match everybody's names"},
		{"*.com", "a public suffix: it would match everybody's names"},
		{"xn--p1ai", "a public suffix: it would match everybody's names"},
		{"localmachine", "a name without a dot"},
		{"evil..example", "a name with a label that is empty or longer than 63 bytes"},
		{long + ".example", "a name with a label that is empty or longer than 63 bytes"},
		{strings.Repeat(long[:50]+".", 5) + "example", "a name longer than 253 bytes"},
		{"ev!l.example", "a character that no name has"},
		{`[a-z]{3}\.example`, "a character that no name has"},
		{"evil*.example", "a character that no name has"},
		{"evil\u0378.example", "not a valid internationalised name"},
		{"caf\xe9.example", "not a valid internationalised name"}, // Latin-1
		{"C91.196.152.28", "neither a name nor a valid address"},
		{"evil.example.0x7f", "neither a name nor a valid address"},
		{"192.0.2.1-192.0.2.9", "a range of addresses: write it as a network"},
		{"192.0.2.1 - 192.0.2.9", "a range of addresses: write it as a network"},
		{"192.0.2.9 to 192.0.2.1", "a range of addresses: write it as a network"},
		{"192.0.2.1-9", "a range of addresses: write it as a network"},
		{"0.0.0.0-255.255.255.255", "a network wider than /8 (IPv4) or /19 (IPv6)"},
		{"192.0.2.0 255.0.255.0", "not a valid network"},
		{"10.0.0.0 255.255.0.0", "private address"},
		{"1.2.3", "not a valid address"},
		{"1.2.3.4.5", "not a valid address"},
		{"01.2.3.4", "not a valid address"},
		{"256.2.3.4", "not a valid address"},
		{"192.0.2.1:22:443", "not a valid address"},
		{"[2001:db8::1", "not a valid address"},
		{"[evil.example]", "a character that no name has"},
		{"192.0.2.1:0", "not a port from 1 to 65535"},
		{"192.0.2.1:65536", "not a port from 1 to 65535"},
		{"evil.example:+80", "not a port from 1 to 65535"},
		{"evil.example:", "not a port from 1 to 65535"},
		{"[2001:db8::1]x", "not a port from 1 to 65535"},
		{"192.0.2.0/33", "not a valid network"},
		{"192.0.2.0/2.4", "not a valid network"},
		{"192.0.2.0/.", "not a valid network"},
		{"192.0.2.0/255.0.255.0", "not a valid network"},
		{"2001:db8::/129", "not a valid network"},
		{"192.0.2.0/024", "not a valid network"},
		{"192.0.2.1/32:443", "not a valid network"},
		{"::ffff:0.0.0.0/95", "not a valid network"},
		{"fe80::1%eth0", "an address with a zone"},
		{"1.0.0.0/7", "a network wider than /8 (IPv4) or /19 (IPv6)"},
		{"0.0.0.0/0", "a network wider than /8 (IPv4) or /19 (IPv6)"},
		{"2001::/18", "a network wider than /8 (IPv4) or /19 (IPv6)"},
		{"::/0", "a network wider than /8 (IPv4) or /19 (IPv6)"},
		{"10.1.2.3", "private address"},
		{"172.31.0.0/24", "private address"},
		{"172.0.0.0/8", "private address"},
		{"192.168.1.1:445", "private address"},
		{"::ffff:192.168.1.1", "private address"},
		{"100.64.0.1", "private address"},
		{"fd00::1", "private address"},
		{"http://10.1.2.3/x", "private address"},
		{"127.0.0.1", "loopback address"},
		{"::1", "loopback address"},
		{"0.0.0.0", "unspecified address"},
		{"::", "unspecified address"},
		{"169.254.1.1", "link-local address"},
		{"[fe80::bdd9]:135", "link-local address"},
		{"224.0.0.251", "multicast address"},
		{"ff02::1", "multicast address"},
		{"255.255.255.255", "reserved address"},
		{"0.1.2.3", "reserved address"},
		{"/bomba.i586", "a path without a host"},
		{"http:///x", "a path without a host"},
		{"someone@evil.example", "an e-mail address"},
		{"d41d8cd98f00b204e9800998ecf8427e", "a file hash"},
		{"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", "a file hash"},
		{"@@||good.example^", "an exception rule"},
		{"||good.example^$badfilter", "an exception rule"},
		{"||good.example^$script,removeparam=utm", "a rule that changes pages, and blocks nothing"},
		{"good.example##a[href*=\"evil.example\"]", "a rule that changes pages, and blocks nothing"},
		{"good.example,good.test##.result", "a rule that changes pages, and blocks nothing"},
		{"good.example##+js(set, x, noopFunc)", "a rule that changes pages, and blocks nothing"},
		{"good.example#@#.ad", "a rule that changes pages, and blocks nothing"},
		{"good.example#?#.ad:has(a)", "a rule that changes pages, and blocks nothing"},
		{"good.example#@$?#.ad", "a rule that changes pages, and blocks nothing"},
		{"good.example#%#//scriptlet('abort')", "a rule that changes pages, and blocks nothing"},
		{"https://github.com/x/y", "a URL of a host that many share"},
		{"||GitHub.com/x/y^", "a URL of a host that many share"},
		{"||github.com^$script,domain=a.example", "a URL of a host that many share"},
		{"||good.example^$removeheader=x", "a rule that changes pages, and blocks nothing"},
		{"gist.github.com/x", "a URL of a host that many share"},
		{"https://www.google.de/url?q=evil.example", "a URL of a host that many share"},
		{"https://mega.nz/#!file!key", "a URL of a host that many share"},
		{"mega.nz/#!file!key", "a URL of a host that many share"},
		{"https://github.com#x", "a URL of a host that many share"},
		{"https://s3.amazonaws.com/bucket/x", "a URL of a host that many share"},
		{"*.", "no indicator in the line"},
		{`"" evil`, "no indicator in the line"},
		{", evil", "no indicator in the line"},
	} {
		_, file := load(t, test.entry+"\n", Options{})
		if len(file.Skipped) != 1 || file.Skipped[0].Reason != test.want || file.Total() != 0 {
			t.Errorf("%q: skipped %+v, %d used; want %q", test.entry, file.Skipped, file.Total(), test.want)
			continue
		}
		if got := file.Skipped[0].Samples[0]; got.Line != 1 || got.Text != printable(test.entry) {
			t.Errorf("%q: sample %+v", test.entry, got)
		}
	}
}

// TestURL has a URL of one page: what is below its host is somebody else's, until
// the name itself is listed.
func TestURL(t *testing.T) {
	s, _ := load(t, "https://evil.example/a\nhttps://bad.example/a\nbad.example\n", Options{})
	for name, want := range map[string]bool{
		"evil.example": true, "www.evil.example": false, "bad.example": true, "www.bad.example": true,
	} {
		if _, ok := find(s, name); ok != want {
			t.Errorf("%s: %v, want %v", name, ok, want)
		}
	}
}

// TestSharedHosts sees that the names in the list can match.
func TestSharedHosts(t *testing.T) {
	p := parser{guards: newGuards()}
	for host := range p.guards.shared {
		if o, reason := p.parse(host + "/x"); reason != reasonShared {
			t.Errorf("%s/x: %+v %q", host, o, reason)
		}
		if _, reason := p.parse("https://www." + host + "/x"); reason != reasonShared {
			t.Errorf("www.%s/x: %q", host, reason)
		}
		if o, reason := p.parse(host); reason != "" || o.name != host {
			t.Errorf("%s: %+v %q", host, o, reason)
		}
	}
}

func TestForce(t *testing.T) {
	s, file := load(t, "10.1.2.3\n192.168.0.0/16\n0.0.0.0/1\n127.0.0.1\nff02::1\n", Options{Force: true})
	if file.Addresses != 3 || file.Networks != 2 || len(file.Skipped) != 0 {
		t.Errorf("%+v", file)
	}
	if i, _ := find(s, "10.1.2.3"); i.Value != "10.1.2.3" {
		t.Errorf("10.1.2.3 is %+v", i)
	}
	if _, file := load(t, "192.0.2.1\n192.0.2.0/2.4\n", Options{Force: true}); file.Addresses != 1 || file.Networks != 0 || len(file.Skipped) != 1 {
		t.Errorf("the length of a prefix that is no number: %+v", file)
	}
}
