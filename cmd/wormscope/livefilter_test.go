package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"wormscope/internal/testnet"
)

// talk has a host send datagrams to an address that nobody answers at.
func talk(host *testnet.Host, address string, n int) {
	const script = `for ((i = 0; i < $2; i++)); do echo hello >/dev/udp/$1/4001; done`
	host.Run(testnet.Patience, "bash", "-c", script, "talk", address, strconv.Itoa(n))
}

// TestLiveFilters runs live with the kernel filter, --filter and several rings, without any
// privilege once it captures, and renews the indicators.
func TestLiveFilters(t *testing.T) {
	testnet.Need(t, "tc")
	const bulk = 2000
	for _, tt := range []struct {
		name  string
		flags []string
		bulk  bool // what no detector needs is counted
	}{
		{"kernel filter", []string{"--kernel-filter"}, false},
		{"several rings", []string{"--rings", "3"}, true},
		{"kernel filter and several rings", []string{"--kernel-filter", "--rings", "2"}, false},
		{"expression", []string{"--filter", "not host 203.0.113.9 and not port 4444"}, true},
		{"both", []string{"--kernel-filter", "--filter", "not host 203.0.113.9"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := testnet.New(t)
			client := n.Host("client", "10.10.1.25/16")
			router := n.Host("router", "10.10.0.1/16")
			client.Route("0.0.0.0/0", "10.10.0.1")
			router.Behind("203.0.113.0/24")
			router.Behind("198.51.100.0/24")
			sensor := n.Mirror(false)
			feed := filepath.Join(openDir(t), "feed.txt")
			writeFeed(t, feed, "203.0.113.7", "203.0.113.9")
			s := startSensor(t, sensor, append(tt.flags, "--feed", feed)...)
			talk(client, "198.51.100.1", bulk)
			talk(client, "203.0.113.7", 3)
			s.await("the indicator", `"ioc-ip"`, "203.0.113.7")
			talk(client, "203.0.113.9", 3)
			writeFeed(t, feed, "203.0.113.7", "203.0.113.9", "203.0.113.8")
			s.Signal(syscall.SIGHUP)
			testnet.Until(t, "feeds renewed", func() bool { return strings.Contains(s.Output(), "feeds renewed") })
			talk(client, "203.0.113.8", 3)
			s.await("the new indicator", `"ioc-ip"`, "203.0.113.8")
			s.end()
			if strings.Contains(s.Output(), "without the kernel filter") {
				t.Errorf("the kernel filter is not in use: %s", s.Output())
			}
			if told := strings.Contains(string(slurp(s.alerts)), "203.0.113.9"); told == slices.Contains(tt.flags, "--filter") {
				t.Errorf("the address that --filter leaves out is told: %v", told)
			}
			var doc struct{ Capture struct{ Packets int } }
			unmarshal(t, slurp(s.scope), &doc)
			if packets := doc.Capture.Packets; (packets > bulk/2) != tt.bulk { // a busy machine loses some on the cable
				t.Errorf("%d packets came through", packets)
			}
		})
	}
}

// writeFeed writes a feed of addresses.
func writeFeed(t *testing.T, path string, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		netip.MustParseAddr(a)
	}
	if err := os.WriteFile(path, []byte(strings.Join(addresses, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
