package packet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/gopacket/layers"

	"wormscope/capture"
	"wormscope/capture/packet"
)

// tap feeds frames to one Decoder, a millisecond after each other.
type tap struct {
	*packet.Decoder
	p   packet.Packet
	now int64
}

func newTap() *tap { return &tap{Decoder: packet.NewDecoder()} }

func (s *tap) see(data []byte) packet.Outcome {
	s.now += 1e6
	return s.Decode(&capture.Frame{Time: s.now, Data: data, Len: len(data), Link: capture.LinkEthernet}, &s.p)
}

// piece4 is a frame with the bytes from offset to end of an IPv4 packet's
// payload, as a fragment.
func piece4(ip []byte, offset, end int) []byte {
	b := join(ip[:20], ip[20+offset:20+end])
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	part := uint16(offset / 8)
	if end < len(ip)-20 {
		part |= 0x2000
	}
	binary.BigEndian.PutUint16(b[6:], part)
	return typed(0x0800, b)
}

// piece6 is the same of an IPv6 packet.
func piece6(ip []byte, offset, end int) []byte {
	part := uint16(offset)
	if end < len(ip)-40 {
		part |= 1
	}
	header := []byte{ip[6], 0, byte(part >> 8), byte(part), 0, 0, 0, 7}
	b := join(ip[:40], header, ip[40+offset:40+end])
	b[6] = 44
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return typed(0x86dd, b)
}

// big is a packet of 8 + 3000 bytes of UDP.
func big(v6 bool) []byte {
	payload := make([]byte, 3000)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	if v6 {
		ip := ip6(inner6, remote, layers.IPProtocolUDP)
		return stack(ip, udpLayer(40000, 53, ip), gopacketPayload(payload))
	}
	ip := ip4(inner4, server, layers.IPProtocolUDP)
	return stack(ip, udpLayer(40000, 53, ip), gopacketPayload(payload))
}

// TestFragments sends the fragments of a datagram in every order, copied, overlapping
// and cut short.
func TestFragments(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		piece, header := piece4, 20
		if v6 {
			piece, header = piece6, 40
		}
		ip := big(v6)
		want := ip[header+8:]
		first, middle, last := piece(ip, 0, 1480), piece(ip, 1480, 2960), piece(ip, 2960, 3008)
		t.Run(fmt.Sprintf("in order, v6 %v", v6), func(t *testing.T) {
			s := newTap()
			if o := s.see(first); o != packet.OK || !s.p.Fragment || s.p.Reassembled || s.p.PayloadLen != 1472 || s.p.Truncated {
				t.Fatalf("first: %v %+v", o, s.p)
			}
			if s.p.Src.Port != 40000 || s.p.Dst.Port != 53 || !bytes.Equal(s.p.Payload, want[:1472]) {
				t.Errorf("first: %v-%v", s.p.Src, s.p.Dst)
			}
			if o := s.see(middle); o != packet.Held {
				t.Errorf("middle: %v", o)
			}
			if o := s.see(last); o != packet.OK || s.p.Fragment || !s.p.Reassembled || s.p.PayloadLen != 3000 || s.p.Truncated {
				t.Fatalf("last: %v %+v", o, s.p)
			}
			if s.p.Src.Port != 40000 || s.p.Dst.Port != 53 || !bytes.Equal(s.p.Payload, want) {
				t.Errorf("whole: %v-%v", s.p.Src, s.p.Dst)
			}
			if got := s.Stats().Fragments; got != (packet.FragmentStats{Seen: 3, Reassembled: 1}) {
				t.Errorf("%+v", got)
			}
		})
		t.Run(fmt.Sprintf("backwards, v6 %v", v6), func(t *testing.T) {
			s := newTap()
			if s.see(last) != packet.Held || s.see(middle) != packet.Held {
				t.Error("not held")
			}
			if o := s.see(first); o != packet.OK || s.p.Fragment || s.p.Reassembled || !bytes.Equal(s.p.Payload, want) {
				t.Errorf("%v %+v", o, s.p)
			}
		})
		t.Run(fmt.Sprintf("twice, v6 %v", v6), func(t *testing.T) {
			s := newTap()
			var given, whole int
			for _, f := range [][]byte{first, first, middle, middle, last} {
				if s.see(f) == packet.OK {
					given++
					if s.p.Reassembled {
						whole++
					}
				}
			}
			if stats := s.Stats().Fragments; given != 3 || whole != 1 || stats.Duplicates != 2 || stats.Overlaps != 0 {
				t.Errorf("given %d, whole %d, %+v", given, whole, stats)
			}
		})
		t.Run(fmt.Sprintf("cut by the snapshot length, v6 %v", v6), func(t *testing.T) {
			s := newTap()
			cut := func(data []byte) packet.Outcome {
				return s.Decode(&capture.Frame{Data: data[:96], Len: len(data), Link: capture.LinkEthernet}, &s.p)
			}
			if o := cut(first); o != packet.OK || !s.p.Fragment || !s.p.Truncated || s.p.PayloadLen != 1472 {
				t.Errorf("first: %v %+v", o, s.p)
			}
			if o := cut(middle); o != packet.CutFragment {
				t.Errorf("middle: %v", o)
			}
			if n := s.Stats().Fragments.Truncated; n != 2 {
				t.Errorf("%d counted", n)
			}
		})
	}
}

