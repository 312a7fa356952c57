package packet_test

import (
	"bytes"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// control checks that what Control tells of a frame, of which o is the outcome, is what
// decoding it says.
func (d *pair) control(t *testing.T, r *packet.Sifted, f *capture.Frame, o packet.Outcome) {
	t.Helper()
	r.Control(f.Data, func(src, dst ip.AddrPort, flags packet.Flags) {
		d.controls++
		if p := &d.p; o != packet.OK || p.Proto != packet.ProtoTCP || flags&(packet.SYN|packet.RST) == 0 ||
			src != p.Src || dst != p.Dst || flags != p.Flags {
			t.Fatalf("a segment from %v to %v, %x; but decoded, %v\n%+v\n%x", src, dst, flags, o, d.p, f.Data)
		}
	})
}

// Of a run, Control tells of the segments that open or refuse connections, in their
// order, wherever in its memory they are.
func TestControl(t *testing.T) {
	with := func(name string, flags packet.Flags, at int) capture.Frame {
		f := ordinary()[name]
		f.Data = bytes.Clone(f.Data)
		f.Data[at+13] = byte(flags)
		return f
	}
	const behind4, behind6 = 14 + 20, 14 + 40
	options := with("TCP", packet.SYN, behind4)
	options.Data[14] = 0x46
	frames := []capture.Frame{
		with("TCP", packet.SYN, behind4),
		with("TCP", packet.ACK|packet.PSH, behind4),
		with("TCP over v6", packet.SYN|packet.ACK, behind6),
		with("UDP", packet.SYN, behind4), // is no flag there
		with("VLAN", packet.RST, behind4+4),
		with("QinQ v6", packet.RST|packet.ACK, behind6+8),
		options, // which is odd
		with("TCP over v6", packet.FIN|packet.ACK, behind6),
		ordinary()["bad"],
	}
	s := packet.NewSieve()
	s.TakeKinds(func(packet.Proto, packet.Flags) packet.Takers { return 1 })
	s.TakeAnyPort(1)
	var r packet.Sifted
	run := runOf(frames)
	r.Sift(s, run, 0, run.N)
	var got []packet.Flags
	see := func(src, dst ip.AddrPort, f packet.Flags) {
		if src.Port == 0 || dst.Port == 0 || src.Addr == dst.Addr {
			t.Errorf("from %v to %v", src, dst)
		}
		got = append(got, f)
	}
	r.Control(run.Block, see)
	want := []packet.Flags{packet.SYN, packet.SYN | packet.ACK, packet.RST, packet.RST | packet.ACK}
	if string(got) != string(want) {
		t.Errorf("told of %x, want %x", got, want)
	}
	r.TakeAll(0, run.N)
	r.Control(run.Block, func(ip.AddrPort, ip.AddrPort, packet.Flags) { t.Error("told of a frame whose headers were not read") })
	if r.Sift(s, run, 0, run.N); testing.AllocsPerRun(10, func() { r.Control(run.Block, func(ip.AddrPort, ip.AddrPort, packet.Flags) {}) }) != 0 {
		t.Error("it allocates")
	}
}
