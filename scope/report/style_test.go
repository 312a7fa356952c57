package report_test

import (
	"regexp"
	"testing"

	"wormscope/scope"
)

// TestStylesNameWhatIsThere: a rule for an element that is called something else by now
// changes nothing, and nobody sees it.
func TestStylesNameWhatIsThere(t *testing.T) {
	doc := outbreakOf(24, 6, 60)
	doc.Marks = []scope.MarkItem{{IP: doc.Hosts[0].IP, Mark: scope.Isolated}}
	root := parse(t, render(t, doc))
	known := map[string]bool{}
	for _, n := range elements(root, "") {
		known[attribute(n, "id")] = true
	}
	style := regexp.MustCompile(`\{[^{}]*\}`).ReplaceAllString(elements(root, "style")[0].FirstChild.Data, "")
	named := regexp.MustCompile(`#([a-z]+)`).FindAllStringSubmatch(style, -1)
	if len(named) == 0 {
		t.Error("no rule names an element: the test is blind")
	}
	for _, m := range named {
		if !known[m[1]] {
			t.Errorf("a rule is for #%s, and there is none", m[1])
		}
	}
}
