package testnet

import (
	"errors"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOnThread calls it from many goroutines at once, so that some are on the
// first thread when they ask.
func TestOnThread(t *testing.T) {
	failure := errors.New("said by f")
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			err := OnThread(func() error {
				if unix.Gettid() == os.Getpid() {
					t.Error("f is on the first thread")
				}
				return failure
			})
			if !errors.Is(err, failure) {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
}
