package report_test

import (
	"slices"
	"strings"
	"testing"

	"wormscope/scope"
)

// TestOneLeftOut: of one row that a table leaves out it is not said that they are, and
// a flood of many ports is not said to go to port 0.
func TestOneLeftOut(t *testing.T) {
	for more, want := range map[int]string{1: "1 more is in the scope document.", 2: "2 more are in the scope document."} {
		doc := quiet()
		doc.Attacks = slices.Repeat([]scope.Attack{{Kind: "flood", Target: "10.1.0.80", Sources: 5, First: start, Last: start}}, 200+more)
		page := render(t, doc)
		if many := `<td class="num">many</td>`; !strings.Contains(page, want) || strings.Count(page, many) != 200 {
			t.Errorf("%q, or %q in each row, is missing", want, many)
		}
	}
}
