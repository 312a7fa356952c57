package scope

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestTreeOfAnyShape: the tree in the text is as quickly written where hosts infected
// one another in a single chain, or blame each other in pairs.
func TestTreeOfAnyShape(t *testing.T) {
	const n = 20_000
	for name, source := range map[string]func(i int) int{
		"chain": func(i int) int { return i - 1 },
		"pairs": func(i int) int { return i ^ 1 },
	} {
		d := Document{Version: DocumentVersion, Totals: Totals{StateCounts: StateCounts{Infected: n}}}
		ip := func(i int) string { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String() }
		since := time.Unix(1_500_000_000, 0).UTC()
		for i := range n {
			h := HostEntry{IP: ip(i), Zone: "office", State: Infected, Confidence: 0.99, Since: &since}
			if by := source(i); by >= 0 {
				h.InfectedBy = []Source{{IP: ip(by), Confidence: 0.9, Inside: true}}
			}
			d.Hosts = append(d.Hosts, h)
		}
		var text bytes.Buffer
		if err := WriteText(&text, &d); err != nil {
			t.Fatal(err)
		}
		_, tree, _ := strings.Cut(text.String(), "WHO INFECTED WHOM")
		tree, _, _ = strings.Cut(tree, "\n\n")
		want := "\n  ... and 19,970 more: see"
		if name == "pairs" {
			want = "\n  ... and 29,970 more: see" // each pair is a root, and below it both
		}
		if !strings.Contains(tree, want) || strings.Count(tree, "10.0.0.3 ") == 0 {
			t.Errorf("%s: the tree lacks %q:\n%s", name, want, tree)
		}
	}
}
