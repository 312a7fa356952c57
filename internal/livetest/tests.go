package livetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"wormscope/capture"
	"wormscope/internal/testnet"
)

// framesAsSent sends what the kernel takes apart on the way in, and wants it
// back as it was.
func framesAsSent(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	tap := open.Open(t, p, Small(testnet.Right))
	want := [][]byte{
		Frame(0, 60),
		Frame(1, 60, 0x8100, 0x0064),
		Frame(2, 60, 0x8100, 0x0000), // VID 0: a tag for the priority alone
		Frame(3, 60, 0x8100, 0xefff), // all bits but one
		Frame(4, 60, 0x88a8, 0x0064),
		Frame(5, 60, 0x88a8, 0x0064, 0x8100, 0x00c8), // QinQ
		Frame(6, 60, 0x8100, 0x0064, 0x8100, 0x00c8),
		Frame(7, 60, 0x9100, 0x0064, 0x8100, 0x00c8), // the kernel leaves it alone
		Frame(8, 1514),
		Frame(9, 1518, 0x8100, 0x0064),
		Frame(10, 15), // shorter than a card would send
	}
	before := time.Now().UnixNano()
	p.Sender(testnet.Left).Send(want...)
	got := tap.Frames(len(want))
	check(t, got, want)
	for i, f := range got {
		if f.Time < before || f.Time > time.Now().UnixNano() || i > 0 && f.Time < got[i-1].Time {
			t.Errorf("frame %d came at %v, sent after %v", i, f.Time, before)
		}
	}
	if name := tap.Name(got[0].File); name != testnet.Right {
		t.Errorf("it came from %q", name)
	}
}

// segmentsWhole sends what offloads leave in one piece.
func segmentsWhole(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	o := Small(testnet.Right)
	o.BlockSize = 64 << 10 // the smallest, in which they still fit
	tap := open.Open(t, p, o)
	s := p.Sender(testnet.Left)
	for i, size := range []int{3000, 65_226} {
		f := segment(size)
		s.SendSegment(f, 1448)
		got := tap.Frames(1)[0]
		if len(got.Data) != size || got.Len != size || string(got.Data[54:]) != string(f[54:]) {
			t.Errorf("segment %d: got %d bytes of %d, sent %d", i, len(got.Data), got.Len, size)
		}
	}
}

// segment returns a TCP segment in IPv4 in Ethernet without checksums.
func segment(size int) []byte {
	f := make([]byte, size)
	copy(f, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45})
	binary.BigEndian.PutUint16(f[16:], uint16(size-14))
	copy(f[22:], []byte{64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2})
	f[46], f[47] = 0x50, 0x10
	for i := 54; i < size; i++ {
		f[i] = byte(i >> 4)
	}
	return f
}

// outgoing sends in both directions: the end that sends sees it, too, unless
// told otherwise.
func outgoing(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	both := open.Open(t, p, Small(testnet.Left))
	o := Small(testnet.Left)
	o.NoOutgoing = true
	in := open.Open(t, p, o)
	out, back := Frame(0, 60, 0x8100, 100), Frame(1, 60, 0x8100, 100)
	p.Sender(testnet.Left).Send(out)
	p.Sender(testnet.Right).Send(back)
	check(t, both.Frames(2), [][]byte{out, back})
	check(t, in.Frames(1), [][]byte{back})
}

// loopback sends on the loopback interface, where each packet goes out and
// comes in.
func loopback(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	p.IP("link", "set", "lo", "up")
	tap := open.Open(t, p, Small("lo"))
	want := [][]byte{Frame(0, 60), Frame(1, 60)}
	p.Sender("lo").Send(want...)
	check(t, tap.Frames(2), want)
	tap.Stop()
	if n := tap.Rest(); n != 0 {
		t.Errorf("%d frames more", n)
	}
}

// promiscuous asks the kernel in which mode the interface is.
func promiscuous(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	mode := func() bool {
		return !strings.Contains(p.Run("ip", "-d", "link", "show", testnet.Right), "promiscuity 0")
	}
	o := Small(testnet.Right)
	o.NoPromiscuous = true
	open.Open(t, p, o)
	if mode() {
		t.Error("promiscuous, though it was not to be")
	}
	tap := open.Open(t, p, Small(testnet.Right))
	if !mode() {
		t.Error("not promiscuous")
	}
	if err := tap.Close(); err != nil {
		t.Fatal(err)
	}
	if mode() {
		t.Error("still promiscuous after Close")
	}
}

