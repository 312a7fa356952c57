//go:build libpcap

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormscope/internal/testnet"
)

// TestLiveLibpcap does what TestLive does, through libpcap.
func TestLiveLibpcap(t *testing.T) { testLive(t, "--libpcap") }

// TestLiveLibpcapFilters hands an expression to libpcap that wormscope does not
// read itself, and asks for the kernel filter, which libpcap does not have.
func TestLiveLibpcapFilters(t *testing.T) {
	testnet.Need(t, "tc")
	n := testnet.New(t)
	client := n.Host("client", "10.10.1.25/16")
	router := n.Host("router", "10.10.0.1/16")
	client.Route("0.0.0.0/0", "10.10.0.1")
	router.Behind("203.0.113.0/24")
	router.Behind("198.51.100.0/24")
	sensor := n.Mirror(false)
	feed := filepath.Join(openDir(t), "feed.txt")
	writeFeed(t, feed, "203.0.113.7", "203.0.113.9")
	const expression = "ip[16:4] != 0xcb007109 and ip[16:2] != 0xc633" // not to 203.0.113.9, nor to 198.51/16
	s := startSensor(t, sensor, "--libpcap", "--kernel-filter", "--filter", expression, "--feed", feed)
	talk(client, "203.0.113.9", 3)
	talk(client, "198.51.100.1", 200)
	talk(client, "203.0.113.7", 3)
	s.await("the indicator", `"ioc-ip"`, "203.0.113.7")
	s.end()
	if told := strings.Contains(string(slurp(s.alerts)), "203.0.113.9"); told {
		t.Error("the address that the expression leaves out is told")
	}
	if times := strings.Count(s.Output(), "without the kernel filter: it is not to be had with libpcap"); times != 1 {
		t.Errorf("that there is no kernel filter is said %d times:\n%s", times, s.Output())
	}
	var doc struct {
		Capture struct {
			Packets  int
			Warnings []string
		}
	}
	unmarshal(t, slurp(s.scope), &doc)
	if packets := doc.Capture.Packets; packets < 3 || packets >= 200 {
		t.Errorf("%d packets came through", packets)
	}
	if all := strings.Join(doc.Capture.Warnings, "\n"); !strings.Contains(all, "was looked at: "+expression) || strings.Contains(all, "kernel filter") {
		t.Errorf("warnings: %s", all)
	}
}

// TestLiveLibpcapRefusesAnExpression shows an expression that libpcap can't
// compile: libpcap says what is wrong with it.
func TestLiveLibpcapRefusesAnExpression(t *testing.T) {
	n := newTap(t)
	out, err := n.host.Try(testnet.Patience, "wormscope", "live", "-i", testnet.Monitor, "--libpcap", "--filter", "tcp[13", "--user", "nobody")
	if err == nil || !strings.Contains(out, `mon0: the filter "tcp[13": `) {
		t.Errorf("got %v: %s", err, out)
	}
}

// TestLiveLibpcapDoesNotGoOnBlind takes the interface away and gives one of its
// name back when the rights to capture from it are given away: the run fails,
// for whoever started it to start it again.
func TestLiveLibpcapDoesNotGoOnBlind(t *testing.T) {
	x := newTap(t)
	s := startSensor(t, x.host, "--libpcap")
	x.net.Replug(func() { logs(t, s, 1, "the interface is gone") })
	status := s.Wait(testnet.Patience)
	if status != exitFail || !strings.Contains(s.Output(), "mon0: the interface is back, but to capture from it anew takes the privileges of the start") {
		t.Errorf("exit status %d: %s", status, s.Output())
	}
}

// TestLiveLibpcapSetting has other commands read a configuration whose
// expression only libpcap can.
func TestLiveLibpcapSetting(t *testing.T) {
	config := filepath.Join(t.TempDir(), "wormscope.yaml")
	if err := os.WriteFile(config, []byte("filter: tcp[13] & 2 != 0\nlive: {libpcap: true}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if status := run([]string{"config", "check", config}, nil, &stdout, &stderr); status != exitOK {
		t.Errorf("config check: exit status %d: %s", status, &stderr)
	}
	pcap := filepath.Join("..", "..", "testdata", "pcaps", "dig-nxdomain.pcap")
	status := run([]string{"replay", "--config", config, pcap}, nil, &stdout, &stderr)
	if status != exitUsage || !strings.Contains(stderr.String(), "comparisons of bytes are not taken here") {
		t.Errorf("replay: exit status %d: %s", status, &stderr)
	}
}
