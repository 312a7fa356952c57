package filter

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/net/bpf"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/internal/corpus"
	"wormscope/internal/ip"
)

// A cutter runs the program that cuts frames, and decodes them whole and cut.
type cutter struct {
	vm         *bpf.VM
	heads      Heads
	whole, cut *packet.Decoder
	cuts, full int
}

func newCutter(t testing.TB) *cutter {
	t.Helper()
	c := &cutter{heads: Heads{Ports: append(packet.TunnelPorts(), 53, 139, 445), Datagram: 64}}
	program, err := new(Filter).compile(false, &c.heads)
	if err == nil {
		c.vm, err = bpf.NewVM(program)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.reset()
	return c
}

// reset begins with other frames: what is known of the fragments of the last ones is
// forgotten.
func (c *cutter) reset() { c.whole, c.cut = packet.NewDecoder(), packet.NewDecoder() }

// check cuts a frame and compares what is decoded of it with what is decoded of all
// of it.
func (c *cutter) check(t testing.TB, f *capture.Frame) {
	t.Helper()
	kept, err := c.vm.Run(f.Data)
	if err != nil {
		t.Fatal(err)
	}
	if kept == 0 {
		t.Fatalf("dropped: %x", f.Data)
	}
	var want, got packet.Packet
	short := *f
	short.Data = f.Data[:min(kept, len(f.Data))]
	a, b := c.whole.Decode(f, &want), c.cut.Decode(&short, &got)
	if len(short.Data) == len(f.Data) {
		c.full++
	} else {
		c.cuts++
		c.checkCut(t, &want, &got, short.Data)
	}
	if a != packet.OK {
		want, got = packet.Packet{}, packet.Packet{} // nobody looks
	}
	got.Payload, got.Truncated = want.Payload, want.Truncated
	if a != b || !reflect.DeepEqual(got, want) {
		t.Fatalf("cut to %d bytes it is %v %+v, whole %v %+v: %x", kept, b, got, a, want, f.Data)
	}
}

// checkCut checks that a frame may be cut, and is not cut by too much.
func (c *cutter) checkCut(t testing.TB, whole, cut *packet.Packet, left []byte) {
	t.Helper()
	told := 0
	if whole.Proto == packet.ProtoUDP {
		told = min(int(c.heads.Datagram), whole.PayloadLen)
	}
	if len(cut.Payload) < min(told, len(whole.Payload)) || !bytes.HasPrefix(whole.Payload, cut.Payload) || len(left) > MaxHeads {
		t.Fatalf("cut to %x, with %d bytes that it carries: %+v", left, len(cut.Payload), whole)
	}
	for _, end := range []ip.AddrPort{whole.Src, whole.Dst} {
		if slices.Contains(c.heads.Ports, end.Port) {
			t.Fatalf("cut to %x: %+v", left, whole)
		}
	}
}

// TestHeads cuts the frames of the project's captures and of the public ones.
func TestHeads(t *testing.T) {
	own, err := filepath.Glob("../../testdata/pcaps/*.pcap*")
	if err != nil || len(own) < 40 {
		t.Fatalf("%d captures, %v", len(own), err)
	}
	c := newCutter(t)
	for _, path := range append(own, corpus.Files(t)...) {
		c.reset()
		source, err := capture.Open([]string{path}, nil)
		if err != nil {
			continue // captures that are none are among them
		}
		var f capture.Frame
		for n := range 2000 {
			if err := source.Next(&f); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Log(err)
				}
				break
			}
			if f.Link != capture.LinkEthernet || len(f.Data) < etherLength {
				continue
			}
			c.check(t, &f)
			if n%64 == 0 {
				c.lengths(t, f)
			}
		}
		if a, b := c.whole.Stats(), c.cut.Stats(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: cut %+v, whole %+v", filepath.Base(path), b, a)
		}
		if err := source.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d frames cut, %d not", c.cuts, c.full)
	if c.cuts < 10_000 {
		t.Errorf("only %d frames are cut, and %d are not", c.cuts, c.full)
	}
}

// behind returns a frame with a VLAN tag.
func behind(kind uint16, frame []byte) []byte {
	return slices.Concat(frame[:12], []byte{byte(kind >> 8), byte(kind), 0, 7}, frame[12:])
}

// lengths checks a frame that was captured up to different lengths, and behind tags.
func (c *cutter) lengths(t testing.TB, f capture.Frame) {
	t.Helper()
	once := behind(0x8100, f.Data)
	for _, whole := range [][]byte{f.Data, once, behind(0x88a8, f.Data), behind(0x9100, f.Data), behind(0x88a8, once)} {
		wire := f.Len + len(whole) - len(f.Data)
		for n := etherLength; n < min(len(whole), 160); n++ {
			for _, length := range []int{wire, n} { // cut, and one that is no longer
				c.check(t, &capture.Frame{Time: f.Time, Data: whole[:n], Len: length, Link: f.Link})
			}
		}
		c.check(t, &capture.Frame{Time: f.Time, Data: whole, Len: wire, Link: f.Link})
	}
}

