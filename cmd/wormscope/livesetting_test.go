package main

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"wormscope/internal/testnet"
)

// TestFlagsWin: a flag of live wins over the configuration where it says no, too, and
// one that is not given changes nothing.
func TestFlagsWin(t *testing.T) {
	s := liveSetting{KernelFilter: true, OwnTraffic: true, Rings: 2}
	var flags liveSetting
	flags.NoPromiscuous = true
	flags.override(&s, func(flag string) bool { return flag == "kernel-filter" || flag == "no-promiscuous" })
	more := func(flag string) bool {
		return flag == "duration" || flag == "count" || flag == "user" || flag == "rings"
	}
	whole := liveSetting{Duration: time.Hour, Count: 5, User: "wormscope", Rings: 4, Group: "adm", RingMB: 8}
	(&liveSetting{}).override(&whole, more)
	if want := (liveSetting{Group: "adm", RingMB: 8}); !reflect.DeepEqual(whole, want) {
		t.Errorf("settings are %+v, want %+v", whole, want)
	}
	status := httpSetting{Listen: "9445", TokenFile: "token"}
	(&httpSetting{}).override(&status, func(flag string) bool { return flag == "http" })
	if want := (httpSetting{TokenFile: "token"}); status != want {
		t.Errorf("settings are %+v, want %+v", status, want)
	}
	if s.KernelFilter || !s.OwnTraffic || !s.NoPromiscuous || s.Rings != 2 {
		t.Errorf("settings are %+v", s)
	}
}

// TestLiveSaysWhomItBecame has root name folders that the user of the run may not
// write to, and a user that there is not.
func TestLiveSaysWhomItBecame(t *testing.T) {
	x := newTap(t)
	for user, want := range map[string]string{
		"nobody": "permission denied (as user nobody: see whose the folder is)",
		"nemo":   "--user nemo: there is no such user: name another, or make it",
	} {
		out, err := x.host.Try(testnet.Patience, "wormscope", "live", "-i", testnet.Monitor, "--ring-mb", "1", "--user", user, "--state", filepath.Join(t.TempDir(), "state"))
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v: %s", user, err, out)
		}
	}
}
