package kernelfilter_test

import (
	"iter"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"wormscope/capture"
	"wormscope/capture/kernelfilter"
	"wormscope/capture/packet"
	"wormscope/internal/needs"
)

// plain reports whether a frame has nothing but tags before the header of IP,
// and nothing but options between that and a transport protocol: where the
// kernel reads as far as the decoder does. It keeps what is shorter than it
// wants to read.
func plain(frame []byte, p *packet.Packet) bool {
	at := 12
	for at+4 < len(frame) && slices.Contains([]uint16{0x8100, 0x88a8, 0x9100}, uint16(frame[at])<<8|uint16(frame[at+1])) {
		at += 4
	}
	var next byte
	switch kind := uint16(frame[at])<<8 | uint16(frame[at+1]); {
	case kind == 0x0800 && len(frame) >= at+2+20+14:
		next = frame[at+2+9]
	case kind == 0x86dd && len(frame) >= at+2+40+14:
		next = frame[at+2+6]
	}
	if at > 12+4*4 || next != byte(p.Proto) {
		return false
	}
	return p.Proto != packet.ProtoUDP || !slices.Contains(packet.TunnelPorts(), p.Dst.Port) && p.Src.Port != 3544
}

// TestJudge holds the decision about a decoded packet against the kernel's
// about its frame, and against what detectors need, for all frames of the
// project's captures.
func TestJudge(t *testing.T) {
	needs.Root(t, "to load a program into the kernel")
	paths, err := filepath.Glob("../../testdata/pcaps/*.pcap*")
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d captures, %v", len(paths), err)
	}
	none := iter.Seq[netip.Prefix](func(func(netip.Prefix) bool) {})
	ports := []uint16{53, 139, 445}
	f, err := kernelfilter.Load(none, kernelfilter.Config{Ports: ports})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	r, j := &runner{t, f}, kernelfilter.NewJudge(ports)
	decoder, p := packet.NewDecoder(), packet.Packet{}
	nobody := func(netip.Addr) bool { return false }
	var all, kept, dropped, plainly int
	frames(t, paths, func(frame *capture.Frame) {
		kernel, o := r.keeps(frame.Data), decoder.Decode(frame, &p)
		if o != packet.OK {
			return
		}
		all++
		got := j.Keeps(&p)
		if got {
			kept++
		} else {
			dropped++
		}
		if needed(o, &p, nobody) && !got {
			t.Errorf("dropped though it may matter: %v to %v, protocol %d", p.Src, p.Dst, p.Proto)
		}
		if got && !kernel {
			t.Errorf("kept though the kernel drops it: %v to %v, protocol %d, flags %v", p.Src, p.Dst, p.Proto, p.Flags)
		}
		if plain(frame.Data, &p) {
			if plainly++; got != kernel && !p.Truncated {
				t.Errorf("%v, the kernel says %v: %v to %v, protocol %d, flags %v: %x", got, kernel, p.Src, p.Dst, p.Proto, p.Flags, frame.Data[:min(len(frame.Data), 80)])
			}
		}
	})
	t.Logf("%d packets, %d of them plain; %d kept, %d dropped", all, plainly, kept, dropped)
	if plainly < all/2 || dropped == 0 || kept == 0 {
		t.Errorf("%d packets, %d of them plain; %d kept, %d dropped", all, plainly, kept, dropped)
	}
}
