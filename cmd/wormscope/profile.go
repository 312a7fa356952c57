//go:build profile

package main

import (
	"os"
	"runtime/pprof"
)

// profiled runs the program and writes to the file that the environment names
// where it spent its time. `make profile` builds and runs it so, for the compiler:
// from default.pgo it knows what to inline.
func profiled(program func() int) int {
	f, err := os.Create(os.Getenv("WORMSCOPE_PROFILE"))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		panic(err)
	}
	status := program()
	pprof.StopCPUProfile()
	if err := f.Close(); err != nil {
		panic(err)
	}
	return status
}
