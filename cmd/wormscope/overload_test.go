//go:build linux

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"wormscope/internal/blast"
	"wormscope/internal/livetest"
	"wormscope/internal/testnet"
)

// TestLiveOverload sends far more than a ring of 64 KiB holds: what is lost is
// told to the packet.
func TestLiveOverload(t *testing.T) {
	p := testnet.NewPair(t)
	scope := filepath.Join(t.TempDir(), "scope.json")
	live := p.Start("capturing", "wormscope", "live", "-i", testnet.Right, "--ring-mb", "0.0625", "--no-sandbox", "--scope", scope)
	traffic, err := blast.Open(filepath.Join("..", "..", "testdata", "pcaps", "outbreak.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	defer traffic.Close()
	var sender *blast.Sender
	if err = p.Inside(func() (e error) { sender, e = blast.NewSender(testnet.Left); return e }); err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	before := p.Count(testnet.Right, "rx_packets")
	var sent int64
	for range 5 {
		one, failed := sender.Send(traffic, 0)
		if failed != nil {
			t.Fatal(failed)
		}
		sent += one.Frames
	}
	// A busy machine loses some on the cable, before any ring.
	came := int64(p.Count(testnet.Right, "rx_packets") - before)
	if came > sent || came == 0 {
		t.Fatalf("%d frames were sent, %d came", sent, came)
	}
	live.Signal(syscall.SIGTERM)
	if status := live.Wait(testnet.Patience); status != exitOK {
		t.Fatalf("exit status %d: %s", status, live.Output())
	}
	text, err := os.ReadFile(scope)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Capture struct {
			Packets, Dropped int64
			Warnings         []string
		}
	}
	unmarshal(t, text, &document)
	c := document.Capture
	if c.Packets+c.Dropped != came || c.Dropped == 0 || c.Packets == 0 {
		t.Errorf("%d packets and %d dropped of %d that came", c.Packets, c.Dropped, came)
	}
	if len(c.Warnings) == 0 {
		t.Error("no warning")
	}
}

// TestLiveCount ends in the middle of a block: what was read of it is counted in the
// scope as well.
func TestLiveCount(t *testing.T) {
	p := testnet.NewPair(t)
	scope := filepath.Join(t.TempDir(), "scope.json")
	live := p.Start("capturing", "wormscope", "live", "-i", testnet.Right, "--count", "7", "--no-sandbox", "--scope", scope)
	s := p.Sender(testnet.Left)
	for i := range 20 {
		s.Send(livetest.Frame(i, 100))
	}
	if status := live.Wait(testnet.Patience); status != exitOK {
		t.Fatalf("exit status %d: %s", status, live.Output())
	}
	var document struct {
		Capture struct{ Packets, Bytes int }
	}
	unmarshal(t, slurp(scope), &document)
	if c := document.Capture; c.Packets != 7 || c.Bytes != 700 {
		t.Errorf("%d packets of %d bytes, want 7 of 700", c.Packets, c.Bytes)
	}
}
