package ring

import (
	"time"

	"golang.org/x/sys/unix"
)

// now returns the time of the monotonic clock, which nobody can set.
func now() time.Duration { return read(unix.CLOCK_MONOTONIC) }

// wallNow returns the time of the clock that the kernel stamps frames by, in Unix
// nanoseconds.
func wallNow() int64 { return int64(read(unix.CLOCK_REALTIME)) }

func read(clock int32) time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(clock, &t) // these two clocks are always there
	return time.Duration(t.Nano())
}
