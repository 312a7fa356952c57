package filter

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"wormscope/capture"
	"wormscope/capture/ring"
	"wormscope/internal/testnet"
)

// TestInKernel has the kernel run programs over frames whose outer tag it has
// taken out, and compares with a look at the whole frames.
func TestInKernel(t *testing.T) {
	p := testnet.NewPair(t)
	plain := slices.Concat([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 80, 0, 0, 0, 0, 64, 17, 0, 0, 10, 10, 1, 23, 10, 10, 1, 24, 0, 53, 1, 189, 0, 60, 0, 0}, make([]byte, 52))
	in := func(kind, id byte, frame []byte) []byte {
		second := byte(0)
		if kind == 0x88 {
			second = 0xa8
		}
		return slices.Concat(frame[:12], []byte{kind, second, 0, id}, frame[12:])
	}
	frames := [][]byte{
		plain, in(0x81, 5, plain), in(0x88, 9, plain), in(0x91, 9, plain), in(0x81, 0, plain),
		in(0x88, 9, in(0x81, 5, plain)), in(0x81, 9, in(0x81, 5, plain)), in(0x88, 9, in(0x81, 5, in(0x81, 6, plain))),
		in(0x91, 9, in(0x81, 5, in(0x81, 6, plain))), in(0x91, 7, in(0x88, 9, in(0x81, 5, in(0x81, 6, plain)))), in(0x81, 7, in(0x88, 9, in(0x81, 5, in(0x81, 6, plain)))),
	}
	for _, e := range []string{
		"", "port 53", "not port 53", "vlan", "not vlan", "vlan 5", "vlan 9", "vlan 6", "vlan 0", "vlan 5 and port 53", "less 94", "greater 98", "less 98 and udp",
		"src host 10.10.1.23", "dst host 10.10.1.23",
	} {
		f, err := Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		program, err := f.Compile(nil)
		if err != nil {
			t.Fatal(err)
		}
		var want [][]byte
		for _, frame := range frames {
			if f.Match(&capture.Frame{Data: frame, Len: len(frame), Link: capture.LinkEthernet}) {
				want = append(want, frame)
			}
		}
		var got []capture.Frame
		if err := p.Inside(func() (err error) {
			got, _, err = through(p, ring.Options{Filter: program}, frames)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, want, func(f capture.Frame, data []byte) bool { return bytes.Equal(f.Data, data) }) {
			t.Errorf("%q: the kernel let %d frames through, want %d:\n%x\n%x", e, len(got), len(want), got, want)
		}
	}
}

// through returns what of frames comes out of a cable past a program.
func through(p *testnet.Pair, o ring.Options, frames [][]byte) (got []capture.Frame, stats ring.Stats, err error) {
	o.Interfaces, o.BlockSize, o.Blocks = []string{testnet.Right}, 64<<10, 8
	source, err := ring.Open(o)
	if err != nil {
		return nil, stats, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	p.Sender(testnet.Left).Send(frames...)
	source.Stop()
	for {
		var frame capture.Frame
		switch err := source.Next(&frame); {
		case errors.Is(err, io.EOF):
			return got, source.Stats(), nil
		case err != nil:
			return nil, stats, err
		case frame.Data[0] == 2: // else of the kernel's own
			frame.Data = bytes.Clone(frame.Data)
			got = append(got, frame)
		}
	}
}

// TestHeadsInKernel has the kernel cut frames, and the ring tell those from frames
// of which something is missing.
func TestHeadsInKernel(t *testing.T) {
	p := testnet.NewPair(t)
	segment := func(port byte) []byte {
		head := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 1, 244, 0, 0, 0, 0, 64, 6, 0, 0, 10, 10, 1, 23, 10, 10, 1, 24, 0, port, 1, 189 - 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10}
		return append(head, make([]byte, 14+500-len(head))...)
	}
	web, dns := segment(80), segment(53)
	tagged := slices.Concat(web[:12], []byte{0x81, 0, 0, 5}, web[12:])
	double := slices.Concat(web[:12], []byte{0x88, 0xa8, 0, 9, 0x81, 0, 0, 5}, web[12:])
	triple := slices.Concat(web[:12], []byte{0x88, 0xa8, 0, 9, 0x81, 0, 0, 5, 0x81, 0, 0, 6}, web[12:])
	frames := [][]byte{web, dns, tagged, double, triple}
	program, err := new(Filter).Compile(&Heads{Ports: []uint16{53}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ heads, truncated int }{{MaxHeads, 0}, {0, 3}} {
		var got []capture.Frame
		var stats ring.Stats
		if err := p.Inside(func() (err error) {
			got, stats, err = through(p, ring.Options{Filter: program, Heads: tt.heads}, frames)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for i, want := range []int{54, 514, 58, 62, 526} {
			if i >= len(got) || len(got[i].Data) != want || got[i].Len != len(frames[i]) || !bytes.HasPrefix(frames[i], got[i].Data) {
				t.Fatalf("%d frames; of number %d %d bytes are wanted: %+v", len(got), i, want, got)
			}
		}
		if n := stats.Total().Truncated; n != uint64(tt.truncated) {
			t.Errorf("%d frames count as truncated, want %d", n, tt.truncated)
		}
	}
}