// TestHeadsLeaveHeaders says of a few frames how much is left of them.
func TestHeadsLeaveHeaders(t *testing.T) {
	segment := func(head, options byte, port uint16, total int) []byte {
		b := append(make([]byte, 12), 8, 0, 0x40|head/4, 0, byte(total>>8), byte(total), 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2)
		b = append(b, make([]byte, head-20)...)
		b = append(b, byte(port>>8), byte(port), 0x30, 0x39, 0, 0, 0, 1, 0, 0, 0, 2, (20+options)<<2, 0x10, 0, 0, 0, 0, 0, 0)
		return append(b, make([]byte, etherLength+total-len(b))...)
	}
	datagram := segment(20, 0, 443, 300)
	datagram[23], datagram[38], datagram[39] = 17, 1, 24
	longer := segment(20, 0, 80, 300)
	longer[16] = 9
	fragment := segment(20, 0, 80, 300)
	fragment[20] = 0x20
	for name, tt := range map[string]struct {
		frame []byte
		want  int
	}{
		"no options":                       {segment(20, 0, 80, 300), 54},
		"options of TCP":                   {segment(20, 12, 80, 300), 66},
		"options of IP, too":               {segment(60, 40, 80, 300), 134},
		"a port that is read":              {segment(20, 0, 445, 300), 314},
		"a datagram":                       {datagram, 106},
		"a packet longer than its frame":   {longer, 314},
		"a fragment":                       {fragment, 314},
		"a header that is none":            {segment(20, 0xf0, 80, 300), 314},
		"no longer than headers can be":    {segment(20, 0, 80, 79), 93},
		"a byte longer than they can be":   {segment(20, 0, 80, 80), 54},
		"not IP":                           {append(append(make([]byte, 12), 0x88, 0xb5), make([]byte, 200)...), 214},
		"a tag that the kernel left there": {behind(0x8100, segment(20, 0, 80, 300)), 58},
		"a tag of a provider":              {behind(0x88a8, segment(60, 40, 80, 300)), 138},
		"a tag of old":                     {behind(0x9100, datagram), 110},
		"a tag, and a port that is read":   {behind(0x8100, segment(20, 0, 445, 300)), 318},
		"a tag, and a longer packet":       {behind(0x8100, longer), 318},
		"a tag, and a fragment":            {behind(0x8100, fragment), 318},
		"a tag, and no longer than may be": {behind(0x8100, segment(20, 0, 80, 79)), 97},
		"a tag, and not IP":                {behind(0x8100, append(append(make([]byte, 12), 0x88, 0xb5), make([]byte, 200)...)), 218},
		"two tags":                         {behind(0x88a8, behind(0x8100, segment(20, 0, 80, 300))), 322},
	} {
		n, err := newCutter(t).vm.Run(tt.frame)
		if err != nil || min(n, len(tt.frame)) != tt.want {
			t.Errorf("%s: %d of %d bytes, %v, want %d", name, min(n, len(tt.frame)), len(tt.frame), err, tt.want)
		}
	}
}

// TestHeadsAfterFilter has an expression before the program that cuts.
func TestHeadsAfterFilter(t *testing.T) {
	c := newCutter(t)
	frames := read(t)
	for _, e := range expressions {
		f, err := Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		program, err := f.compile(false, &c.heads)
		if err != nil {
			t.Fatal(err)
		}
		both, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		alone := machine(t, e)
		for i := 0; i < len(frames); i += 5 {
			data := frames[i].Data
			want := 0
			if run(t, alone, data) {
				if want, err = c.vm.Run(data); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := both.Run(data); err != nil || got != want {
				t.Fatalf("%q: %d bytes, %v, want %d: %x", e, got, err, want, data)
			}
		}
	}
}

// FuzzHeads looks for a frame of which something else is decoded when it is cut.
func FuzzHeads(f *testing.F) {
	for i, frame := range read(f) {
		if i%97 == 0 {
			f.Add(frame.Data, uint16(0))
		}
	}
	c := newCutter(f)
	f.Fuzz(func(t *testing.T, data []byte, more uint16) {
		if len(data) < etherLength {
			return
		}
		c.reset()
		c.check(t, &capture.Frame{Data: data, Len: len(data) + int(more), Link: capture.LinkEthernet})
	})
}
