//go:build !linux

package main

// allEthernet is not known on this system.
func allEthernet([]string) bool { return false }
