package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Memory that the garbage collector is to stay below, in bytes, as long as
// what is really in use leaves it room, and how much garbage it may let pile
// up on the way, in per cent of what is in use.
const (
	memoryGoal = 256 << 20
	garbage    = 300
)

// A collector keeps garbage collection rare while memory is plentiful. What
// stays in memory is bounded by the tables' limits, so all there is to decide
// is how often to look for garbage.
type collector struct {
	live  []metrics.Sample
	calls int
}

// newCollector takes the garbage collector in hand. What loading has left is
// collected now, so that tables grow into that before they take new memory, each
// page of which costs the kernel a microsecond.
func newCollector() *collector {
	runtime.GC()
	debug.SetGCPercent(garbage)
	debug.SetMemoryLimit(memoryGoal)
	return &collector{live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
}

// collectorEvery is how many calls of adjust there are to one that does
// anything, which takes one or two microseconds. Frames that each raise an alert
// take 12 MB a call.
const collectorEvery = 8

// adjust lifts the goal where what is in use comes near it: a limit that can't
// be met makes the collector run all the time.
func (c *collector) adjust() {
	if c.calls++; c.calls%collectorEvery != 0 {
		return
	}
	metrics.Read(c.live)
	if live := c.live[0].Value.Uint64(); live > memoryGoal*2/3 {
		debug.SetMemoryLimit(int64(min(live*3/2, math.MaxInt64)))
	}
}
