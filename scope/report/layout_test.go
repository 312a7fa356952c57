package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/scope"
)

var begin = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// hosts makes n infected hosts; source says who infected the i-th, -1 for
// nobody that is known. They are a second apart.
func hosts(n int, source func(int) int) *scope.Document {
	doc := &scope.Document{}
	for i := range n {
		at := begin.Add(time.Duration(i) * time.Second)
		h := scope.HostEntry{IP: fmt.Sprintf("10.0.%d.%d", i/250, i%250), Zone: fmt.Sprintf("zone%d", i%3), State: scope.Infected, Since: &at, FirstSeen: at, LastSeen: at.Add(time.Minute)}
		if s := source(i); s >= 0 {
			h.InfectedBy = []scope.Source{{IP: doc.Hosts[s].IP, Confidence: .9}}
		}
		doc.Hosts = append(doc.Hosts, h)
	}
	return doc
}

// shapes are who infected whom in many ways.
func shapes(random *rand.Rand) map[string]func(int) int {
	return map[string]func(int) int{
		"nobody known": func(int) int { return -1 },
		"a chain":      func(i int) int { return i - 1 },
		"a star":       func(i int) int { return min(i-1, 0) },
		"two stars":    func(i int) int { return min(i-2, i%2) },
		"pairs":        func(i int) int { return map[int]int{0: -1, 1: i - 1}[i%2] },
		"binary":       func(i int) int { return (i+1)/2 - 1 },
		"any":          func(i int) int { return random.IntN(i+1) - 1 },
		"mostly early": func(i int) int { return random.IntN(i/20+1) - 1 },
	}
}

// TestFoldKeepsAllHosts checks that a folded forest has few rows, and every
// host in exactly one of them.
func TestFoldKeepsAllHosts(t *testing.T) {
	for name, source := range shapes(rand.New(rand.NewPCG(1, 1))) {
		for _, n := range []int{1, 2, 12, 13, 299, 300, 301, 700, 5000} {
			f := newForest(hosts(n, source))
			f.fold()
			rows := walk(f.roots)
			if len(rows) > maxRows {
				t.Errorf("%s of %d: %d rows", name, n, len(rows))
			}
			seen := map[string]bool{}
			for _, r := range append(rows, f.lanes()...) {
				for _, m := range append([]*node{r}, r.members...) {
					if m.name == "" {
						continue
					}
					if seen[m.name] {
						t.Errorf("%s of %d: %s has two rows", name, n, m.name)
					}
					seen[m.name] = true
				}
			}
			if len(seen) != n {
				t.Errorf("%s: %d of %d hosts have a row", name, len(seen), n)
			}
		}
	}
}

// TestNoFoldingWithoutNeed checks that all hosts show where there is room.
func TestNoFoldingWithoutNeed(t *testing.T) {
	f := newForest(hosts(maxRows, func(i int) int { return i - 1 }))
	f.fold()
	for _, n := range walk(f.roots) {
		if len(n.members) > 0 {
			t.Fatalf("%d hosts are folded", len(n.members))
		}
	}
}

// TestLinesDoNotCross checks that no line down from a source crosses the line
// of a host on its way.
func TestLinesDoNotCross(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	for name, source := range shapes(random) {
		drawn := newTree(hosts(250, source))
		for _, d := range drawn.Drops {
			for _, r := range drawn.Rows {
				if r.Y > d.From && r.Y < d.To && r.From < d.X && r.Line > d.X {
					t.Fatalf("%s: the line to the row at %v crosses that at %v", name, d.To, r.Y)
				}
			}
		}
	}
}

func TestParentIsTheBestEarlierSource(t *testing.T) {
	doc := hosts(4, func(int) int { return -1 })
	source := func(i int, c float64) scope.Source { return scope.Source{IP: doc.Hosts[i].IP, Confidence: c} }
	doc.Hosts[2].InfectedBy = []scope.Source{source(0, .4), source(3, .99), source(1, .9), source(2, 1)} // 3 is later, 2 is itself
	doc.Hosts[0].InfectedBy = []scope.Source{source(1, .9)}                                              // later
	doc.Hosts[3].InfectedBy = []scope.Source{{IP: "203.0.113.9", Confidence: .5}}                        // not listed
	f := newForest(doc)
	got := map[string]string{}
	for _, n := range append(walk(f.roots), f.alone...) {
		parent, other := "-", "-"
		if n.parent != nil {
			parent = n.parent.name
		}
		if n.other != nil {
			other = n.other.name
		}
		got[n.name] = parent + " " + other
	}
	want := map[string]string{
		"10.0.0.0": "- -", "10.0.0.1": "- -", "10.0.0.2": "10.0.0.1 10.0.0.0", "10.0.0.3": "203.0.113.9 -", "203.0.113.9": "- -",
	}
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s: parent and second %q, want %q", name, got[name], w)
		}
	}
	if f.edges != 2 {
		t.Errorf("%d hosts with a source, want 2", f.edges)
	}
}

