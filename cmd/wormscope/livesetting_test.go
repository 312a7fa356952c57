package main

import "testing"

// TestFlagsWin: a flag of live wins over the configuration where it says no, too, and
// one that is not given changes nothing.
func TestFlagsWin(t *testing.T) {
	s := liveSetting{KernelFilter: true, OwnTraffic: true, Rings: 2}
	var flags liveSetting
	flags.NoPromiscuous = true
	flags.override(&s, func(flag string) bool { return flag == "kernel-filter" || flag == "no-promiscuous" })
	if s.KernelFilter || !s.OwnTraffic || !s.NoPromiscuous || s.Rings != 2 {
		t.Errorf("settings are %+v", s)
	}
}
