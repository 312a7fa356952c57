//go:build linux

package ring_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"wormscope/capture"
	"wormscope/capture/ring"
	"wormscope/internal/livetest"
	"wormscope/internal/testnet"
)

// What comes while frames gather is read after that, and Stop ends it.
func TestGather(t *testing.T) {
	p := testnet.NewPair(t)
	o := livetest.Small(testnet.Right)
	o.Gather = 400 * time.Millisecond
	o.IdleAfter = time.Hour
	source := open(t, p, o)
	s := p.Sender(testnet.Left)
	var f capture.Frame
	next := func(want error) time.Duration {
		begin := time.Now()
		if err := source.Next(&f); !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
		return time.Since(begin)
	}
	s.Send(livetest.Frame(0, 60))
	next(nil)
	var took time.Duration
	// Where the test is held up, the frame is there before it is asked for, and none
	// is waited for.
	for try := 1; try <= 20 && took < o.Gather; try++ {
		s.Send(livetest.Frame(try, 60))
		took = next(nil)
	}
	if took < o.Gather {
		t.Errorf("no frame was left to gather with others: the last came after %v", took)
	}
	time.AfterFunc(50*time.Millisecond, source.Stop)
	next(io.EOF)
}

// The longer it took to read what was there, the longer frames gather after that, but
// not while a third of the ring waits.
func TestGatherMost(t *testing.T) {
	p := testnet.NewPair(t)
	o := livetest.Small(testnet.Right) // eight blocks
	o.BlockSize = 64 << 10
	o.Gather, o.GatherMost = 10*time.Millisecond, time.Hour
	o.IdleAfter = 2 * time.Hour
	source := open(t, p, o)
	s := p.Sender(testnet.Left)
	var f capture.Frame
	next := func() {
		if err := source.Next(&f); err != nil {
			t.Fatal(err)
		}
	}
	s.Send(livetest.Frame(0, 60))
	next()
	time.Sleep(300 * time.Millisecond) // so that to read it took long: gather for 30 s now
	read := make(chan time.Time)
	go func() {
		next()
		read <- time.Now()
	}()
	time.Sleep(time.Second) // until it waits
	s.Send(livetest.Frame(1, 60))
	select {
	case <-read:
		t.Fatal("a frame was read at once, and not left to gather with others")
	case <-time.After(time.Second):
	}
	const frame = 1500
	for i := range 3 * o.BlockSize / frame {
		s.Send(livetest.Frame(i, frame))
	}
	select {
	case <-read:
	case <-time.After(10 * time.Second):
		t.Error("a third of the ring was full, and nothing was read")
	}
}

// An interface that is gone is noticed, and found when it is back, however steadily
// frames of another one gather.
func TestGatherLooks(t *testing.T) {
	p := testnet.NewPair(t)
	other := []string{"link", "add", "left2", "type", "veth", "peer", "name", "right2"}
	p.IP(other...)
	p.Up("left2", "right2")
	o := livetest.Small(testnet.Right, "right2")
	o.Gather = 60 * time.Millisecond
	source := open(t, p, o)
	s := p.Sender(testnet.Left)
	var f capture.Frame
	steps := []struct {
		change func()
		told   func(ring.Interface) bool
	}{
		{func() {}, func(i ring.Interface) bool { return i.Up }},
		{func() { p.IP("link", "del", "right2") }, func(i ring.Interface) bool { return i.Losses == 1 }},
		{func() { p.IP(other...); p.Up("left2", "right2") }, func(i ring.Interface) bool { return i.Returns == 1 }},
	}
	for step, c := range steps {
		c.change()
		told := false
		for i := 0; i < 40 && !told; i++ { // fewer than the blocks after which the sockets are polled anyway
			s.Send(livetest.Frame(i, 60))
			if err := source.Next(&f); err != nil && !errors.Is(err, capture.ErrIdle) {
				t.Fatal(err)
			}
			told = c.told(source.Stats().Interfaces[1])
		}
		if !told {
			t.Fatalf("step %d: 40 times frames were left to gather, and what happened to the other interface was not looked at: %+v", step, source.Stats().Interfaces[1])
		}
	}
}
