package ring

import (
	"time"

	"golang.org/x/sys/unix"
)

// now is a clock that nobody sets.
func now() time.Duration { return read(unix.CLOCK_MONOTONIC) }

// wallNow is the clock that frames are stamped by, Unix nanoseconds.
func wallNow() int64 { return int64(read(unix.CLOCK_REALTIME)) }

func read(clock int32) time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(clock, &t) // these two clocks are always there
	return time.Duration(t.Nano())
}