// TestGrowth shows what the report says of how fast the outbreak grows.
func TestGrowth(t *testing.T) {
	doubling := func(n int, every time.Duration) []time.Time { // 1 at first, twice as many each time
		times := []time.Time{begin}
		for step := 1; len(times) < n; step++ {
			for range times {
				times = append(times, begin.Add(time.Duration(step)*every))
			}
		}
		return times
	}
	values := func(list []figure) []string {
		var out []string
		for _, f := range list {
			out = append(out, f.Value)
		}
		return out
	}
	at := func(minutes ...int) []time.Time {
		var out []time.Time
		for _, m := range minutes {
			out = append(out, begin.Add(time.Duration(m)*time.Minute))
		}
		return out
	}
	for _, c := range []struct {
		name     string
		infected []time.Time
		quiet    time.Duration
		want     []string
	}{
		{"none", nil, 0, nil},
		{"one", at(0), 0, nil},
		{"one, long ago", at(0), time.Hour, []string{"60 minutes"}},
		{"three", at(0, 1, 2), 0, nil},
		{"all at once", at(0, 0, 0, 0), 0, nil},
		{"doubling", doubling(16, 10*time.Minute), 0, []string{"10 minutes", "10 minutes"}},
		{"slowing down", at(0, 1, 2, 40), 0, []string{"20 minutes", "39 minutes"}},
		{"odd", at(0, 3, 5, 7, 60), 0, []string{"25 minutes", "4 minutes"}},
		{"stopped", doubling(8, time.Hour), 5 * time.Hour, []string{"60 minutes", "60 minutes", "5 h 00 min"}},
	} {
		end := begin
		if len(c.infected) > 0 {
			end = c.infected[len(c.infected)-1].Add(c.quiet)
		}
		if got := values(growth(c.infected, end)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		from time.Duration // after begin
		long time.Duration
		want []string
	}{
		{0, 0, []string{"07:59:56", "07:59:58", "08:00:00", "08:00:02", "08:00:04"}},
		{0, time.Minute, []string{"08:00:00", "08:00:10", "08:00:20", "08:00:30", "08:00:40", "08:00:50", "08:01:00"}},
		{7 * time.Minute, 90 * time.Minute, []string{"08:15", "08:30", "08:45", "09:00", "09:15", "09:30"}},
		{0, 36 * time.Hour, []string{"12:00", "18:00", "00:00", "06:00", "12:00", "18:00"}},
		{0, 6 * oneDay, []string{"6 Jan", "7 Jan", "8 Jan", "9 Jan", "10 Jan", "11 Jan"}},
	} {
		x := newAxis(begin.Add(c.from), begin.Add(c.from+c.long), 0, 100)
		var got []string
		for _, k := range x.ticks(7) {
			got = append(got, k.Label)
			if k.At < 0 || k.At > 100 {
				t.Errorf("%v: a tick at %v", c.long, k.At)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %q, want %q", c.long, got, c.want)
		}
	}
}

// TestTicksOfAnySpan checks that there are some ticks, and few.
func TestTicksOfAnySpan(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for range 2000 {
		long := time.Duration(random.Int64N(1 << (30 + random.IntN(32))))
		from := begin.Add(time.Duration(random.Int64N(int64(oneDay))))
		if n := len(newAxis(from, from.Add(long), 0, 100).ticks(7)); n < 1 || n > 7 {
			t.Errorf("an axis of %v has %d ticks, want 1 to 7", long, n)
		}
	}
}

func TestRoundStep(t *testing.T) {
	for n, want := range map[int]int{0: 1, 5: 1, 6: 2, 11: 2, 12: 5, 29: 5, 30: 10, 1999: 500, 1_000_001: 200_000} {
		if got := roundStep(n, 5); got != want {
			t.Errorf("%d: a step of %d, want %d", n, got, want)
		}
	}
}

func TestStrongest(t *testing.T) {
	facts := []scope.FactItem{
		{Fact: "a", First: begin, Confidence: 1},
		{Fact: "b", First: begin.Add(1), Confidence: .3, Counts: true},
		{Fact: "c", First: begin.Add(2), Confidence: .9, Counts: true},
		{Fact: "d", First: begin.Add(3), Confidence: .9},
	}
	for limit, want := range map[int]string{1: "c", 2: "bc", 3: "abc", 4: "abcd", 9: "abcd"} {
		var kinds []string
		for _, f := range strongest(facts, limit) {
			kinds = append(kinds, f.Fact)
		}
		if got := strings.Join(kinds, ""); got != want {
			t.Errorf("the strongest %d: %s, want %s", limit, got, want)
		}
	}
}

func TestPrint(t *testing.T) {
	for got, want := range map[string]string{
		grouped(0): "0", grouped(999): "999", grouped(1234567): "1,234,567", counted(1, "host"): "1 host", counted(0, "host"): "0 hosts",
		size(999): "999 B", size(31_456_789_012): "31.5 GB", size(1 << 63): "9.22 EB",
		span(0): "under a second", span(119 * time.Second): "119 seconds", span(49 * time.Hour): "2 days 1 h",
		clean("a\u202eb\x00c\u00e9\u200d"): "a?b?cé?", fmt.Sprint(percent(.996), percent(1e300), percent(-1), percent(.5)): "99 99 0 50",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestPorts: of a list that may be a sample, nobody knows how many more there are.
func TestPorts(t *testing.T) {
	list := []uint16{21, 22, 23, 80, 443, 445, 8080, 8081, 8082, 8083}
	for n, want := range map[int]string{0: "many", 1: "21", 7: "21, 22, 23, 80, 443, 445 and 1 more", 10: "21, 22, 23, 80, 443, 445 and more"} {
		if got := (*page)(nil).Ports(list[:n]); got != want {
			t.Errorf("%d ports: %q, want %q", n, got, want)
		}
	}
}
