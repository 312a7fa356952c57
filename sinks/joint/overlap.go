package joint

import (
	"slices"
	"time"

	"wormscope/sinks/event"
)

// overlapping divides findings about one matter, the earliest first, into those
// that are one: those of different sensors whose lives overlap. Two of one
// sensor are two, unless another saw one thing where it saw two. A sensor can send
// any number of them: each is compared to groups that it does not join only once.
func overlapping(list []finding) [][]finding {
	open := map[string][]*group{} // that a later one may join, by their only sensor, empty for several
	all := make([]*group, 0, len(list))
	for i := range list {
		f := &list[i]
		begun := f.begin().Add(-tolerance)
		mine := &group{members: []int{i}, latest: [2]life{{f.sensor, f.end()}}}
		for only, groups := range open {
			if only == f.sensor {
				continue
			}
			left := slices.DeleteFunc(groups, func(g *group) bool {
				if g.seenBeside(f.sensor).Before(begun) {
					return g.latest[0].end.Before(begun) // else another sensor's may join it yet
				}
				mine.take(g)
				return true
			})
			if open[only] = left; len(left) == 0 {
				delete(open, only) // or all later ones would pass by all sensors there ever were
			}
		}
		open[mine.only()] = append(open[mine.only()], mine)
		all = append(all, mine)
	}
	return inOrder(list, all)
}

// A group is findings that are one.
type group struct {
	members []int // indexes of findings
	taken   bool  // it is a part of another
	// latest are the lives that end last, of two different sensors where there are
	// two, the last first.
	latest [2]life
}

// A life is when the last finding of a sensor ends.
type life struct {
	sensor string
	end    time.Time
}

// only returns the sensor of all findings, empty where there are several.
func (g *group) only() string {
	if g.latest[1].sensor == "" {
		return g.latest[0].sensor
	}
	return ""
}

// seenBeside returns when the last finding of another sensor than this one ends.
func (g *group) seenBeside(sensor string) time.Time {
	if g.latest[0].sensor == sensor {
		return g.latest[1].end
	}
	return g.latest[0].end
}

// take adds the findings of a group to this one.
func (g *group) take(other *group) {
	other.taken = true
	if len(other.members) > len(g.members) {
		g.members, other.members = other.members, g.members
	}
	g.members = append(g.members, other.members...)
	for _, l := range other.latest {
		g.outlive(l)
	}
}

// outlive notes that a finding of a sensor ends then.
func (g *group) outlive(l life) {
	first, second := &g.latest[0], &g.latest[1]
	switch {
	case l.sensor == "":
	case l.sensor == first.sensor:
		first.end = latest(first.end, l.end)
	case l.sensor == second.sensor:
		second.end = latest(second.end, l.end)
	case second.sensor == "" || l.end.After(second.end):
		*second = l
	}
	if second.sensor != "" && second.end.After(first.end) {
		*first, *second = *second, *first
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// inOrder returns the findings of the groups that are no part of another, in the
// order in which they began.
func inOrder(list []finding, all []*group) [][]finding {
	whole := slices.DeleteFunc(all, func(g *group) bool { return g.taken })
	for _, g := range whole {
		slices.Sort(g.members)
	}
	slices.SortFunc(whole, func(a, b *group) int { return a.members[0] - b.members[0] })
	out := make([][]finding, 0, len(whole))
	for _, g := range whole {
		one := make([]finding, 0, len(g.members))
		for _, i := range g.members {
			one = append(one, list[i])
		}
		out = append(out, one)
	}
	return out
}

// mergedFacts returns the facts, each once where different sensors learned it
// within the tolerance.
func (h *host) mergedFacts() []told {
	list := make([]told, 0, len(h.facts))
	for from, e := range h.facts {
		list = append(list, told{from.sensor, e})
	}
	slices.SortFunc(list, compareTold)
	kept := make([]told, 0, len(list))
	recent := map[string]*sightings{} // by what they say
	for _, t := range list {
		k := saying(t.event.Fact)
		if recent[k] == nil {
			recent[k] = &sightings{next: map[string]int{}}
		}
		if recent[k].isNew(t.sensor, t.event) {
			kept = append(kept, t)
		}
	}
	return kept
}

// sightings are when sensors learned the same fact, in order.
type sightings struct {
	list  []time.Time    // each of some sensors, at about one time
	start int            // of those that are not too old
	next  map[string]int // the first that a sensor has had no part in, nor in any behind it
}

// isNew reports whether a sensor's fact is one that no other has told, and notes it.
func (s *sightings) isNew(sensor string, e event.Event) bool {
	at := e.Time()
	for s.start < len(s.list) && at.Sub(s.list[s.start]) > tolerance {
		s.start++
	}
	i := max(s.next[sensor], s.start)
	s.next[sensor] = i + 1
	if i < len(s.list) {
		return false
	}
	s.list = append(s.list, at)
	return true
}