// TestTinyFirstFragment checks that a TCP header in pieces is given out once,
// when it is whole (RFC 1858).
func TestTinyFirstFragment(t *testing.T) {
	ip := segment(false, "payload")
	s := newTap()
	if o := s.see(piece4(ip, 0, 8)); o != packet.Held {
		t.Errorf("first: %v", o)
	}
	if o := s.see(piece4(ip, 8, 27)); o != packet.OK || s.p.Reassembled || s.p.Fragment || string(s.p.Payload) != "payload" {
		t.Errorf("whole: %v %+v", o, s.p)
	}
}

func TestAtomicFragment(t *testing.T) {
	ip := segment(true, "payload")
	s := newTap()
	if o := s.see(piece6(ip, 0, 27)); o != packet.OK || s.p.Fragment || s.p.Reassembled || string(s.p.Payload) != "payload" {
		t.Errorf("%v %+v", o, s.p)
	}
	if got := s.Stats().Fragments; got != (packet.FragmentStats{}) {
		t.Errorf("%+v", got)
	}
}

// TestFragmentedTunnel checks that a packet in a fragmented tunnel is found in
// the first fragment, and whole when all are there.
func TestFragmentedTunnel(t *testing.T) {
	inner := big(false)
	vxlan := overUDP(4789, unhex("0800000000002a00"), typed(0x0800, inner))[14:]
	gre := over4(47, unhex("0000 0800"), inner)[14:]
	for name, ip := range map[string][]byte{"VXLAN": vxlan, "GRE": gre} {
		s := newTap()
		if o := s.see(piece4(ip, 0, 1480)); o != packet.OK || !s.p.Fragment || s.p.Dst.Port != 53 || s.p.Truncated || s.p.PayloadLen != len(s.p.Payload) {
			t.Errorf("%s, first: %v %+v", name, o, s.p)
		}
		if s.see(piece4(ip, 1480, 2960)) != packet.Held {
			t.Errorf("%s: not held", name)
		}
		if o := s.see(piece4(ip, 2960, len(ip)-20)); o != packet.OK || !s.p.Reassembled || !bytes.Equal(s.p.Payload, inner[28:]) {
			t.Errorf("%s, whole: %v %+v", name, o, s.p)
		}
	}
}

