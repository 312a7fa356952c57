//go:build linux

package ring_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"wormscope/capture"
	"wormscope/capture/ring"
	"wormscope/internal/livetest"
	"wormscope/internal/testnet"
)

func TestRing(t *testing.T) {
	livetest.Run(t, func(o ring.Options) (livetest.Source, error) { return ring.Open(o) })
}

// Reading in runs gives what reading frame by frame does.
func TestRuns(t *testing.T) {
	longest := 0
	livetest.Run(t, func(o ring.Options) (livetest.Source, error) {
		source, err := ring.Open(o)
		if err != nil {
			return nil, err
		}
		return &inRuns{Source: source, longest: &longest}, nil
	})
	if longest < most {
		t.Errorf("the longest run had %d frames", longest)
	}
}

// most is how long runs are that are asked for.
const most = 32

// inRuns reads runs wherever there is one, and gives their frames one by one.
type inRuns struct {
	*ring.Source
	run     capture.Run
	given   int
	size    int
	longest *int
}

func (s *inRuns) Next(f *capture.Frame) error {
	if s.given == s.run.N {
		s.size = s.size%most + 1
		s.given = 0
		*s.longest = max(*s.longest, s.More(&s.run, s.size))
	}
	if s.run.N == 0 {
		return s.Source.Next(f)
	}
	s.run.Frame(s.given, f)
	s.given++
	return nil
}

// open opens a source in the namespace of the cable, and closes it when the
// test ends.
func open(t testing.TB, p *testnet.Pair, o ring.Options) *ring.Source {
	t.Helper()
	var source *ring.Source
	livetest.Opener(func(o ring.Options) (livetest.Source, error) {
		var err error
		source, err = ring.Open(o)
		return source, err
	}).Open(t, p, o)
	return source
}

// longer returns a filter that passes what is longer than some bytes.
func longer(t *testing.T, than uint32) []bpf.RawInstruction {
	t.Helper()
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: than, SkipFalse: 1},
		bpf.RetConstant{Val: 0xffffffff},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// What a filter holds back is neither received nor dropped.
func TestFilter(t *testing.T) {
	p := testnet.NewPair(t)
	o := livetest.Small(testnet.Right)
	o.Filter = longer(t, 100)
	source := open(t, p, o)
	p.Sender(testnet.Left).Send(livetest.Frame(0, 60), livetest.Frame(1, 200), livetest.Frame(2, 60))
	source.Stop()
	var f capture.Frame
	if err := source.Next(&f); err != nil || f.Len != 200 {
		t.Errorf("%d bytes, %v", f.Len, err)
	}
	if err := source.Next(&f); err == nil {
		t.Errorf("%d bytes more", f.Len)
	}
	if i := source.Stats().Total(); i.Received != 1 || i.Dropped != 0 {
		t.Errorf("got %+v", i)
	}
}

// Reading allocates nothing.
func TestAllocations(t *testing.T) {
	p := testnet.NewPair(t)
	o := livetest.Small(testnet.Right)
	source := open(t, p, o)
	s := p.Sender(testnet.Left)
	frame := livetest.Frame(1, 300, 0x8100, 100)
	var f capture.Frame
	next := func() {
		for err := source.Next(&f); err != nil; err = source.Next(&f) {
			if !errors.Is(err, capture.ErrIdle) {
				t.Fatal(err)
			}
			for range 100 { // a busy machine loses some on the cable
				s.Send(frame)
			}
		}
	}
	next()
	if allocated := testing.AllocsPerRun(2000, next); allocated != 0 {
		t.Errorf("%v allocations a frame", allocated)
	}
	var run capture.Run
	if allocated := testing.AllocsPerRun(10, func() { source.More(&run, 32) }); allocated != 0 {
		t.Errorf("%v allocations a run", allocated)
	}
}

// What came of two interfaces before Stop is read in the order of its times: what
// the kernel still has of one is waited for.
func TestStopKeepsTheOrder(t *testing.T) {
	p := testnet.NewPair(t)
	p.IP("link", "add", "left2", "type", "veth", "peer", "name", "right2")
	p.Up("left2", "right2")
	o := livetest.Small(testnet.Right, "right2")
	o.BlockSize = 64 << 10
	o.BlockTimeout = 500 * time.Millisecond
	source := open(t, p, o)
	p.Sender("left2").Send(livetest.Frame(0, 60))
	const full = 60 // more than a block has room for
	s := p.Sender(testnet.Left)
	for i := range full {
		s.Send(livetest.Frame(1+i, 1400))
	}
	source.Stop()
	var f capture.Frame
	for i := range 1 + full {
		if err := source.Next(&f); err != nil || !strings.HasPrefix(string(f.Data[14:]), fmt.Sprint(i, " ")) {
			t.Fatalf("frame %d is %q, %v", i, f.Data[14:20], err)
		}
	}
}

