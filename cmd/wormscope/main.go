// Command wormscope shows how far a network worm has got, from traffic alone.
//
// Each command has a file of its name; root.go puts them together. What replay and
// live share is the pipeline (pipeline.go): frames from a source, decoded, through the
// detectors to the ledger, with events (output.go), the state folder (state.go) and
// the sinks (delivery.go) behind it. A live run has its capture loop in liveloop.go,
// and what goes on beside it (signals, feeds, log lines) in liveattend.go; with
// several rings, shards.go and merge.go share its work among cores. Settings come from
// config.go, and snapshot.go holds what metrics and health are made of.
package main

import "os"

func main() {
	os.Exit(profiled(func() int { return run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr) }))
}
