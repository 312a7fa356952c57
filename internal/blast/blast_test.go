//go:build linux

package blast_test

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"wormscope/capture"
	"wormscope/capture/ring"
	"wormscope/internal/blast"
	"wormscope/internal/livetest"
	"wormscope/internal/testnet"
)

// What is sent is what the capture holds, in its order and no faster than
// asked for. A busy machine loses some on the cable.
func TestSend(t *testing.T) {
	p := testnet.NewPair(t)
	tap := livetest.Opener(func(o ring.Options) (livetest.Source, error) { return ring.Open(o) }).Open(t, p, ring.Options{Interfaces: []string{testnet.Right}})
	path := filepath.Join("..", "..", "testdata", "pcaps", "outbreak.pcap")
	file, err := blast.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var s *blast.Sender
	if err = p.Inside(func() (e error) { s, e = blast.NewSender(testnet.Left); return e }); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const rate = 50_000
	sent, err := s.Send(file, rate)
	if err != nil {
		t.Fatal(err)
	}
	if soonest := time.Duration(float64(sent.Frames-64) / rate * 1e9); sent.Took < soonest || sent.Rate() > 1.5*rate {
		t.Errorf("%d frames in %v", sent.Frames, sent.Took)
	}
	want, err := capture.Open([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	var f capture.Frame
	var length int64
	came := tap.Frames(p.Count(testnet.Right, "rx_packets"))
	at := 0
	for n := range sent.Frames {
		if err := want.Next(&f); err != nil {
			t.Fatalf("frame %d of %d that were sent: %v", n, sent.Frames, err)
		}
		if length += int64(len(f.Data)); at < len(came) && bytes.Equal(f.Data, came[at].Data) {
			at++
		}
	}
	if at < len(came) || at == 0 {
		t.Errorf("frame %d of %d that came does not follow", at, len(came))
	}
	if err := want.Next(&f); err == nil || length != sent.Bytes {
		t.Errorf("%d frames of %d bytes sent, more than that captured, or %d bytes", sent.Frames, sent.Bytes, length)
	}
}

func TestOpen(t *testing.T) {
	for _, name := range []string{"nosuch.pcap", "README.md"} {
		if c, err := blast.Open(filepath.Join("..", "..", "testdata", "pcaps", name)); err == nil {
			t.Errorf("%s: no error", name)
			c.Close()
		}
	}
}