// twoInterfaces sends into two cables in turn and wants the order kept of all that
// came: a busy machine loses some on the cables.
func twoInterfaces(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	p.IP("link", "add", "left2", "type", "veth", "peer", "name", "right2")
	p.Up("left2", "right2")
	tap := open.Open(t, p, Small(testnet.Right, "right2"))
	one, two := p.Sender(testnet.Left), p.Sender("left2")
	const n = 5000
	go func() {
		defer tap.Stop()
		for i := range n {
			if i%7 < 3 || i > n/2 && i < n*3/4 { // for a while only one says something
				one.Send(Frame(i, 60))
			} else {
				two.Send(Frame(i, 60))
			}
		}
	}()
	counts := map[string]uint64{}
	last := -1
	for f := range tap.all() {
		var number int
		if _, err := fmt.Sscan(string(f.Data[14:]), &number); err != nil || number <= last || string(f.Data) != string(Frame(number, 60)) {
			t.Fatalf("%q follows frame %d: %v", f.Data[14:20], last, err)
		}
		last = number
		name := tap.Name(f.File)
		if counts[name]++; counts[name] != f.Number {
			t.Fatalf("frame %d of %s has the number %d", counts[name], name, f.Number)
		}
	}
	for _, i := range tap.Stats().Interfaces {
		came := uint64(p.Count(i.Name, "rx_packets"))
		if i.Received != counts[i.Name] || i.Received != came || came == 0 || i.Dropped != 0 {
			t.Errorf("%+v, want %d received of %d", i, counts[i.Name], came)
		}
	}
}

// idle waits where nobody says anything.
func idle(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	o := Small(testnet.Right)
	o.IdleAfter = 20 * time.Millisecond
	tap := open.Open(t, p, o)
	begin := time.Now()
	var f capture.Frame
	for range 3 {
		if err := tap.Next(&f); !errors.Is(err, capture.ErrIdle) {
			t.Fatalf("got %v", err)
		}
	}
	if took := time.Since(begin); took < 60*time.Millisecond {
		t.Errorf("idle three times within %v", took)
	}
}

// stopDrains stops with frames on the way, and wants all that came: a busy
// machine loses some on the cable.
func stopDrains(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	o := Small(testnet.Right)
	o.BlockTimeout = 500 * time.Millisecond // so that they are still with the kernel
	tap := open.Open(t, p, o)
	const n = 2000
	s := p.Sender(testnet.Left)
	before := p.Count(testnet.Right, "rx_packets")
	for i := range n {
		s.Send(Frame(i, 100))
	}
	tap.Stop()
	tap.Stop()
	got := uint64(tap.Rest())
	came := uint64(p.Count(testnet.Right, "rx_packets") - before)
	if got != came || came == 0 {
		t.Errorf("%d frames, %d came before Stop", got, came)
	}
	s.Send(Frame(n, 60))
	if got := tap.Rest(); got != 0 {
		t.Errorf("%d frames after the end", got)
	}
	total := tap.Stats().Total()
	if total.Received != came || total.Bytes != came*100 || total.Dropped != 0 || total.Last == 0 {
		t.Errorf("got %+v", total)
	}
}

// stopWakes stops a reader that waits.
func stopWakes(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	o := Small(testnet.Right)
	o.IdleAfter = time.Hour
	tap := open.Open(t, p, o)
	time.AfterFunc(50*time.Millisecond, tap.Stop)
	if n := tap.Rest(); n != 0 {
		t.Errorf("%d frames", n)
	}
}

// loss sends more than a ring of 64 KiB holds, and wants every frame accounted
// for that came: a busy machine loses some on the cable, before any tap.
func loss(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	o := Small(testnet.Right)
	o.BlockSize, o.Blocks = 64<<10, 1
	tap := open.Open(t, p, o)
	const n = 50_000
	s := p.Sender(testnet.Left)
	f := Frame(0, 200)
	before := p.Count(testnet.Right, "rx_packets")
	for i := range n {
		s.Send(f)
		if i == n/2 { // asking in between takes nothing away
			tap.Stats()
		}
	}
	tap.Stop()
	got := tap.Rest()
	total := tap.Stats().Total()
	came := uint64(p.Count(testnet.Right, "rx_packets") - before)
	if total.Received != uint64(got) || total.Received+total.Dropped != came || total.Dropped < n/2 {
		t.Errorf("%d sent, %d came, %d read; counted %d received and %d dropped", n, came, got, total.Received, total.Dropped)
	}
	if err := tap.Close(); err != nil {
		t.Fatal(err)
	}
	after := tap.Stats().Total()
	if after.Received != total.Received || after.Dropped != total.Dropped || after.Freezes != total.Freezes {
		t.Errorf("%+v after Close, %+v before", after, total)
	}
}