// plugged returns a cable and a source at its end, which has looked at its link.
func plugged(t *testing.T) (*testnet.Pair, *livetest.Tap) {
	t.Helper()
	p := testnet.NewPair(t)
	tap := livetest.Opener(func(o ring.Options) (livetest.Source, error) { return ring.Open(o) }).Open(t, p, livetest.Small(testnet.Right))
	tap.Next(&capture.Frame{})
	return p, tap
}

// The interface gets another name, and another interface its own: what is captured
// is the first one still, and that is said.
func TestRenamed(t *testing.T) {
	p, tap := plugged(t)
	p.IP("link", "set", testnet.Right, "name", "other") // while it is up
	tap.Warned("right: the interface is called other now, and captured from all the same")
	p.IP("link", "add", testnet.Right, "type", "veth", "peer", "name", "third")
	p.Up(testnet.Right, "third")
	p.Sender("third").Send(livetest.Frame(9, 60))
	p.Sender(testnet.Left).Send(livetest.Frame(0, 60))
	if got := tap.Frames(1)[0]; string(got.Data) != string(livetest.Frame(0, 60)) {
		t.Errorf("got %q", got.Data[14:20])
	}
	p.IP("link", "set", testnet.Left, "down")
	tap.Warned("right: the interface has no link")
	tap.IsUp(false, 1, 0)
}

// An interface that is given another name while it is down is captured from when it is
// up, until one comes that has its own; that is said.
func TestRenamedWhileDown(t *testing.T) {
	p, tap := plugged(t)
	p.IP("link", "set", testnet.Right, "down")
	tap.Warned("right: the interface went down")
	p.IP("link", "set", testnet.Right, "name", "other")
	p.Up(testnet.Left, "other")
	tap.Warned("right: the interface is called other now, and captured from all the same")
	p.Sender(testnet.Left).Send(livetest.Frame(0, 60))
	tap.Frames(1)
	tap.IsUp(false, 1, 0)
	p.IP("link", "add", testnet.Right, "type", "veth", "peer", "name", "third")
	p.Up(testnet.Right, "third")
	tap.Warned("right: the interface is back")
	p.Sender("third").Send(livetest.Frame(9, 60))
	if got := tap.Frames(1)[0]; string(got.Data) != string(livetest.Frame(9, 60)) {
		t.Errorf("got %q", got.Data[14:20])
	}
}

// Another link type takes the place of the one that a filter was made for: it would
// hold back anything there, and so nothing is captured until one of the first kind is
// back. Without a filter the new one is captured from.
func TestOfAnotherKind(t *testing.T) {
	for name, filter := range map[string][]bpf.RawInstruction{"filtered": longer(t, 100), "all": nil} {
		t.Run(name, func(t *testing.T) {
			p := testnet.NewPair(t)
			o := livetest.Small(testnet.Right)
			o.Filter = filter
			tap := livetest.Opener(func(o ring.Options) (livetest.Source, error) { return ring.Open(o) }).Open(t, p, o)
			p.IP("link", "del", testnet.Right)
			tap.Warned("right: the interface is gone")
			raw := p.Tun(testnet.Right, 0)
			if filter == nil {
				tap.Warned("right: the interface is back")
				raw.Send(append([]byte{0x45}, make([]byte, 100)...)) // as of IPv4
				if got := tap.Frames(1)[0]; got.Link != capture.LinkRaw {
					t.Errorf("link type %v", got.Link)
				}
				return
			}
			tap.Warned("right: can't capture from the interface that came back: it is of another kind: start again")
			tap.IsUp(false, 1, 0)
			p.IP("link", "del", testnet.Right)
			p.Connect()
			tap.Warned("right: the interface is back")
			p.Sender(testnet.Left).Send(livetest.Frame(0, 60), livetest.Frame(2, 200))
			if got := tap.Frames(1)[0]; string(got.Data) != string(livetest.Frame(2, 200)) {
				t.Errorf("got %q", got.Data[14:20])
			}
		})
	}
}

// unplugged is plugged after the other end went down.
func unplugged(t *testing.T) (*testnet.Pair, *livetest.Tap) {
	t.Helper()
	p, tap := plugged(t)
	p.IP("link", "set", testnet.Left, "down")
	tap.Warned("right: the interface has no link")
	return p, tap
}

// The other end of the cable goes down, and comes back.
func TestLink(t *testing.T) {
	p, tap := unplugged(t)
	tap.IsUp(false, 1, 0)
	p.Up(testnet.Left, testnet.Right)
	tap.Warned("right: the interface has a link again")
	p.Sender(testnet.Left).Send(livetest.Frame(0, 60))
	tap.Frames(1)
	tap.IsUp(true, 1, 1)
}

