// Command wormscope shows how far a network worm has got, from traffic alone.
//
// Each command has a file of its name; root.go puts them together. The files behind
// them are, by what they are for:
//
//   - pipeline.go: what replay and live share. It takes frames from a source, decodes
//     them, and runs them through the detectors to the ledger.
//   - output.go, state.go and delivery.go: where the findings go, to the event file, the
//     state folder and the sinks.
//   - liveloop.go: the capture loop of a live run. What goes on beside it (signals,
//     feeds, log lines) is in liveattend.go. With several rings, shards.go and merge.go
//     share the work among cores.
//   - config.go: settings, from the configuration file and the flags.
//   - snapshot.go: what metrics and health checks are made of.
package main

import "os"

func main() {
	os.Exit(profiled(func() int { return run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr) }))
}
