package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wormscope/internal/testnet"
)

// TestManagerThatHangs: a service manager that reads nothing holds nothing up. What it
// took before is whole.
func TestManagerThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	t.Setenv("NOTIFY_SOCKET", path)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := tellManager("READY=1", testnet.Patience); err != nil {
		t.Fatal(err)
	}
	const most = 10_000 // far more than a socket holds
	failed := make(chan error, 1)
	go func() {
		var err error
		for n := 0; n < most && err == nil; n++ {
			err = tellManager("WATCHDOG=1", 10*time.Millisecond)
		}
		failed <- err
	}()
	select {
	case err := <-failed:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("want a time-out, got %v", err)
		}
	case <-time.After(testnet.Patience):
		t.Fatal("it waits for the service manager")
	}
	b := make([]byte, 100)
	if n, err := c.Read(b); err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("got %q, %v", b[:n], err)
	}
}
