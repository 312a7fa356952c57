package kernelfilter_test

import (
	"errors"
	"io"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"wormscope/capture"
	"wormscope/capture/kernelfilter"
	"wormscope/capture/packet"
	"wormscope/internal/corpus"
	"wormscope/internal/needs"
)

// needed says, of what the decoder made of a frame, whether a detector may use
// it: what docs/filter.md says in words. The segments that complete a handshake
// are left out, which only the segments before them tell.
func needed(o packet.Outcome, p *packet.Packet, known func(netip.Addr) bool) bool {
	switch {
	case o == packet.Held: // a fragment
		return true
	case o != packet.OK:
		return false
	case p.Fragment || p.Reassembled || known(p.Src.Addr.Netip()) || known(p.Dst.Addr.Netip()):
		return true
	}
	on := func(ports ...uint16) bool {
		return slices.Contains(ports, p.Src.Port) || slices.Contains(ports, p.Dst.Port)
	}
	switch p.Proto {
	case packet.ProtoTCP:
		return on(53, 139, 445) || p.Flags&(packet.SYN|packet.FIN|packet.RST) != 0
	case packet.ProtoUDP:
		return on(53)
	case packet.ProtoICMP, packet.ProtoICMPv6:
		return p.ICMP.HasInner || p.Unreachable()
	default:
		return false
	}
}

// perFile is how many frames of a capture are looked at.
const perFile = 1000

// frames gives all Ethernet frames of captures to f; what can't be read is
// left out.
func frames(t testing.TB, paths []string, f func(*capture.Frame)) {
	t.Helper()
	for _, path := range paths {
		source, err := capture.Open([]string{path}, nil)
		if err != nil {
			continue // captures that are none are among them
		}
		var frame capture.Frame
		for range perFile {
			if err := source.Next(&frame); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Log(err)
				}
				break
			}
			if frame.Link == capture.LinkEthernet && len(frame.Data) >= 14 {
				f(&frame)
			}
		}
		if err := source.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// someOf makes indicators of some of the addresses in captures: of one in 16
// itself, of another one in 16 a network around it.
func someOf(t testing.TB, paths []string) (list []netip.Prefix, known func(netip.Addr) bool) {
	t.Helper()
	decoder, p := packet.NewDecoder(), packet.Packet{}
	seen := map[netip.Prefix]bool{}
	frames(t, paths, func(f *capture.Frame) {
		if decoder.Decode(f, &p) != packet.OK {
			return
		}
		for _, a := range []netip.Addr{p.Src.Addr.Netip(), p.Dst.Addr.Netip()} {
			b := a.As16()
			var prefix netip.Prefix
			switch sum := int(b[11]) + int(b[12]) + int(b[13]) + int(b[14]) + int(b[15]); sum % 16 {
			case 0:
				prefix = netip.PrefixFrom(a, a.BitLen())
			case 1:
				prefix = netip.PrefixFrom(a, a.BitLen()-5).Masked()
			default:
				continue
			}
			if !seen[prefix] {
				seen[prefix] = true
				list = append(list, prefix)
			}
		}
	})
	return list, func(a netip.Addr) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
}

// TestNeededIsKept looks at the frames of the project's captures.
func TestNeededIsKept(t *testing.T) {
	own, err := filepath.Glob("../../testdata/pcaps/*.pcap*")
	if err != nil || len(own) < 40 {
		t.Fatalf("%d captures, %v", len(own), err)
	}
	checkNeeded(t, own)
}

// TestNeededIsKeptOfPublicCaptures looks at those of the public captures.
func TestNeededIsKeptOfPublicCaptures(t *testing.T) { checkNeeded(t, corpus.Files(t)) }