// downAndUp sets the interface down and up again.
func downAndUp(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	tap := open.Open(t, p, Small(testnet.Right))
	s := p.Sender(testnet.Left)
	s.Send(Frame(0, 60))
	check(t, tap.Frames(1), [][]byte{Frame(0, 60)})
	p.IP("link", "set", testnet.Right, "down")
	tap.Warned("right: the interface went down")
	tap.IsUp(false, 1, 0)
	p.Up(testnet.Left, testnet.Right)
	tap.Warned("right: the interface is back")
	s.Send(Frame(1, 60))
	if got := tap.Frames(1)[0]; string(got.Data) != string(Frame(1, 60)) || got.Number != 2 {
		t.Errorf("got frame %d, %q", got.Number, got.Data[14:20])
	}
	tap.IsUp(true, 1, 1)
}

// goneAndBack removes the interface, with frames in the ring, and makes it
// anew.
func goneAndBack(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	tap := open.Open(t, p, Small(testnet.Right))
	p.Sender(testnet.Left).Send(Frame(0, 60), Frame(1, 60))
	tap.Frames(1)
	p.IP("link", "del", testnet.Right)
	tap.Frames(1)
	tap.Warned("right: the interface is gone")
	p.Connect()
	tap.Warned("right: the interface is back")
	if !strings.Contains(p.Run("ip", "-d", "link", "show", testnet.Right), "promiscuity 1") {
		t.Error("not promiscuous")
	}
	p.Sender(testnet.Left).Send(Frame(2, 60, 0x8100, 0x0064))
	if got := tap.Frames(1)[0]; string(got.Data) != string(Frame(2, 60, 0x8100, 0x0064)) || got.Number != 3 {
		t.Errorf("got frame %d, %x", got.Number, got.Data)
	}
	tap.Stop()
	tap.Rest()
	tap.IsUp(true, 1, 1)
	if i := tap.Stats().Total(); i.Received != 3 || i.Dropped != 0 {
		t.Errorf("got %+v", i)
	}
}

// sameNumber removes the interface and makes it anew with the number that it had, as
// one has that was moved into another network namespace and back.
func sameNumber(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	p.IP("link", "del", testnet.Right)
	const number = 77
	p.ConnectAs(number)
	tap := open.Open(t, p, Small(testnet.Right))
	p.IP("link", "del", testnet.Right)
	tap.Warned("right: the interface is gone")
	p.ConnectAs(number)
	tap.Warned("right: the interface is back")
	p.Sender(testnet.Left).Send(Frame(0, 60))
	check(t, tap.Frames(1), [][]byte{Frame(0, 60)})
}

// downAtFirst opens an interface that is not up yet.
func downAtFirst(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	p.IP("link", "set", testnet.Right, "down")
	tap := open.Open(t, p, Small(testnet.Right))
	tap.Warned("right: the interface is down")
	p.Up(testnet.Left, testnet.Right)
	tap.Warned("right: the interface is back")
	p.Sender(testnet.Left).Send(Frame(0, 60))
	check(t, tap.Frames(1), [][]byte{Frame(0, 60)})
}

// closed asks for frames after Close.
func closed(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	tap := open.Open(t, p, Small(testnet.Right))
	p.Sender(testnet.Left).Send(Frame(0, 60), Frame(1, 60))
	tap.Frames(1)
	for range 2 {
		if err := tap.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var f capture.Frame
	if err := tap.Next(&f); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	tap.Stop()
	if i := tap.Stats().Total(); i.Received != 1 || i.InUse != 0 {
		t.Errorf("got %+v", i)
	}
}

// unknown names an interface that there is not.
func unknown(t *testing.T, open Opener) {
	p := testnet.NewPair(t)
	for _, name := range []string{"nosuch0", "a-name-that-no-interface-can-have"} {
		err := p.Inside(func() error {
			s, err := open(Small(testnet.Left, name))
			if err == nil {
				err = s.Close()
				t.Error("no error")
			}
			return err
		})
		if text := err.Error(); !strings.Contains(text, name) || !strings.Contains(text, "left") || !strings.Contains(text, "right") {
			t.Errorf("%q does not say which there are", text)
		}
	}
}

// rawIP captures from interfaces without Ethernet: one without any link layer,
// and one with a kind of its own.
func rawIP(t *testing.T, open Opener) {
	const ppp = 512 // ARPHRD_PPP
	p := testnet.NewPair(t)
	raw, own := p.Tun("tun0", 0), p.Tun("tun1", ppp)
	tap := open.Open(t, p, Small("tun0", "tun1"))
	packet := segment(100)[14:]
	raw.Send(packet)
	f := tap.Frames(1)[0]
	if f.Link != capture.LinkRaw || f.Len != len(packet) || string(f.Data) != string(packet) {
		t.Errorf("link type %v, %x", f.Link, f.Data)
	}
	own.Send(packet)
	f = tap.Frames(1)[0]
	want := string([]byte{0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}) + string(packet)
	if f.Link != capture.LinkSLL || f.Len != len(want) || string(f.Data) != want {
		t.Errorf("link type %v, %x", f.Link, f.Data)
	}
}
