//go:build !linux

package main

// clockState is not known on this system.
func clockState() (known, synchronised bool) { return false, false }
