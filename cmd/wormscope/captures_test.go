package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/capture"
	"wormscope/internal/testnet"
)

// quietPipe returns a pipe through which a capture has come, and nothing more does.
func quietPipe(t *testing.T) (out io.Reader, end func()) {
	t.Helper()
	whole, err := os.ReadFile(filepath.Join("..", "..", "testdata", "pcaps", "smb-doublepulsar.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() { _, _ = w.Write(whole) }() // fails once nobody reads
	return r, func() { _ = w.Close() }
}

// TestPipeKeepsNobodyWaiting: while nothing comes through a pipe, what was found is
// kept and told, and a signal ends the replay.
func TestPipeKeepsNobodyWaiting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	in, end := quietPipe(t)
	defer end()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	flags := flagValues{state: dir}
	s, err := flags.settings()
	if err != nil {
		t.Fatal(err)
	}
	var out, report bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- replay(ctx, &s, []string{"-"}, streams{in, &out, &report}) }()
	testnet.Until(t, "the state folder to know", func() bool {
		var known, wrong bytes.Buffer
		return run([]string{"report", "--state", dir}, nil, &known, &wrong) == exitOK && strings.Contains(known.String(), "is INFECTED")
	})
	interrupt()
	if err := <-done; !errors.Is(err, errStopped) {
		t.Errorf("error is %v, want %v", err, errStopped)
	}
	if !strings.HasPrefix(out.String(), "1 host is INFECTED") {
		t.Errorf("what was read is not told:\n%s", &out)
	}
}

// TestPipeIsIdle: at a tick whoever waits is told so, and has the frame when it comes.
func TestPipeIsIdle(t *testing.T) {
	in, end := quietPipe(t)
	r, err := capture.Open([]string{"-"}, in)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tick := make(chan time.Time)
	p := newPipe(r, tick)
	var f capture.Frame
	frames := 0
	go func() { tick <- time.Time{}; end() }()
	for idle := 0; ; {
		err := p.Next(&f)
		switch {
		case err == nil:
			frames++
			continue
		case errors.Is(err, capture.ErrIdle):
			if idle++; idle > 1 {
				t.Fatal("idle without a tick")
			}
			var run capture.Run
			if p.More(&run, 1) != 0 {
				t.Error("there is more than was waited for")
			}
			continue
		case !errors.Is(err, io.EOF):
			t.Fatal(err)
		case idle != 1 || uint64(frames) != r.Stats().Frames:
			t.Errorf("idle %d times, want once; %d frames of %d", idle, frames, r.Stats().Frames)
		}
		return
	}
}
