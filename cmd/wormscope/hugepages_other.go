//go:build !linux

package main

// askForHugePages does nothing: other systems give huge pages unasked, or not at
// all.
func askForHugePages() {}