// TestFragmentedTunnelOfFragments checks both at once: fragments, in a tunnel
// that is fragmented too.
func TestFragmentedTunnelOfFragments(t *testing.T) {
	inner := big(false)
	s := newTap()
	var outcomes []packet.Outcome
	for i, part := range [][]byte{piece4(inner, 0, 1480), piece4(inner, 1480, 3008)} {
		ip := over4(47, unhex("0000 0800"), part[14:])[14:]
		ip[5] = byte(i) // identification
		for offset := 0; offset < len(ip)-20; offset += 1400 {
			outcomes = append(outcomes, s.see(piece4(ip, offset, min(offset+1400, len(ip)-20))))
			if more := offset > 0; i == 0 && (!s.p.Fragment || s.p.Reassembled != more) {
				t.Errorf("%d, %d: %+v", i, offset, s.p)
			}
		}
	}
	if last := outcomes[len(outcomes)-1]; last != packet.OK || !bytes.Equal(s.p.Payload, inner[28:]) {
		t.Errorf("%v %+v", outcomes, s.p)
	}
}

// TestHeadInTunnelHeader checks a first fragment that ends before the packet
// inside begins: it counts as the tunnel, and the whole as what is inside.
func TestHeadInTunnelHeader(t *testing.T) {
	ip := over4(47, unhex("0000 0800"), question4())[14:]
	s := newTap()
	if o := s.see(piece4(ip, 0, 8)); o != packet.OK || !s.p.Fragment || s.p.Proto != 47 {
		t.Errorf("first: %v %+v", o, s.p)
	}
	if o := s.see(piece4(ip, 8, len(ip)-20)); o != packet.OK || s.p.Reassembled || s.p.Proto != packet.ProtoUDP {
		t.Errorf("whole: %v %+v", o, s.p)
	}
	if got := s.Stats().Opaque; got != ([packet.NumOutcomes]uint64{}) {
		t.Errorf("looked into, and yet opaque: %v", got)
	}
}

// TestFragmentsCountOnce: what can't be looked into is counted as often as it is
// there, however many fragments it comes in.
func TestFragmentsCountOnce(t *testing.T) {
	s := newTap()
	for i, ip := range [][]byte{over4(50, make([]byte, 60))[14:], over4(47, unhex("0000 0800"), make([]byte, 60))[14:]} {
		for offset := 0; offset < len(ip)-20; offset += 32 {
			s.see(piece4(ip, offset, min(offset+32, len(ip)-20)))
		}
		if !s.p.Reassembled || s.Stats().Encrypted != 1 || s.Stats().Opaque[packet.BadIPv4] != uint64(i) {
			t.Errorf("%+v: %d encrypted, opaque %v", s.p, s.Stats().Encrypted, s.Stats().Opaque)
		}
	}
}

func TestBadFragments(t *testing.T) {
	ip := big(false)
	for name, frames := range map[string][][]byte{
		"length not in eights":         {piece4(ip, 0, 1477)},
		"empty":                        {piece4(ip, 1480, 1480)},
		"beyond 64 KiB":                {with(piece4(ip, 0, 1480), 20, "3fff")},
		"a byte beyond":                {with(piece4(ip, 0, 8), 20, "1fff")},
		"beyond the end":               {piece4(ip, 2960, 3008), with(piece4(ip, 1480, 2960), 20, "2178")},
		"another end":                  {piece4(ip, 2960, 3008), with(piece4(ip, 2960, 3008), 20, "0180")},
		"an end before what was there": {piece4(ip, 1480, 2960), with(piece4(ip, 2960, 3008), 20, "0010")},
		"IPv6, beyond 64 KiB":          {with(piece6(big(true), 0, 1480), 56, "fff9")},
	} {
		s := newTap()
		for i, f := range frames {
			o := s.see(f)
			if last := i == len(frames)-1; last != o.Failure() {
				t.Errorf("%s: fragment %d: %v", name, i, o)
			}
		}
	}
}