// An interface that loses its link and then goes down is lost once.
func TestLinkThenDown(t *testing.T) {
	p, tap := unplugged(t)
	p.IP("link", "set", testnet.Right, "down")
	tap.Warned("right: the interface went down")
	tap.IsUp(false, 1, 0)
	p.Up(testnet.Left, testnet.Right)
	tap.Warned("right: the interface is back")
	tap.IsUp(true, 1, 1)
}

// No descriptor and no memory is left when a source is closed, or could not be
// opened.
func TestNothingIsLeft(t *testing.T) {
	p := testnet.NewPair(t)
	before := held(t)
	o := livetest.Small(testnet.Right)
	o.Fanout = 2
	for range 3 {
		var source *ring.Source
		if err := p.Inside(func() (err error) { source, err = ring.Open(o); return err }); err != nil {
			t.Fatal(err)
		}
		if err := source.Close(); err != nil {
			t.Fatal(err)
		}
		bad := o
		bad.Interfaces = append(bad.Interfaces, "nosuch0")
		if err := p.Inside(func() error { _, err := ring.Open(bad); return err }); err == nil {
			t.Fatal("no error")
		}
	}
	if after := held(t); after != before {
		t.Errorf("%q held before, %q after", before, after)
	}
}

// held returns what /proc says of this process's packet sockets and rings.
func held(t *testing.T) string {
	t.Helper()
	var fds int
	for fd := range 256 {
		if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil && kind == unix.AF_PACKET {
			fds++
		}
	}
	maps := readAll(t, "/proc/self/maps")
	return strings.Repeat("socket ", fds) + strings.Repeat("ring ", strings.Count(maps, "socket:"))
}

// Each mistake in the options is said, whatever the machine.
func TestOptions(t *testing.T) {
	most := map[int]int{64: 64, 32: 1}[strconv.IntSize]
	for _, c := range []struct {
		o    ring.Options
		want string
	}{
		{ring.Options{}, "no interface is named"},
		{ring.Options{Interfaces: []string{"a", "b", "a"}}, "interface a is named twice"},
		{ring.Options{Interfaces: []string{"a"}, BlockSize: 100_000}, "a block of 100000 bytes: it must be a power of two, and 65536 at the least"},
		{ring.Options{Interfaces: []string{"a"}, BlockSize: 32 << 10}, "a block of 32768 bytes: it must be a power of two, and 65536 at the least"},
		{ring.Options{Interfaces: []string{"a"}, Blocks: -1}, fmt.Sprintf("a ring of -1 blocks of 1048576 bytes: it must be one block to %d GiB", most)},
		{ring.Options{Interfaces: []string{"a"}, Blocks: 1 << 20}, fmt.Sprintf("a ring of 1048576 blocks of 1048576 bytes: it must be one block to %d GiB", most)},
		{ring.Options{Interfaces: []string{"a"}, BlockTimeout: time.Microsecond}, "a block time-out of 1µs: it must be 1 ms to 10 s"},
		{ring.Options{Interfaces: []string{"a"}, IdleAfter: -1}, "idle after -1ns: it must be 1 ms or more"},
		{ring.Options{Interfaces: []string{"a"}, Gather: -1}, "to gather for -1ns: it must be 0 or more"},
		{ring.Options{Interfaces: []string{"a"}, GatherMost: -1}, "to gather for -1ns at most: it must be 0 or more"},
		{ring.Options{Interfaces: []string{"a"}, Fanout: 100}, "100 rings an interface: it must be 1 to 64"},
	} {
		if _, err := ring.Open(c.o); err == nil || err.Error() != c.want {
			t.Errorf("%v: got %v, want %s", c.o, err, c.want)
		}
	}
}

// Without the capability Open says what it needs.
func TestWithoutCapability(t *testing.T) {
	testnet.Need(t)
	err := testnet.OnThread(func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			return err
		}
		_, err := ring.Open(ring.Options{Interfaces: []string{"lo"}})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "lo: capturing needs CAP_NET_RAW: run as root, or give the program that capability") {
		t.Errorf("got %v", err)
	}
}

// An eBPF program takes the place of the filter, on all sockets, and goes
// again.
func TestAttachEBPF(t *testing.T) {
	p := testnet.NewPair(t)
	o := livetest.Small(testnet.Right)
	o.Filter = longer(t, 100)
	source := open(t, p, o)
	s := p.Sender(testnet.Left)
	program := dropAll(t)
	if err := source.AttachEBPF(program); err != nil {
		t.Fatal(err)
	}
	s.Send(livetest.Frame(0, 200))
	if err := source.AttachEBPF(-1); err != nil {
		t.Fatal(err)
	}
	s.Send(livetest.Frame(1, 60), livetest.Frame(2, 300))
	source.Stop()
	var f capture.Frame
	if err := source.Next(&f); err != nil || f.Len != 300 {
		t.Errorf("%d bytes, %v", f.Len, err)
	}
	if err := source.AttachEBPF(0); err == nil { // standard input
		t.Error("something else than a program was attached")
	}
}
