package packet_test

import (
	"math"
	"net/netip"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// The takers of someTakers.
const (
	controls packet.Takers = 1 << iota // all SYN, FIN and RST
	ports                              // segments from and to port 445, and datagrams
	errors                             // of ICMP
	near                               // whatever is from or to a few networks
)

// someTakers is a Sieve that a few want something of.
func someTakers() *packet.Sieve {
	s := packet.NewSieve()
	s.TakeKinds(func(proto packet.Proto, flags packet.Flags) (who packet.Takers) {
		switch {
		case proto == packet.ProtoTCP && flags&(packet.SYN|packet.FIN|packet.RST) != 0:
			return controls | ports
		case proto == packet.ProtoTCP, proto == packet.ProtoUDP:
			return ports
		case proto == packet.ProtoICMP, proto == packet.ProtoICMPv6:
			return errors
		}
		return 0
	})
	s.TakeAnyPort(controls | errors)
	s.TakeFrom(ports, 445)
	s.TakeTo(ports, 445)
	blocks := ip.NewBlocks(2)
	blocks.Mark(ip.From4(0xc6336407))
	blocks.Mark(ip.Addr{Hi: 0x2001_0db8_0000_0007, Lo: 7})
	s.TakeNear(near, blocks)
	return s
}

// sift checks that a frame of which o is the outcome is only passed if that is
// no loss, and that a frame that is passed counts as one that is decoded.
func (d *pair) sift(t *testing.T, f *capture.Frame, o packet.Outcome) {
	t.Helper()
	var r packet.Sifted
	r.Sift(d.sieve, []capture.Frame{*f}, 0, f.Time, f.Time+1)
	who := d.sieve.Who(&d.p)
	if r.Wanted() == 1 {
		if got := r.Who(0, d.sieve, &d.p); o == packet.OK && got != who {
			t.Fatalf("%b want it by its headers, %b when it is decoded\n%+v\n%x", got, who, d.p, f.Data)
		}
		var p packet.Packet
		d.sifting.Decode(f, &p)
		return
	}
	d.passed++
	if o != packet.OK || who != 0 {
		t.Fatalf("passed, though %v, and %b want it\n%+v\n%x", o, who, d.p, f.Data)
	}
	passed := r.Passed()
	if passed.Frames != 1 || passed.Bytes != f.Len || passed.Oldest != f.Time || passed.Newest != f.Time {
		t.Fatalf("%+v passed, want one of %d bytes at %d", passed, f.Len, f.Time)
	}
	d.sifting.Pass(&passed)
}

// TestSiftOrdinary names what is passed of a few frames.
func TestSiftOrdinary(t *testing.T) {
	t.Parallel()
	passed := map[string]bool{"TCP": true, "TCP over v6": true, "UDP": true, "VLAN": true, "QinQ v6": true, "ping": true, "ping over v6": true}
	nobody, all := packet.NewSieve(), packet.NewSieve()
	all.TakeKinds(func(packet.Proto, packet.Flags) packet.Takers { return controls })
	all.TakeAnyPort(controls)
	all.TakeTalk(controls)
	everywhere := packet.NewSieve()
	blocks := ip.NewBlocks(1)
	blocks.MarkNetwork(netip.MustParsePrefix("0.0.0.0/0"))
	blocks.MarkNetwork(netip.MustParsePrefix("::/0"))
	everywhere.TakeNear(near, blocks)
	for name, f := range ordinary() {
		for sieve, want := range map[*packet.Sieve]bool{nobody: passed[name], all: false, everywhere: false} {
			var r packet.Sifted
			if r.Sift(sieve, []capture.Frame{f}, 0, 0, 1); r.Wanted() == 0 != want {
				t.Errorf("%s: passed %v, want %v", name, !want, want)
			}
		}
	}
}

// TestSiftRuns sifts frames together, of which some are wanted, for their times
// or otherwise, and begins anew in the middle.
func TestSiftRuns(t *testing.T) {
	t.Parallel()
	data, bad := ordinary()["VLAN"], ordinary()["bad"]
	s := packet.NewSieve()
	var r packet.Sifted // what was there before must not matter
	for _, n := range []int{1, 7, 8, 9, packet.MaxSifted, packet.MaxSifted - 1} {
		frames, wanted := make([]capture.Frame, n), make([]bool, n)
		for i := range frames {
			frames[i] = data
			switch frames[i].Time = 100 + int64(i*13%29); i % 7 {
			case 3:
				frames[i], wanted[i] = bad, true
			case 4:
				frames[i].Time, wanted[i] = 99, true
			case 5:
				frames[i].Time, wanted[i] = 1099, true
			case 6:
				frames[i].Time, wanted[i] = math.MinInt64, true
			}
		}
		for from := range n + 1 {
			r.Sift(s, frames, from, 100, 1099)
			wantRun(t, &r, frames, wanted, from)
		}
	}
}

// wantRun compares what was found of frames, from one place on, with which are
// wanted.
func wantRun(t *testing.T, r *packet.Sifted, frames []capture.Frame, wanted []bool, from int) {
	t.Helper()
	want := packet.Passed{Oldest: math.MaxInt64, Newest: math.MinInt64}
	n := 0
	for i := from; i < len(frames); i++ {
		if wanted[i] {
			if n >= r.Wanted() || r.Place(n) != i {
				t.Fatalf("%d frames from %d: number %d that is wanted is not that at %d", len(frames), from, n, i)
			}
			n++
			continue
		}
		f := &frames[i]
		want.Frames, want.Bytes = want.Frames+1, want.Bytes+f.Len
		want.Oldest, want.Newest = min(want.Oldest, f.Time), max(want.Newest, f.Time)
	}
	passed := r.Passed()
	d := packet.NewDecoder()
	d.Pass(&passed)
	st, tags := d.Stats(), uint64(want.Frames)
	same := passed.Frames == want.Frames && passed.Bytes == want.Bytes &&
		(want.Frames == 0 || passed.Oldest == want.Oldest && passed.Newest == want.Newest)
	if r.Wanted() != n || !same || st.Outcomes[packet.OK] != tags || st.Encaps[packet.VLAN] != tags {
		t.Fatalf("%d frames from %d: %d are wanted, want %d; passed %+v, want %+v; counted %+v", len(frames), from, r.Wanted(), n, passed, want, st)
	}
}

// TestSiftAllocatesNothing sifts, and decodes nothing.
func TestSiftAllocatesNothing(t *testing.T) {
	s, d := someTakers(), packet.NewDecoder()
	var r packet.Sifted
	frames := make([]capture.Frame, 0, packet.MaxSifted)
	for _, f := range ordinary() {
		frames = append(frames, f)
	}
	if n := testing.AllocsPerRun(100, func() {
		r.Sift(s, frames, 0, 0, 1)
		passed := r.Passed()
		d.Pass(&passed)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSift(b *testing.B) {
	s := someTakers()
	frames := make([]capture.Frame, packet.MaxSifted)
	for i := range frames {
		frames[i] = ordinary()["TCP"]
	}
	var r packet.Sifted
	for b.Loop() {
		r.Sift(s, frames, 0, 0, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/frame")
}
