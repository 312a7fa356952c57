package testnet

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// AwaitPeak waits for done, and returns what came of it and the most memory that
// a process has had until then, in bytes. What the system tells at a process's
// end counts the process that started it, too: until its program begins it is a
// copy of that.
func AwaitPeak(pid int, done <-chan error) (peak int64, err error) {
	for {
		select {
		case err = <-done:
			return peak, err
		case <-time.After(10 * time.Millisecond):
			peak = max(peak, highWater(pid))
		}
	}
}

// highWater returns the most memory that a process has had, 0 when it is gone.
func highWater(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	kB, _ := strconv.ParseInt(fields[0], 10, 64) // 0 where it makes no sense
	return kB << 10
}
