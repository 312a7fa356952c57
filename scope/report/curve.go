package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormscope/scope"
)

// A curve is the number of infected hosts over time.
type curve struct {
	Width, Height float64
	Left, Right   float64 // of the plot
	Top, Bottom   float64
	TickEnd       float64 // of a tick's line
	TickText      float64 // baselines
	DayText       float64
	Line          string // infected, as an SVG path
	Area          string // the same, closed
	Both          string // infected and suspected together; empty when there are no suspected
	Times         []tick
	Counts        []tick
	Infected      int
	Suspected     int
	Growth        []figure // how fast
}

// newCurve returns the growth curve, nil when no host is infected or suspected.
func newCurve(doc *scope.Document) *curve {
	infected, both := starts(doc)
	if len(both) == 0 {
		return nil
	}
	c := &curve{
		Width: 760, Height: 280, Left: 52, Right: 724, Top: 16, Bottom: 232, TickEnd: 238, TickText: 254, DayText: 272,
		Infected: len(infected), Suspected: len(both) - len(infected),
	}
	first, last := both[0], both[len(both)-1]
	if doc.Capture.First != nil && doc.Capture.Last != nil {
		first, last = earliest(first, *doc.Capture.First), latest(last, *doc.Capture.Last)
	}
	x := newAxis(first, last, c.Left, c.Right)
	step := roundStep(len(both), 5)
	top := (len(both)/step + 1) * step
	y := func(n int) float64 { return tenth(c.Bottom - (c.Bottom-c.Top)*float64(n)/float64(top)) }
	c.Times = x.ticks(7)
	for n := 0; n <= top; n += step {
		c.Counts = append(c.Counts, tick{At: y(n), Label: grouped(n)})
	}
	if len(infected) > 0 {
		c.Line = stairs(infected, x, y)
		c.Area = c.Line + "V" + coord(c.Bottom) + "H" + coord(x.x(infected[0])) + "Z"
	}
	if c.Suspected > 0 {
		c.Both = stairs(both, x, y)
	}
	c.Growth = growth(infected, last)
	return c
}

// starts returns when infected hosts, and when those together with suspected
// ones, began to act, in order.
func starts(doc *scope.Document) (infected, both []time.Time) {
	for i := range doc.Hosts {
		h := &doc.Hosts[i]
		if h.Since == nil || h.State < scope.Suspected {
			continue
		}
		both = append(both, *h.Since)
		if h.State == scope.Infected {
			infected = append(infected, *h.Since)
		}
	}
	slices.SortFunc(infected, time.Time.Compare)
	slices.SortFunc(both, time.Time.Compare)
	return infected, both
}

// stairs draws a line that rises by one at each time. Of several in one place
// only the last shows.
func stairs(times []time.Time, x axis, y func(int) float64) string {
	var b strings.Builder
	b.WriteString("M" + coord(x.x(times[0])) + " " + coord(y(0)))
	for i, t := range times {
		at := math.Round(x.x(t))
		if i+1 < len(times) && math.Round(x.x(times[i+1])) == at {
			continue
		}
		b.WriteString("H" + coord(x.x(t)) + "V" + coord(y(i+1)))
	}
	b.WriteString("H" + coord(x.right))
	return b.String()
}

// coord writes a coordinate.
func coord(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// A figure is a number with what it is.
type figure struct{ Value, Label string }

// enoughToDouble is from how many infected hosts on a doubling time means
// anything.
const enoughToDouble = 4

// growth says how fast the number of infected hosts grew until the end of the
// capture.
func growth(infected []time.Time, end time.Time) []figure {
	n := len(infected)
	if n == 0 {
		return nil
	}
	var list []figure
	grew := infected[n-1].Sub(infected[0])
	if n >= enoughToDouble && grew > 0 {
		even := n - n%2
		list = append(list,
			figure{span(doubling(infected)), fmt.Sprintf("doubling time, on average: from 1 to %s hosts in %s", grouped(n), span(grew))},
			figure{span(infected[even-1].Sub(infected[even/2-1])), fmt.Sprintf("for the last doubling, from %s to %s", grouped(even/2), grouped(even))})
	}
	if quiet := end.Sub(infected[n-1]); quiet > grew/10 && quiet >= time.Minute {
		list = append(list, figure{span(quiet), "without another one, until the end of the capture"})
	}
	return list
}

// doubling returns the mean time in which the number doubled, from the first
// host to the last.
func doubling(infected []time.Time) time.Duration {
	n := len(infected)
	return time.Duration(float64(infected[n-1].Sub(infected[0])) / math.Log2(float64(n)))
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
