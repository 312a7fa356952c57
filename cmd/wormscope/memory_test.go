package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestGoalFollowsWhatIsInUse: where what is in use comes to pass the goal, as in a
// flood of alerts, the goal is lifted within a few thousand frames. Until then the
// collector runs all the time.
func TestGoalFollowsWhatIsInUse(t *testing.T) {
	percent := debug.SetGCPercent(100)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(math.MaxInt64)
	})
	c := newCollector()
	inUse := make([]byte, memoryGoal)
	runtime.GC()
	const frames = 32 << 10
	for range frames / batchSize {
		c.adjust()
	}
	if limit := debug.SetMemoryLimit(-1); limit < memoryGoal*3/2 {
		t.Errorf("the goal is %d bytes, with %d in use", limit, len(inUse))
	}
	runtime.KeepAlive(inUse)
}
