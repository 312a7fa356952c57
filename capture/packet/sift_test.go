package packet_test

import (
	"bytes"
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
	var run capture.Run
	run.One(f)
	r.Sift(d.sieve, &run, 0, 1)
	who := d.sieve.Who(&d.p)
	d.control(t, &r, f, o)
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
	if passed.Frames != 1 {
		t.Fatalf("%+v passed, want one", passed)
	}
	d.sifting.Pass(passed)
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
			var run capture.Run
			run.One(&f)
			if r.Sift(sieve, &run, 0, 1); r.Wanted() == 0 != want {
				t.Errorf("%s: passed %v, want %v", name, !want, want)
			}
		}
	}
}

// runOf makes a run of frames.
func runOf(frames []capture.Frame) *capture.Run {
	r := &capture.Run{Link: capture.LinkEthernet, First: 1}
	for i, f := range frames {
		r.Heads[i] = capture.Head{Time: f.Time, At: uint32(len(r.Block)), Captured: uint32(len(f.Data)), Len: uint32(f.Len)}
		r.Block = append(r.Block, f.Data...)
	}
	r.End(len(frames))
	return r
}

// TestSiftRuns sifts frames together, of which some are wanted, and begins and
// ends in the middle.
func TestSiftRuns(t *testing.T) {
	t.Parallel()
	tagged, plain, bad := ordinary()["VLAN"], ordinary()["TCP"], ordinary()["bad"]
	s := packet.NewSieve()
	var r packet.Sifted // what was there before must not matter
	for _, n := range []int{1, 7, 8, 9, capture.MaxRun, capture.MaxRun - 1} {
		frames, wanted := make([]capture.Frame, n), make([]bool, n)
		for i := range frames {
			switch frames[i] = tagged; i * i % 7 {
			case 1:
				frames[i], wanted[i] = bad, true
			case 2:
				frames[i] = plain
			case 4: // no IP behind its tag
				frames[i].Data, wanted[i] = bytes.Clone(tagged.Data), true
				frames[i].Data[18] = 0
			}
		}
		run := runOf(frames)
		for from := range n + 1 {
			for to := from; to <= n; to++ {
				r.Sift(s, run, from, to)
				wantRun(t, &r, frames, wanted, from, to)
			}
		}
		r.TakeAll(0, n)
		run.Link = capture.LinkRaw
		for all, r := range map[string]*packet.Sifted{"asked for": &r, "not of Ethernet": sifted(s, run)} {
			if r.Wanted() != n || r.Place(n-1) != n-1 || r.Passed() != (packet.Passed{}) {
				t.Errorf("%s: %d of %d are wanted, %+v passed", all, r.Wanted(), n, r.Passed())
			}
		}
	}
}

func sifted(s *packet.Sieve, run *capture.Run) *packet.Sifted {
	var r packet.Sifted
	r.Sift(s, run, 0, run.N)
	return &r
}

// wantRun compares what was found of frames, from one place on and before another,
// with which are wanted.
func wantRun(t *testing.T, r *packet.Sifted, frames []capture.Frame, wanted []bool, from, to int) {
	t.Helper()
	n, passed, tags := 0, uint64(0), uint64(0)
	for i := from; i < to; i++ {
		if !wanted[i] {
			passed++
			if len(frames[i].Data) > len(ordinary()["TCP"].Data) {
				tags++
			}
			continue
		}
		if n >= r.Wanted() || r.Place(n) != i {
			t.Fatalf("%d frames from %d to %d: number %d that is wanted is not that at %d", len(frames), from, to, n, i)
		}
		n++
	}
	d := packet.NewDecoder()
	d.Pass(r.Passed())
	st := d.Stats()
	if r.Wanted() != n || st.Outcomes[packet.OK] != passed || st.Encaps[packet.VLAN] != tags {
		t.Fatalf("%d frames from %d to %d: %d are wanted, want %d, with %d tags: %+v", len(frames), from, to, r.Wanted(), n, tags, st)
	}
}

// TestSiftAllocatesNothing sifts, and decodes nothing.
func TestSiftAllocatesNothing(t *testing.T) {
	s, d := someTakers(), packet.NewDecoder()
	var r packet.Sifted
	var frames []capture.Frame
	for _, f := range ordinary() {
		frames = append(frames, f)
	}
	run := runOf(frames)
	if n := testing.AllocsPerRun(100, func() {
		r.Sift(s, run, 0, run.N)
		d.Pass(r.Passed())
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSift(b *testing.B) {
	s := someTakers()
	frames := make([]capture.Frame, capture.MaxRun)
	for i := range frames {
		frames[i] = ordinary()["TCP"]
	}
	var r packet.Sifted
	run := runOf(frames)
	for b.Loop() {
		r.Sift(s, run, 0, run.N)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/frame")
}
