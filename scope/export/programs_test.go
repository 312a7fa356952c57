package export_test

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wormscope/internal/needs"
	"wormscope/scope/export"
)

// need gives the test up where it lacks a tool, or root if that is needed, and lets
// scripts find the tools that are not on everybody's PATH.
func need(t *testing.T, root bool, tools ...string) {
	t.Helper()
	if root {
		needs.Root(t, "to make a network namespace")
	}
	needs.Tools(t, tools...)
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
}

// shell runs a script in a folder.
func shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// files writes every list in a format, and returns the folder.
func files(t *testing.T, f export.Format) string {
	t.Helper()
	dir := t.TempDir()
	for name, l := range lists(t) {
		if f.Check(l.Purpose) != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(written(t, l, f)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestNFT: nft takes the sets, again and again, and a later list replaces an
// earlier one.
func TestNFT(t *testing.T) {
	need(t, true, "nft", "unshare")
	dir := files(t, export.NFTables)
	out := shell(t, dir, `unshare -n sh -euc '
		for f in block isolate empty; do nft -c -f $f; done
		nft -f block; nft -f block; nft -f isolate
		nft list ruleset; echo ====; nft -f empty; nft list ruleset'`)
	before, after, _ := strings.Cut(out, "====")
	for _, a := range []string{"198.51.100.7", "203.0.113.99", "2001:db8::7", "2001:db8:0:1::9", "10.1.0.14", "fd00::7"} {
		if !strings.Contains(before, a) {
			t.Errorf("nft does not have %s:\n%s", a, before)
		}
	}
	if strings.Contains(after, "198.51.100.7") || !strings.Contains(after, "10.1.0.14") {
		t.Errorf("the empty block list does not replace the other, or more than that:\n%s", after)
	}
}

// TestRulesOfTheDocument: the rules that docs/export.md gives drop what comes
// from a listed address as well as what goes there.
func TestRulesOfTheDocument(t *testing.T) {
	need(t, true, "nft", "unshare")
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "export.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("nft -f block; nft -f isolate\n")
	for line := range strings.Lines(string(doc)) {
		if strings.HasPrefix(line, "nft add ") {
			script.WriteString(line)
		}
	}
	dir := files(t, export.NFTables)
	if err := os.WriteFile(filepath.Join(dir, "script"), []byte(script.String()+"nft list ruleset"), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := shell(t, dir, "unshare -n sh -eu script")
	for _, rule := range []string{"ip saddr @block4 drop", "ip daddr @block4 drop", "ip saddr @isolate4 drop", "ip daddr @isolate4 drop"} {
		if !strings.Contains(rules, rule) {
			t.Errorf("no rule %q:\n%s", rule, rules)
		}
	}
}

// TestRulesOfTheList: the commands that a list names in its comments can be run as they
// stand, and drop what goes to hosts of both families, and what comes from them.
func TestRulesOfTheList(t *testing.T) {
	need(t, true, "nft", "unshare")
	dir := files(t, export.NFTables)
	for _, list := range []string{"block", "isolate"} {
		rules := shell(t, dir, "sed -n 's/^#   //p' "+list+" >commands; unshare -n sh -euc 'nft -f "+list+"; sh -eu commands; nft list ruleset'")
		for _, rule := range []string{"ip saddr @" + list + "4", "ip daddr @" + list + "4", "ip6 saddr @" + list + "6", "ip6 daddr @" + list + "6"} {
			if !strings.Contains(rules, rule+" drop\n") {
				t.Errorf("no rule %q:\n%s", rule, rules)
			}
		}
	}
}

func TestIPSet(t *testing.T) {
	need(t, true, "ipset", "unshare")
	dir := files(t, export.IPSet)
	out := shell(t, dir, `unshare -n sh -euc '
		ipset restore <block; ipset restore <block; ipset restore <isolate
		ipset list; echo ====; ipset restore <empty; ipset list'`)
	before, after, _ := strings.Cut(out, "====")
	for _, a := range []string{"198.51.100.7", "203.0.113.99", "2001:db8::7", "2001:db8:0:1::9", "10.1.0.14", "fd00::7"} {
		if !strings.Contains(before, "\n"+a+"\n") {
			t.Errorf("ipset does not have %s:\n%s", a, before)
		}
	}
	if strings.Contains(before, "-new") {
		t.Errorf("a set is left over:\n%s", before)
	}
	if strings.Contains(after, "198.51.100.7") || !strings.Contains(after, "10.1.0.14") {
		t.Errorf("the empty block list does not replace the other, or more than that:\n%s", after)
	}
}

// TestIPSetOfAnySize: a list takes the place of one that was many times as long, and
// the other way round.
func TestIPSetOfAnySize(t *testing.T) {
	need(t, true, "ipset", "unshare")
	dir := t.TempDir()
	for name, n := range map[string]int{"few": 3, "many": 70_000} {
		l := export.List{Purpose: export.ToBlock}
		for i := range n {
			l.Entries = append(l.Entries, export.Entry{Addr: netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)})})
		}
		var text bytes.Buffer
		if err := l.Write(&text, export.IPSet); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := shell(t, dir, `unshare -n sh -euc 'for list in few many few many; do ipset restore <$list; ipset list -t wormscope-block4; done'`)
	if got := regexp.MustCompile(`entries: \d+`).FindAllString(out, -1); strings.Join(got, " ") != "entries: 3 entries: 70000 entries: 3 entries: 70000" {
		t.Errorf("ipset has %q:\n%s", got, out)
	}
}

// TestIPSetGoesOn: what a restore that was broken off has left is not an obstacle, and
// not in the list.
func TestIPSetGoesOn(t *testing.T) {
	need(t, true, "ipset", "unshare")
	out := shell(t, files(t, export.IPSet), `unshare -n sh -euc '
		sed "/^swap/,\$d" block >broken; echo add wormscope-block4-new 198.51.100.250 >>broken
		ipset restore <broken; ipset restore <block; ipset list'`)
	if !strings.Contains(out, "\n198.51.100.7\n") || strings.Contains(out, "198.51.100.250") || strings.Contains(out, "-new") {
		t.Errorf("after a restore that was broken off:\n%s", out)
	}
}

// TestRPZ: BIND takes the zone without a warning, and reads the names that were
// meant.
func TestRPZ(t *testing.T) {
	need(t, false, "named-checkzone")
	dir := files(t, export.RPZ)
	for name, l := range lists(t) {
		if export.RPZ.Check(l.Purpose) != nil {
			continue
		}
		out := shell(t, dir, "named-checkzone -D -i full -k fail -n fail -m fail rpz.wormscope.example "+name)
		if strings.Contains(out, "warning") || !strings.Contains(out, "OK") {
			t.Errorf("%s: %s", name, out)
		}
		if name != "block" {
			continue
		}
		for _, owner := range []string{
			"evil.example", `\*.evil.example`, "only.example", "=cmd.example", `weird_name!\\;\\".example`,
			"32.7.100.51.198.rpz-ip", "128.7.zz.db8.2001.rpz-ip", "128.zz.db8.2001.rpz-ip",
		} {
			if !regexp.MustCompile(`(?m)^` + owner + `\.rpz\.wormscope\.example\.\s.*CNAME\s+\.$`).MatchString(out) {
				t.Errorf("no rule for %s:\n%s", owner, out)
			}
		}
		if strings.Contains(out, "*.only.example") {
			t.Error("an exact name has a wildcard")
		}
	}
}

// TestCisco holds the access lists against the grammar of IOS for these lines.
func TestCisco(t *testing.T) {
	v4 := `\d{1,3}(\.\d{1,3}){3}`
	v6 := `[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}`
	grammar := regexp.MustCompile(`^(?:` + strings.Join([]string{
		`! [ -~]*`,
		`(no )?ip access-list extended WORMSCOPE-(BLOCK|ISOLATE)`,
		`(no )?ipv6 access-list WORMSCOPE-(BLOCK|ISOLATE)-V6`,
		` remark [ -~]{1,100}`,
		` deny ip (host ` + v4 + ` any|any host ` + v4 + `)`,
		` deny ipv6 (host ` + v6 + ` any|any host ` + v6 + `)`,
		` permit ip any any`, ` permit ipv6 any any`, `end`,
	}, "|") + `)\n$`)
	for name, l := range lists(t) {
		text := written(t, l, export.Cisco)
		for line := range strings.Lines(text) {
			if !grammar.MatchString(line) || strings.Contains(line, "?") { // a ? asks IOS for help
				t.Errorf("%s: IOS would not take %q", name, line)
			}
		}
		if !strings.HasSuffix(text, " permit ipv6 any any\nend\n") {
			t.Errorf("%s does not end as it must", name)
		}
	}
}