// TestOverlapFirstWins checks the stated policy: bytes that are there stay.
func TestOverlapFirstWins(t *testing.T) {
	ip := big(false)
	other := slices.Clone(ip)
	for i := 28; i < len(other); i++ {
		other[i] ^= 0xff
	}
	s := newTap()
	s.see(piece4(ip, 1480, 2000))
	s.see(piece4(other, 0, 1600))
	if o := s.see(piece4(other, 1920, 3008)); o != packet.OK {
		t.Fatal(o)
	}
	want := join(other[28:20+1480], ip[20+1480:20+2000], other[20+2000:])
	if !bytes.Equal(s.p.Payload, want) {
		t.Error("another payload")
	}
	if n := s.Stats().Fragments.Overlaps; n != 2 {
		t.Errorf("%d overlaps", n)
	}
}

// TestFragmentsExpire checks that what is 30 s old is given up, and that the
// same identification can then be used again.
func TestFragmentsExpire(t *testing.T) {
	ip := big(false)
	for _, jump := range []int64{31e9, -31e9} {
		s := newTap()
		s.now = 100e9
		s.see(piece4(ip, 0, 1480))
		s.now += jump
		if o := s.see(piece4(ip, 1480, 3008)); o != packet.Held {
			t.Errorf("%v", o)
		}
		if n := s.Stats().Fragments.Expired; n != 1 {
			t.Errorf("%d expired", n)
		}
	}
}

// TestCopiedFragments has each fragment twice, as a span port does that copies what
// comes in and what goes out: the copy of the last is no loss.
func TestCopiedFragments(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		piece := piece4
		if v6 {
			piece = piece6
		}
		s, ip := newTap(), big(v6)
		for _, end := range []int{1480, 2960, 3008} {
			for range 2 {
				s.see(piece(ip, (end-1)/1480*1480, end))
			}
		}
		if got := s.Stats().Fragments; got.Reassembled != 1 || got.Duplicates != 2 || got.Waiting != 0 || got.Expired != 0 {
			t.Errorf("%+v", got)
		}
		s.now += 31e9
		s.see(piece(ip, 1480, 2960)) // another, with the same identification
		if got := s.Stats().Fragments; got.Copies != 1 || got.Expired != 0 || got.Waiting != 1 {
			t.Errorf("later: %+v", got)
		}
	}
}

// TestFragmentFlood checks the bounds of the table under fragments of as many
// datagrams as there are: what came last is still reassembled.
func TestFragmentFlood(t *testing.T) {
	s := newTap()
	ip := big(false)
	for i := range 20000 {
		binary.BigEndian.PutUint32(ip[12:], uint32(i))
		s.see(piece4(ip, 1480, 2960))
		s.now -= 1e6
	}
	if o := s.see(piece4(ip, 2960, 3008)); o != packet.Held {
		t.Error(o)
	}
	if o := s.see(piece4(ip, 0, 1480)); o != packet.OK || !bytes.Equal(s.p.Payload, ip[28:]) {
		t.Errorf("%v", o)
	}
	if stats := s.Stats().Fragments; stats.Evicted != 20000-4096 || stats.Waiting != 4095 {
		t.Errorf("%+v", stats)
	}
}

// TestReassemblyModel compares reassembly with a slow model: an array of
// bytes, of which each is written once.
func TestReassemblyModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		size := 8 * (3 + random.IntN(40))
		model, set, have := make([]byte, size), make([]bool, size), 0
		s := newTap()
		for have < size {
			offset := 8 * random.IntN(size/8)
			end := min(size, offset+8*(1+random.IntN(8)))
			if end-offset == size {
				continue // no fragment
			}
			ip := ip4(inner4, server, 253)
			ip.Id = uint16(round)
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			for i := offset; i < end; i++ {
				if !set[i] {
					model[i], set[i] = data[i], true
					have++
				}
			}
			o := s.see(piece4(stack(ip, gopacketPayload(data)), offset, end))
			if have < size && (s.p.Reassembled && o == packet.OK || o.Failure()) {
				t.Fatalf("round %d: %v with %d of %d bytes", round, o, have, size)
			}
			if have == size && (o != packet.OK || !bytes.Equal(s.p.Payload, model)) {
				t.Fatalf("round %d: %v\ngot  %x\nwant %x", round, o, s.p.Payload, model)
			}
		}
	}
}
