//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormscope/internal/blast"
	"wormscope/internal/testnet"
)

// ringsRun is what a run of live on a cable says of traffic.
type ringsRun struct {
	told     []string // the last word of each alert, without times
	hosts    []string
	packets  int64
	dropped  int64
	undecode map[string]int64
	warnings []string
}

// overRings sends a capture over a cable to a run with so many rings, and
// stops the run at once.
func overRings(t *testing.T, name string, rings int, flags ...string) ringsRun {
	t.Helper()
	p := testnet.NewPair(t)
	dir := t.TempDir()
	alerts, scope := filepath.Join(dir, "alerts.json"), filepath.Join(dir, "scope.json")
	args := append([]string{
		"live", "-i", testnet.Right, "--rings", fmt.Sprint(rings), "--ring-mb", "64", "--no-sandbox", "--own-traffic",
		"--alerts", alerts, "--scope", scope, "--state", filepath.Join(dir, "state"),
	}, flags...)
	live := p.Start("capturing", "wormscope", args...)
	traffic, err := blast.Open(filepath.Join("..", "..", "testdata", "pcaps", name))
	if err != nil {
		t.Fatal(err)
	}
	defer traffic.Close()
	var sender *blast.Sender
	if err = p.Inside(func() (e error) { sender, e = blast.NewSender(testnet.Left); return e }); err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	const rate = 5000 // a second
	sent, err := sender.Send(traffic, rate)
	if err != nil {
		t.Fatal(err)
	}
	live.Signal(syscall.SIGTERM)
	if status := live.Wait(30 * time.Second); status != exitOK {
		t.Fatalf("exit status %d: %s", status, live.Output())
	}
	var r ringsRun
	for _, one := range tellings(t, slurp(alerts)) {
		r.told = append(r.told, one.What)
	}
	var doc struct {
		Capture struct {
			Packets, Dropped int64
			Undecoded        map[string]int64
			Warnings         []string
		}
		Hosts []struct {
			IP, State string
			Facts     []struct {
				Fact, Peer string
				Count      int
			}
		}
	}
	text, err := os.ReadFile(scope)
	if err != nil {
		t.Fatal(err)
	}
	unmarshal(t, text, &doc)
	for _, h := range doc.Hosts {
		r.hosts = append(r.hosts, fmt.Sprint(h.IP, h.State, h.Facts))
	}
	slices.Sort(r.hosts)
	r.packets, r.dropped, r.undecode, r.warnings = doc.Capture.Packets, doc.Capture.Dropped, doc.Capture.Undecoded, doc.Capture.Warnings
	if r.packets != sent.Frames {
		t.Errorf("%d rings: %d packets of %d, %d dropped", rings, r.packets, sent.Frames, r.dropped)
	}
	return r
}

// TestRings sends the same traffic to runs with one ring and with several:
// all that is said is the same, scans are counted whole, and nothing is left in
// the rings when the run stops.
func TestRings(t *testing.T) {
	for _, name := range []string{"outbreak.pcap", "incident.pcap"} {
		t.Run(name, func(t *testing.T) {
			want := overRings(t, name, 1, outbreakArgs()[2:]...)
			if !strings.Contains(strings.Join(want.told, "\n"), `"targets"`) {
				t.Errorf("no scan: %v", want.told)
			}
			for _, rings := range []int{2, 4} {
				got := overRings(t, name, rings, outbreakArgs()[2:]...)
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(ringsRun{})); diff != "" {
					t.Errorf("%d rings (-one +several):\n%s", rings, diff)
				}
			}
		})
	}
}
