package feed

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"
)

var update = flag.Bool("update", false, "write suffixes.txt anew")

// TestSuffixes holds suffixes.txt against the rules that the package has in
// its own test.
func TestSuffixes(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/net").Output()
	if err != nil {
		t.Fatal("without the go command: ", err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "publicsuffix", "table_test.go"))
	if err != nil {
		t.Fatal("without the package's tests: ", err)
	}
	_, list, _ := strings.Cut(string(source), "var rules = [...]string{\n")
	list, _, _ = strings.Cut(list, "\n}\n")
	var text strings.Builder
	text.WriteString(publicsuffix.List.String() + "\n")
	for _, rule := range regexp.MustCompile(`(?m)^\t"(.*)",$`).FindAllStringSubmatch(list, -1) {
		if rule := strings.TrimPrefix(rule[1], "*"); strings.IndexByte(rule, '.') >= 0 && rule[0] != '!' {
			text.WriteString(rule + "\n")
		}
	}
	if *update {
		if err := os.WriteFile("suffixes.txt", []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text.String() != suffixRules {
		t.Error("suffixes.txt is not that of golang.org/x/net: go test ./ioc/feed -run TestSuffixes -update")
	}
}

// isSuffix reports whether a name is a public suffix. A name without a dot
// always is one.
func isSuffix(name string) bool {
	suffix, _ := publicsuffix.PublicSuffix(name)
	return suffix == name
}

// TestSuffixFilter holds the filter against the list, for each rule and names
// around it.
func TestSuffixFilter(t *testing.T) {
	f := newSuffixFilter()
	if f.unknown {
		t.Fatalf("suffixes.txt is not of %s", publicsuffix.List)
	}
	suffixes, maybe := 0, 0
	asked := map[string]bool{} // a name counts once: x.jp is asked for 1800 rules
	check := func(name string) {
		if asked[name] {
			return
		}
		asked[name] = true
		is, may := isSuffix(name), f.mayBe(name, strings.IndexByte(name, '.'))
		if is && !may {
			t.Errorf("%s is a public suffix, and the filter says it can't be", name)
		}
		if is {
			suffixes++
		} else if may {
			maybe++
		}
	}
	for rule := range strings.Lines(suffixRules) {
		rule = strings.Trim(rule, ".\n")
		for _, name := range []string{rule, "x." + rule, "city." + rule, "www.x." + rule, "y" + rule} {
			check(name)
		}
		for at := strings.IndexByte(rule, '.'); at >= 0; at = strings.IndexByte(rule, '.') {
			rule = rule[at+1:]
			check(rule)
			check("x." + rule)
		}
	}
	t.Logf("%d names, %d public suffixes, %d of the others to be looked up", len(asked), suffixes, maybe)
	if suffixes < 9000 || maybe > len(asked)/50 {
		t.Errorf("of %d names %d are public suffixes, and of the others %d may be", len(asked), suffixes, maybe)
	}
}