// checkNeeded checks that each frame that may matter is kept: as it is, behind
// more tags, and cut short. It also wants a part of the rest dropped.
func checkNeeded(t *testing.T, paths []string) {
	t.Helper()
	needs.Root(t, "to load a program into the kernel")
	list, known := someOf(t, paths)
	f, err := kernelfilter.Load(slices.Values(list), kernelfilter.Config{Ports: []uint16{53, 139, 445}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	r := &runner{t, f}
	decoder, p, cuts := packet.NewDecoder(), packet.Packet{}, 0
	check := func(frame *capture.Frame) (want, got bool) {
		o, n := decoder.Decode(frame, &p), r.kept(frame.Data)
		want, got = needed(o, &p, known), n > 0
		switch {
		case want && !got:
			t.Errorf("dropped though it may matter, %v to %v: %x", p.Src, p.Dst, frame.Data[:min(len(frame.Data), 128)])
		case got && n < len(frame.Data):
			cuts++
			checkCut(t, frame, n, o, &p)
		}
		return want, got
	}
	var all, wanted, kept int
	frames(t, paths, func(frame *capture.Frame) {
		want, got := check(frame)
		if want {
			wanted++
		}
		if got {
			kept++
		}
		if all++; all%8 != 0 {
			return
		}
		original := frame.Data
		for _, kind := range []uint16{0x8100, 0x88a8, 0x9100, 0x8100, 0x8100} {
			frame.Data = tagged(kind, frame.Data)
			frame.Len += 4
			check(frame)
		}
		for size := min(len(original), 70); size >= 14; size -= 4 {
			frame.Data = original[:size]
			check(frame)
		}
	})
	t.Logf("%d indicators, %d frames, %d needed, %d kept, %d of them cut", len(list), all, wanted, kept, cuts)
	if cuts == 0 {
		t.Error("no frame is cut to its headers")
	}
	if wanted == 0 || all-kept < (all-wanted)/2 {
		t.Errorf("of %d frames that do not matter %d are dropped", all-wanted, all-kept)
	}
}

// checkCut checks of a frame, which was decoded whole, that its headers say the same
// alone, and that its contents are for nobody.
func checkCut(t *testing.T, frame *capture.Frame, n int, o packet.Outcome, whole *packet.Packet) {
	t.Helper()
	var p packet.Packet
	cut := *frame
	cut.Data = frame.Data[:n]
	got := packet.NewDecoder().Decode(&cut, &p)
	p.Payload, p.Truncated, p.ICMP = whole.Payload, whole.Truncated, whole.ICMP // of a TCP segment, ICMP means nothing
	on := func(port uint16) bool { return slices.Contains([]uint16{53, 139, 445}, port) }
	if got != o || !reflect.DeepEqual(&p, whole) || p.Proto != packet.ProtoTCP || on(p.Src.Port) || on(p.Dst.Port) || n > kernelfilter.MaxHeads {
		t.Errorf("cut to %d bytes it is %v, whole %v: %v to %v: %x", n, got, o, whole.Src, whole.Dst, frame.Data[:min(len(frame.Data), 128)])
	}
}

// FuzzNeeded looks for a frame that may matter and is dropped.
func FuzzNeeded(f *testing.F) {
	needs.Root(f, "to load a program into the kernel")
	own, err := filepath.Glob("../../testdata/pcaps/encap-*.pcap")
	if err != nil {
		f.Fatal(err)
	}
	n := 0
	frames(f, own, func(frame *capture.Frame) {
		if n++; n%4 == 0 {
			f.Add(slices.Clone(frame.Data))
		}
	})
	f.Add(packetOf(ip(a4, "198.51.100.7", 17, udp(4000, 4001))))
	f.Add(packetOf(ip(a6, "2001:db8::1", 6, tcp(4000, 4001, ack))))
	f.Add(ethernet(38, []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, ip(a4, b4, 6, tcp(4000, 80, syn))))
	list := prefixes("198.51.100.7", "203.0.113.64/27", "2001:db8::1", "10.10.0.0/16")
	known := func(a netip.Addr) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	filter, err := kernelfilter.Load(slices.Values(list), kernelfilter.Config{Ports: []uint16{53, 139, 445}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { filter.Close() })
	r := &runner{f, filter}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 14 || len(data) > 2048 {
			return
		}
		var p packet.Packet
		o := packet.NewDecoder().Decode(&capture.Frame{Data: data, Len: len(data), Link: capture.LinkEthernet}, &p)
		switch n := r.kept(data); {
		case n == 0 && needed(o, &p, known):
			t.Errorf("dropped though it may matter: %v to %v, protocol %d", p.Src, p.Dst, p.Proto)
		case n > 0 && n < len(data):
			checkCut(t, &capture.Frame{Data: data, Len: len(data), Link: capture.LinkEthernet}, n, o, &p)
		}
	})
}
