package testnet

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// OnThread calls f on a thread that ends with it, for what a thread can't take
// back: another namespace, lost capabilities. It is never the process's first
// thread: that one can't end, and what it was left in would be what /proc/net
// and /proc/self tell of the whole process from then on.
func OnThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			result <- OnThread(f) // held here, the first thread can't be taken again
			runtime.UnlockOSThread()
			return
		}
		result <- f()
	}()
	return <-result
}
