package report

import (
	"math"
	"time"
)

// An axis maps times to horizontal positions.
type axis struct {
	from, to    time.Time
	left, right float64
}

// newAxis makes an axis for times from first to last, which may be equal.
func newAxis(first, last time.Time, left, right float64) axis {
	first, last = first.UTC(), last.UTC()
	if short := 10*time.Second - last.Sub(first); short > 0 {
		first, last = first.Add(-short/2), last.Add(short/2)
	}
	return axis{first, last, left, right}
}

// x returns the position of a time, to a tenth of a pixel; times beyond the
// ends are at the ends.
func (a axis) x(t time.Time) float64 {
	part := float64(t.Sub(a.from)) / float64(a.to.Sub(a.from))
	return tenth(a.left + (a.right-a.left)*max(0, min(1, part)))
}

// tenth rounds a coordinate: more digits are only bytes.
func tenth(v float64) float64 { return math.Round(v*10) / 10 }

// A tick is a labelled point of an axis.
type tick struct {
	At    float64 // position
	Label string
	Day   string // the date, where it changes
}

// ticks returns at most so many ticks at round times.
func (a axis) ticks(most int) []tick {
	step := stepFor(a.to.Sub(a.from), most)
	var list []tick
	day := ""
	t := a.from.Truncate(step)
	if t.Before(a.from) {
		t = t.Add(step)
	}
	// Counted, since a time too far away to be a Duration would not end it.
	for ; len(list) < most && !t.After(a.to); t = t.Add(step) {
		k := tick{At: a.x(t), Label: t.Format(clockFor(step))}
		if d := t.Format("2 Jan 2006"); d != day {
			k.Day, day = d, d
		}
		list = append(list, k)
	}
	return list
}

const oneDay = 24 * time.Hour

// stepFor returns the shortest round step of which at most so many fit.
func stepFor(d time.Duration, most int) time.Duration {
	steps := []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
		oneDay, 2 * oneDay, 7 * oneDay, 30 * oneDay,
	}
	for _, s := range steps {
		if int(d/s) < most {
			return s
		}
	}
	return (d/time.Duration(most) + oneDay).Truncate(oneDay)
}

// clockFor returns the layout that tells ticks of a step apart.
func clockFor(step time.Duration) string {
	switch {
	case step < time.Minute:
		return "15:04:05"
	case step < oneDay:
		return "15:04"
	default:
		return "2 Jan"
	}
}

// roundStep returns a step of 1, 2 or 5 times a power of ten, and at least 1,
// of which at most so many fit into n.
func roundStep(n, most int) int {
	for power := 1; ; power *= 10 {
		for _, f := range []int{1, 2, 5} {
			if n/(f*power) <= most {
				return f * power
			}
		}
	}
}
