package filter

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"golang.org/x/net/bpf"

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
		program, err := f.Compile()
		if err != nil {
			t.Fatal(err)
		}
		var want [][]byte
		for _, frame := range frames {
			if f.Match(&capture.Frame{Data: frame, Len: len(frame), Link: capture.LinkEthernet}) {
				want = append(want, frame)
			}
		}
		var got [][]byte
		if err := p.Inside(func() (err error) {
			got, err = through(p, program, frames)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%q: the kernel let %d frames through, want %d:\n%x\n%x", e, len(got), len(want), got, want)
		}
	}
}

// through returns which frames come out of a cable past a program.
func through(p *testnet.Pair, program []bpf.RawInstruction, frames [][]byte) (got [][]byte, err error) {
	source, err := ring.Open(ring.Options{Interfaces: []string{testnet.Right}, BlockSize: 64 << 10, Blocks: 8, Filter: program})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	p.Sender(testnet.Left).Send(frames...)
	source.Stop()
	for {
		var frame capture.Frame
		switch err := source.Next(&frame); {
		case errors.Is(err, io.EOF):
			return got, nil
		case err != nil:
			return nil, err
		case frame.Data[0] == 2: // else of the kernel's own
			got = append(got, slices.Clone(frame.Data))
		}
	}
}
