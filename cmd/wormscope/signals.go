package main

import "time"

// sameSignal is how long after a signal another one is taken for the same: timeout(1)
// sends its signal to the program and, at once, again to the process group.
const sameSignal = time.Second

// endAtNext has the next signal end the program at once, whatever it waits for, but for
// one that is the same as the one that just came: ignore stops taking signals.
func endAtNext(ignore func()) { time.AfterFunc(sameSignal, ignore) }
