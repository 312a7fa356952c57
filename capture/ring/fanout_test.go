//go:build linux

package ring_test

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/capture/ring"
	"wormscope/internal/ip"
	"wormscope/internal/livetest"
	"wormscope/internal/testnet"
)

// datagram returns a UDP datagram in Ethernet, and the answer to it.
func datagram(flow int) (query, answer []byte) {
	client := binary.BigEndian.AppendUint32(nil, 0x0a000000+uint32(flow%50))
	server := []byte{192, 0, 2, byte(flow % 7)}
	port := binary.BigEndian.AppendUint16(nil, uint16(1024+flow))
	build := func(src, dst, srcPort, dstPort []byte) []byte {
		f := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0}
		f = append(append(f, src...), dst...)
		f = append(append(f, srcPort...), dstPort...)
		return append(f, 0, 12, 0, 0, 'p', 'i', 'n', 'g')
	}
	return build(client, server, port, []byte{0, 53}), build(server, client, []byte{0, 53}, port)
}

// flows reads a ring to its end and returns how often each flow was in it.
func flows(next func(*capture.Frame) error) (map[[2]ip.AddrPort]int, error) {
	seen := map[[2]ip.AddrPort]int{}
	decoder := packet.NewDecoder()
	var f capture.Frame
	var p packet.Packet
	for {
		switch err := next(&f); {
		case errors.Is(err, capture.ErrIdle):
			continue
		case errors.Is(err, io.EOF):
			return seen, nil
		case err != nil:
			return nil, err
		}
		if o := decoder.Decode(&f, &p); o != packet.OK {
			return nil, errors.New(o.String())
		}
		if p.Dst.Port == 53 {
			seen[[2]ip.AddrPort{p.Src, p.Dst}]++
		} else {
			seen[[2]ip.AddrPort{p.Dst, p.Src}]++
		}
	}
}

// Each frame is in one ring, and both directions of a flow in the same: from
// the first frame on, also where the interface was recreated. A busy machine loses
// some frames on the cable.
func TestFanoutKeepsFlowsTogether(t *testing.T) {
	p := testnet.NewPair(t)
	o := livetest.Small(testnet.Right)
	o.Fanout = 2
	source := open(t, p, o)
	const n = 500
	var rings sync.WaitGroup
	seen, errs := make([]map[[2]ip.AddrPort]int, o.Fanout), make([]error, o.Fanout)
	for i, r := range source.Rings() {
		rings.Go(func() { seen[i], errs[i] = flows(r.Next) })
	}
	t.Cleanup(func() {
		source.Stop()
		rings.Wait()
	})
	came := 0
	send := func(first int) {
		s := p.Sender(testnet.Left)
		for flow := first; flow < first+n; flow++ {
			query, answer := datagram(flow)
			s.Send(query, answer)
		}
		came += p.Count(testnet.Right, "rx_packets")
		testnet.Until(t, "all is received", func() bool { return source.Stats().Total().Received == uint64(came) })
	}
	send(0)
	const rounds = 2 // the second time with the number that it had
	for round := 1; round <= rounds; round++ {
		p.IP("link", "del", testnet.Right)
		testnet.Until(t, "gone", func() bool { return source.Stats().Total().Losses == uint64(round) })
		p.ConnectAs(77)
		testnet.Until(t, "back", func() bool { return source.Stats().Total().Returns == uint64(round) })
		testnet.Until(t, "both rings are", func() bool { return ring.Bound(source) })
		send(round * n) // flows of before may be in the other ring now
	}
	source.Stop()
	rings.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if least := (len(seen[0]) + len(seen[1])) / 4; least == 0 || len(seen[0]) < least || len(seen[1]) < least {
		t.Errorf("%d and %d flows of %d", len(seen[0]), len(seen[1]), (1+rounds)*n)
	}
	for flow := range seen[0] {
		if seen[1][flow] > 0 {
			t.Errorf("%v is in both rings", flow)
		}
	}
	if i := source.Stats().Total(); i.Received != uint64(came) || frames(seen...) != came || i.Dropped != 0 {
		t.Errorf("%d frames of %d, %+v", frames(seen...), came, i)
	}
}

// frames counts the frames of all flows.
func frames(seen ...map[[2]ip.AddrPort]int) (n int) {
	for _, ring := range seen {
		for _, frames := range ring {
			n += frames
		}
	}
	return n
}

// An interface that is recreated more often than there are sockets for ends a
// capture that may make no more: who goes on blind should not look healthy.
func TestMadeAnewTooOften(t *testing.T) {
	p := testnet.NewPair(t)
	o := livetest.Small(testnet.Right)
	o.Fanout = 2
	source := open(t, p, o)
	ends := make(chan error, o.Fanout)
	for _, r := range source.Rings() {
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with its lack of rights
			if err := dropRights(); err != nil {
				ends <- err
				return
			}
			_, err := flows(r.Next)
			ends <- err
		}()
	}
	for round := uint64(1); round <= ring.Spares; round++ {
		p.IP("link", "del", testnet.Right)
		testnet.Until(t, "gone", func() bool { return source.Stats().Total().Losses == round })
		p.Connect()
		testnet.Until(t, "back", func() bool { return source.Stats().Total().Returns == round && ring.Bound(source) })
	}
	p.IP("link", "del", testnet.Right)
	testnet.Until(t, "gone", func() bool { return source.Stats().Total().Losses == ring.Spares+1 })
	p.Connect()
	for range o.Fanout {
		if err := <-ends; err == nil || !strings.Contains(err.Error(), "right: the interface was made anew 9 times") {
			t.Errorf("got %v", err)
		}
	}
}

// dropRights takes all capabilities from the calling thread.
func dropRights() error {
	return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &make([]unix.CapUserData, 2)[0])
}

// One reader can read all rings.
func TestFanoutReadByOne(t *testing.T) {
	p := testnet.NewPair(t)
	o := livetest.Small(testnet.Right)
	o.Fanout = 4
	source := open(t, p, o)
	s := p.Sender(testnet.Left)
	const n = 500
	for flow := range n {
		query, answer := datagram(flow)
		s.Send(query, answer)
	}
	source.Stop()
	came := p.Count(testnet.Right, "rx_packets")
	seen, err := flows(source.Next)
	if err != nil || frames(seen) != came || len(seen) > n || came == 0 {
		t.Errorf("%d frames of %d, %d flows of %d: %v", frames(seen), came, len(seen), n, err)
	}
	if i := source.Stats().Total(); i.Received != uint64(came) {
		t.Errorf("got %+v", i)
	}
}
