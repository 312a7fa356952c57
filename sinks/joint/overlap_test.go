package joint

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/sinks/event"

	"github.com/google/go-cmp/cmp"
)

var begin = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// lives makes findings of so many sensors that begin and end at random, the
// earliest first.
func lives(r *rand.Rand, n, sensors int) []finding {
	list := make([]finding, 0, n)
	for i := range n {
		from := begin.Add(time.Duration(r.IntN(n*4)) * time.Second)
		a := &alert.Alert{ID: strconv.Itoa(i), First: from, Last: from.Add(time.Duration(r.IntN(1+r.IntN(40))) * time.Second)}
		e := event.Event{Alert: a}
		list = append(list, finding{sensor: strconv.Itoa(r.IntN(sensors)), words: &words{e, e}})
	}
	slices.SortFunc(list, compareFindings)
	return list
}

// slowly is overlapping as it is said: each is compared with each.
func slowly(list []finding) [][]finding {
	groups := make([]int, len(list))
	for i := range groups {
		groups[i] = i
	}
	for i := range list {
		for j := i + 1; j < len(list); j++ {
			if list[i].sensor == list[j].sensor || list[j].begin().After(list[i].end().Add(tolerance)) {
				continue
			}
			one, other := groups[i], groups[j]
			for k, g := range groups {
				if g == other {
					groups[k] = one
				}
			}
		}
	}
	var out [][]finding
	at := map[int]int{}
	for i, g := range groups {
		if _, ok := at[g]; !ok {
			at[g] = len(out)
			out = append(out, nil)
		}
		out[at[g]] = append(out[at[g]], list[i])
	}
	return out
}

func ids(groups [][]finding) (out [][]string) {
	for _, g := range groups {
		var one []string
		for i := range g {
			one = append(one, g[i].first.Alert.ID+" of "+g[i].sensor)
		}
		out = append(out, one)
	}
	return out
}

func TestOverlappingIsWhatItSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		list := lives(r, 1+r.IntN(30), 1+r.IntN(4))
		if diff := cmp.Diff(ids(slowly(list)), ids(overlapping(list))); diff != "" {
			t.Fatalf("(-slowly +overlapping):\n%s", diff)
		}
	}
}

// TestCrowds: a sensor that is not what it says it is can tell of one host as often as
// it likes. What grew with the cube of that, or with its square, took hours.
func TestCrowds(t *testing.T) {
	const n = 50_000
	list := make([]finding, 0, n)
	h := host{facts: map[source]event.Event{}}
	for i := range n {
		at := begin.Add(time.Duration(i) * time.Microsecond)
		e := event.Event{Alert: &alert.Alert{ID: strconv.Itoa(i), First: at, Last: at.Add(time.Hour)}}
		list = append(list, finding{sensor: fmt.Sprint("s", i%2), words: &words{e, e}})
		fact := event.Event{Fact: &alert.Fact{Kind: alert.FactTargeted, Time: at}}
		h.facts[source{"s0", strconv.Itoa(i)}] = fact
		h.facts[source{"s1", strconv.Itoa(i)}] = fact
	}
	if got := overlapping(list); len(got) != 1 || len(got[0]) != n {
		t.Errorf("%d groups", len(got))
	}
	if got := h.mergedFacts(); len(got) != n {
		t.Errorf("%d facts, want %d", len(got), n)
	}
}

// TestManyNames: a sensor can call itself something else each time. What grew with the
// square of that took minutes.
func TestManyNames(t *testing.T) {
	const n = 100_000
	list := make([]finding, 0, n)
	h := host{facts: map[source]event.Event{}}
	for i := range n {
		name, at := "s"+strconv.Itoa(i), begin.Add(time.Duration(i)*time.Minute)
		e := event.Event{Alert: &alert.Alert{ID: strconv.Itoa(i), First: at, Last: at}}
		list = append(list, finding{sensor: name, words: &words{e, e}})
		h.facts[source{name, "fact"}] = event.Event{Fact: &alert.Fact{Kind: alert.FactTargeted, Time: begin.Add(time.Duration(i))}}
	}
	if got := overlapping(list); len(got) != n {
		t.Errorf("%d groups, want %d", len(got), n)
	}
	if got := h.mergedFacts(); len(got) != 1 {
		t.Errorf("%d facts, want 1", len(got))
	}
}

// TestFactsAreOnceAsTheyAreSaidToBe compares each fact with each before it.
func TestFactsAreOnceAsTheyAreSaidToBe(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		h := host{facts: map[source]event.Event{}}
		for i := range 1 + r.IntN(40) {
			f := &alert.Fact{Kind: alert.FactTargeted, Port: uint16(r.IntN(2)), Time: begin.Add(time.Duration(r.IntN(40)) * time.Second), Alert: strconv.Itoa(i)}
			h.facts[source{strconv.Itoa(r.IntN(3)), strconv.Itoa(i)}] = event.Event{Fact: f}
		}
		var all []told
		for from, e := range h.facts {
			all = append(all, told{from.sensor, e})
		}
		slices.SortFunc(all, compareTold)
		var want []string
		told := map[string][]string{} // sensors, by the fact that was kept
		for i := range all {
			f, known := all[i].event.Fact, -1
			for k := range i {
				g := all[k].event.Fact
				if told[g.Alert] != nil && g.Port == f.Port && f.Time.Sub(g.Time) <= tolerance && !slices.Contains(told[g.Alert], all[i].sensor) {
					known = k
					break
				}
			}
			if known >= 0 {
				told[all[known].event.Fact.Alert] = append(told[all[known].event.Fact.Alert], all[i].sensor)
				continue
			}
			told[f.Alert] = []string{all[i].sensor}
			want = append(want, f.Alert)
		}
		var got []string
		for _, t := range h.mergedFacts() {
			got = append(got, t.event.Fact.Alert)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}
