package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The garbage collector runs when garbage is 300 % of what is in use, or when the
// memory of the process reaches memoryGoal, in bytes. More in use raises that goal.
const (
	memoryGoal = 256 << 20
	garbage    = 300
)

// A collector keeps garbage collection rare while memory is plentiful. What stays in
// memory is bounded by the tables' limits: only how often to collect is left to decide.
type collector struct {
	live  []metrics.Sample
	calls int
}

// newCollector sets the garbage collector's limits. It collects what loading has
// left now, so that tables grow into that memory before they take new pages, each
// of which costs the kernel a microsecond.
func newCollector() *collector {
	runtime.GC()
	debug.SetGCPercent(garbage)
	debug.SetMemoryLimit(memoryGoal)
	return &collector{live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
}

// collectorEvery says that each eighth call of adjust does something, which takes one
// or two microseconds. Frames that each raise an alert take 12 MB a call.
const collectorEvery = 8

// adjust raises the memory limit where what is in use comes near it: a limit that
// can't be kept makes the collector run all the time.
func (c *collector) adjust() {
	if c.calls++; c.calls%collectorEvery != 0 {
		return
	}
	metrics.Read(c.live)
	if live := c.live[0].Value.Uint64(); live > memoryGoal*2/3 {
		debug.SetMemoryLimit(int64(min(live*3/2, math.MaxInt64)))
	}
}
