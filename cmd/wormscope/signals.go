package main

import (
	"os/signal"
	"syscall"
	"time"
)

// sameSignal is how long after a signal another one is taken for the same: timeout(1)
// sends its signal to the program and, at once, again to the process group.
const sameSignal = time.Second

// endAtNext has the next signal end the program at once, whatever it waits for, but for
// one that is the same as the one that just came: ignore stops taking signals.
func endAtNext(ignore func()) { time.AfterFunc(sameSignal, ignore) }

// outliveReaders has a write to standard output or standard error fail when its reader
// has gone. Else it would end the program, and what other outputs were to get be lost.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }
