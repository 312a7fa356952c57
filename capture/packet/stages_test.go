package packet_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
)

// pair decodes each frame twice: as it is done, and by the stages alone. It
// also sifts it.
type pair struct {
	whole, staged *packet.Decoder
	p, q          packet.Packet
	sieve         *packet.Sieve
	sifting       *packet.Decoder // sees only what somebody wants of the Sieve
	passed        int             // frames that nobody wants
	controls      int             // that Control told of
}

func newPair() *pair {
	return &pair{
		whole: packet.NewDecoder(), staged: packet.NewDecoder(), sieve: someTakers(), sifting: packet.NewDecoder(),
	}
}

// decode checks that both ways say the same. Each begins with a packet full of
// what must not stay in it.
func (d *pair) decode(t *testing.T, f *capture.Frame) packet.Outcome {
	t.Helper()
	d.p = packet.Packet{
		Flags: 0xff, TTL: 0xff, Truncated: true, Fragment: true, Reassembled: true, VLAN: 0xffff,
		Seq: 1, Ack: 1, IPID: 1, Payload: []byte("old"), PayloadLen: 3, File: 1, Number: 1,
	}
	d.p.Src.Addr.Hi, d.p.Src.Port, d.p.Dst.Addr.Hi, d.p.Dst.Port = 1, 1, 1, 1
	d.q = d.p
	o, want := d.whole.Decode(f, &d.p), d.staged.Stages(f, &d.q)
	if o != want || o == packet.OK && (!reflect.DeepEqual(d.p, d.q) || cap(d.p.Payload) != cap(d.q.Payload)) {
		t.Fatalf("%v\n%+v, the stages say %v\n%+v\n%x", o, d.p, want, d.q, f.Data)
	}
	d.sift(t, f, o)
	return o
}

// counts checks that both ways counted the same.
func (d *pair) counts(t *testing.T) {
	t.Helper()
	if s, want := d.whole.Stats(), d.staged.Stats(); !reflect.DeepEqual(s, want) {
		t.Fatalf("%+v, the stages count %+v", s, want)
	}
	s, want := d.sifting.Stats(), d.whole.Stats()
	if s.Sliced > want.Sliced { // those that nobody wants are not counted
		t.Fatalf("%d packets were cut, without sifting %d", s.Sliced, want.Sliced)
	}
	if s.Sliced = want.Sliced; !reflect.DeepEqual(s, want) {
		t.Fatalf("%+v, without sifting %+v", s, want)
	}
}

// TestStages changes every byte of every frame, and cuts it everywhere.
func TestStages(t *testing.T) {
	t.Parallel()
	frames := slices.Collect(maps.Values(ordinary()))
	for _, c := range encapsulations() {
		frames = append(frames, capture.Frame{Data: c.data, Len: len(c.data), Link: c.link})
	}
	options := with(typed(0x0800, segment(false, "twelve bytes and what follows")), 46, "80")
	frames = append(frames, capture.Frame{Data: options, Len: len(options), Link: capture.LinkEthernet})
	// What headers are made of: types, protocols, versions with lengths, and
	// numbers that are just too small or too large.
	values := unhex("00 01 04 05 06 07 08 0b 11 13 14 28 2c 3a 45 46 4f 50 60 7f 80 81 86 88 91 a8 dd ff")
	d := newPair()
	for _, f := range frames {
		data := f.Data
		for i := range len(data) + 1 {
			f.Data = data[:i]
			for _, f.Len = range []int{i, len(data)} {
				d.decode(t, &f)
			}
		}
		for _, f.Data = range [][]byte{data, append(slices.Clone(data), "padding"...)} {
			f.Len = len(f.Data)
			for i, was := range data {
				for bit := range 8 {
					f.Data[i] = was ^ 1<<bit
					d.decode(t, &f)
				}
				for _, f.Data[i] = range values {
					d.decode(t, &f)
				}
				f.Data[i] = was
			}
		}
	}
	d.counts(t)
	if d.controls < 100 {
		t.Errorf("%d frames were told of by Control: it is not tested", d.controls)
	}
	if d.passed < 1000 {
		t.Errorf("%d frames were passed: sifting is not tested", d.passed)
	}
}

// TestDecodeItself checks that the stages are not asked about what most
// traffic is made of.
func TestDecodeItself(t *testing.T) {
	t.Parallel()
	frames := ordinary()
	for _, name := range []string{"TCP", "TCP over v6", "UDP", "VLAN", "QinQ v6"} {
		d := newPair()
		f := frames[name]
		if o := d.decode(t, &f); o != packet.OK || d.whole.Staged() {
			t.Errorf("%s: %v, by the stages: %v", name, o, d.whole.Staged())
		}
	}
}
