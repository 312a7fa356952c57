package soak

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormscope/internal/testnet"
)

// gauge notes the memory and the goroutines of the sensor.
type gauge struct {
	t    *testing.T
	host *testnet.Host
	pid  int
	seen []reading
}

type reading struct {
	at         time.Duration
	anon       int // KiB: the ring is not in it
	goroutines int
}

// look takes a reading.
func (g *gauge) look(at time.Duration) {
	g.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.pid))
	if err != nil {
		g.t.Fatalf("the sensor is gone: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			if err != nil {
				g.t.Fatal(err)
			}
			g.seen = append(g.seen, reading{at, n, int(metric(g.t, g.host, "go_goroutines"))})
		}
	}
}

// check compares memory and goroutines after the beginning with those at the end:
// what there was half of the time, which a leak raises, and one late collection of
// garbage, or goroutines that are about to end, do not; and in a long run the peaks
// of memory, of which there are many in each part.
func (g *gauge) check(whole time.Duration) {
	g.t.Helper()
	const long = 10 * time.Minute
	warm := min(5*time.Minute, whole/3)
	third := (whole - warm) / 2
	anon := func(r reading) int { return r.anon }
	var row []string
	for at := time.Duration(0); at < whole; at += whole / 12 {
		row = append(row, strconv.Itoa(peak(g.between(at, at+whole/12, anon))>>10))
	}
	g.t.Logf("peaks of memory without the ring, MiB, in twelfths of %v: %s", whole, strings.Join(row, " "))
	first, last := g.between(warm, warm+third, anon), g.between(warm+third, whole+time.Hour, anon)
	g.compare("half of the time", median(first), median(last))
	if whole >= long {
		g.compare("at the most", peak(first), peak(last))
	}
	goroutines := func(r reading) int { return r.goroutines }
	before, after := median(g.between(warm, warm+third, goroutines)), median(g.between(warm+third, whole+time.Hour, goroutines))
	g.t.Logf("goroutines half of the time: %d, then %d", before, after)
	if after > before+2 {
		g.t.Errorf("goroutines grow: %d, then %d", before, after)
	}
}

// between returns what was read in a while, in order of size, and 0 where there is
// no reading.
func (g *gauge) between(from, to time.Duration, what func(reading) int) (values []int) {
	for _, r := range g.seen {
		if r.at >= from && r.at < to {
			values = append(values, what(r))
		}
	}
	slices.Sort(values)
	return append(values, 0)[:max(len(values), 1)]
}

func peak(sorted []int) int   { return sorted[len(sorted)-1] }
func median(sorted []int) int { return sorted[len(sorted)/2] }

// compare fails where memory, in KiB, has grown.
func (g *gauge) compare(when string, before, after int) {
	g.t.Helper()
	if before == 0 || after == 0 {
		g.t.Errorf("memory %s: nothing was read", when)
	}
	if after > before*11/10+8<<10 {
		g.t.Errorf("memory %s grows: %d MiB, then %d MiB", when, before>>10, after>>10)
	}
}
