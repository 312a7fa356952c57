// Package story tells what happens in a small institution on the day of an
// outbreak, packet by packet, as a span port on its core router would show it.
// Everything is drawn from fixed seeds: the same story gives the same bytes.
package story

import (
	"cmp"
	"slices"
	"time"
)

// A Trace is a list of frames with their times.
type Trace struct {
	records []Record
}

// A Record is one frame at one time, in nanoseconds since the Unix epoch.
type Record struct {
	At    int64
	Frame []byte
}

// Add adds a frame; the trace keeps it.
func (t *Trace) Add(at int64, frame []byte) {
	t.records = append(t.records, Record{at, frame})
}

// Records returns the frames by time; frames of one time in the order in which
// they were added.
func (t *Trace) Records() []Record {
	slices.SortStableFunc(t.records, func(a, b Record) int { return cmp.Compare(a.At, b.At) })
	return t.records
}

// Start is when every story begins: the morning of 12 May 2017, UTC.
func Start() time.Time { return time.Date(2017, time.May, 12, 7, 24, 0, 0, time.UTC) }

// Minute is an offset from the start of the story.
func Minute(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }
