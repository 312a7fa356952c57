package crossing

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/internal/ip"
)

const second = int64(time.Second)

type recorder struct {
	lines []string
	all   []alert.Alert
}

func (r *recorder) Alert(a alert.Alert) {
	x := a.Evidence.Crossing
	r.all = append(r.all, a)
	r.lines = append(r.lines, fmt.Sprintf("%s %s %v>%v:%d %s>%s sev=%d n=%d targets=%d refused=%d silent=%d frames=%d",
		a.Phase, a.Name, a.Host, a.Resp.Addr(), x.Port, x.FromZone, x.ToZone, a.Severity, a.Count, x.Targets, x.Refused, x.Silent, len(a.Frames)))
}

func (r *recorder) Fact(alert.Fact) {}

type bench struct {
	*Detector
	recorder
	now int64
}

func zones(t testing.TB) *zone.Map {
	t.Helper()
	m, err := zone.New(zone.DefaultInside(), []zone.Zone{
		{Name: "office", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
		{Name: "plant", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newBench(t testing.TB, cfg Config) *bench {
	t.Helper()
	if cfg.Closed == nil {
		cfg.Closed = []Rule{
			{From: "office", To: "plant", Ports: []uint16{445}, Except: []netip.Prefix{netip.MustParsePrefix("10.1.0.60/32")}},
			{From: zone.Internet, To: Any},
			{From: "plant", To: "plant", Ports: []uint16{3389}},
		}
	}
	cfg.Ports = []uint16{445, 139}
	b := &bench{now: 1000 * second}
	b.Detector = New(&b.recorder, zones(t), cfg)
	return b
}

// send gives the detector a segment a second after the last.
func (b *bench) send(src, dst string, flags packet.Flags, seq uint32) {
	b.now += second
	b.Tick(b.now)
	b.Packet(&packet.Packet{
		Time: b.now, Src: ip.FromPort(netip.MustParseAddrPort(src)), Dst: ip.FromPort(netip.MustParseAddrPort(dst)),
		Proto: packet.ProtoTCP, Flags: flags, Seq: seq, Number: uint64(b.now / second),
	})
}

const (
	synAck = packet.SYN | packet.ACK
	rstAck = packet.RST | packet.ACK
	finAck = packet.FIN | packet.ACK
)

// TestCrossing plays connections over a closed border and compares the alerts.
func TestCrossing(t *testing.T) {
	const client, server = "10.1.0.9:50000", "10.2.0.1:445"
	for _, c := range []struct {
		what string
		play func(b *bench)
		want string
	}{
		{"accepted", func(b *bench) {
			b.send(client, server, packet.SYN, 1)
			b.send(server, client, synAck, 9)
		}, `start open 10.1.0.9>10.2.0.1:445 office>plant sev=75 n=1 targets=1 refused=0 silent=0 frames=1
			end open 10.1.0.9>10.2.0.1:445 office>plant sev=75 n=1 targets=1 refused=0 silent=0 frames=1`},
		{"accepted again, and copies", func(b *bench) {
			for seq := range uint32(12) {
				b.send(server, client, synAck, seq)
				b.send(server, client, synAck, seq)
			}
		}, `start open 10.1.0.9>10.2.0.1:445 office>plant sev=75 n=1 targets=1 refused=0 silent=0 frames=1
			update open 10.1.0.9>10.2.0.1:445 office>plant sev=75 n=10 targets=1 refused=0 silent=0 frames=8
			end open 10.1.0.9>10.2.0.1:445 office>plant sev=75 n=12 targets=1 refused=0 silent=0 frames=8`},
		{"nothing answers", func(b *bench) {
			b.send(client, server, packet.SYN, 1)
			b.send(client, server, packet.SYN, 1)
			b.send(client, server, packet.SYN, 1)
			b.now += 30 * second
			b.Tick(b.now)
			b.send(client, "10.2.0.2:445", packet.SYN, 1)
		}, `start blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=1 targets=1 refused=0 silent=1 frames=1
			end blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=2 targets=2 refused=0 silent=2 frames=2`},
		{"refused", func(b *bench) {
			b.send(client, server, packet.SYN, 1)
			b.send(server, client, rstAck, 0)
			b.send(client, server, packet.SYN, 2)
			b.send(server, client, rstAck, 0)
			b.send(server, client, rstAck, 0)
		}, `start blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=1 targets=1 refused=1 silent=0 frames=1
			end blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=2 targets=1 refused=2 silent=0 frames=2`},
		{"refused, and said again as Windows does", func(b *bench) {
			for seq := range uint32(3) {
				for range 3 {
					b.send(client, server, packet.SYN, seq)
					b.send(server, client, rstAck, 0)
				}
			}
			b.send("10.1.0.9:50001", server, packet.SYN, 2)
			b.send(server, "10.1.0.9:50001", rstAck, 0)
		}, `start blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=1 targets=1 refused=1 silent=0 frames=1
			end blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=4 targets=1 refused=4 silent=0 frames=4`},
		{"an earlier connection reset while another is tried", func(b *bench) {
			b.send(client, server, packet.SYN, 1)
			b.send(server, client, synAck, 1)
			b.send("10.1.0.9:50001", server, packet.SYN, 2)
			b.send(server, client, rstAck, 2)
			b.send(server, "10.1.0.9:50001", synAck, 3)
		}, `start open 10.1.0.9>10.2.0.1:445 office>plant sev=75 n=1 targets=1 refused=0 silent=0 frames=1
			end open 10.1.0.9>10.2.0.1:445 office>plant sev=75 n=2 targets=1 refused=0 silent=0 frames=2`},
		{"refused from the second of two ports", func(b *bench) {
			b.send(client, server, packet.SYN, 1)
			b.send("10.1.0.9:50001", server, packet.SYN, 2)
			b.send(server, "10.1.0.9:50001", rstAck, 0)
		}, `start blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=1 targets=1 refused=1 silent=0 frames=1
			end blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=1 targets=1 refused=1 silent=0 frames=1`},
		{"silent for as long as Linux repeats a SYN", func(b *bench) {
			for _, at := range []int64{0, 1, 3, 7, 15, 31, 63, 127, 600} {
				b.now = (1000 + at - 1) * second
				b.send(client, server, packet.SYN, 1)
			}
		}, `start blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=1 targets=1 refused=0 silent=1 frames=1
			update blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=2 targets=1 refused=0 silent=2 frames=2
			end blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=2 targets=1 refused=0 silent=2 frames=2`},
		{"given up by the originator", func(b *bench) {
			b.send(client, server, packet.SYN, 1)
			b.send(client, server, packet.RST, 2)
		}, `start blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=1 targets=1 refused=0 silent=1 frames=1
			end blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=1 targets=1 refused=0 silent=1 frames=1`},
		{"one direction: closed, so it was open", func(b *bench) {
			b.send(client, server, packet.SYN, 1)
			b.send(client, server, finAck, 500)
			b.send(client, server, finAck, 500)
		}, `start open 10.1.0.9>10.2.0.1:445 office>plant sev=75 n=1 targets=1 refused=0 silent=0 frames=1
			end open 10.1.0.9>10.2.0.1:445 office>plant sev=75 n=1 targets=1 refused=0 silent=0 frames=1`},
		{"from outside, on the default ports", func(b *bench) {
			b.send("10.3.0.1:139", "198.51.100.1:50000", synAck, 1)
		}, `start open 198.51.100.1>10.3.0.1:139 internet>internal sev=75 n=1 targets=1 refused=0 silent=0 frames=1
			end open 198.51.100.1>10.3.0.1:139 internet>internal sev=75 n=1 targets=1 refused=0 silent=0 frames=1`},
		{"within a zone that is named on both sides", func(b *bench) {
			b.send("10.2.0.1:3389", "10.2.0.2:50000", synAck, 1)
		}, `start open 10.2.0.2>10.2.0.1:3389 plant>plant sev=75 n=1 targets=1 refused=0 silent=0 frames=1
			end open 10.2.0.2>10.2.0.1:3389 plant>plant sev=75 n=1 targets=1 refused=0 silent=0 frames=1`},
		{"not closed", func(b *bench) {
			b.send("10.1.0.1:445", "10.2.0.2:50000", synAck, 1)      // the other way
			b.send("10.2.0.1:80", client, synAck, 1)                 // another port
			b.send("10.2.0.1:139", client, synAck, 1)                // another rule's port
			b.send(server, "10.1.0.60:50000", synAck, 1)             // excepted
			b.send("198.51.100.1:445", "198.51.100.2:50", synAck, 1) // outside only
			b.send("224.0.0.1:445", "198.51.100.2:50000", synAck, 1) // nobody
			b.send(server, client, rstAck, 1)                        // without an attempt
			b.send(client, server, finAck, 1)                        // without an attempt
			b.send(client, server, packet.ACK, 1)
		}, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			c.play(b)
			b.Close(b.now)
			want := strings.ReplaceAll(strings.TrimSpace(c.want), "\t", "")
			if got := strings.Join(b.lines, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestManyAttemptsAreOneAlert: a worm against a closed border is not a flood of
// alerts.
func TestManyAttemptsAreOneAlert(t *testing.T) {
	b := newBench(t, Config{})
	for i := range 5000 {
		b.now += second / 20
		b.Tick(b.now)
		b.Packet(&packet.Packet{
			Time: b.now, Src: ip.FromPort(netip.MustParseAddrPort("10.1.0.9:50000")), Proto: packet.ProtoTCP, Flags: packet.SYN,
			Dst: ip.FromPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, byte(i / 250), byte(i % 250)}), 445)),
		})
	}
	b.Close(b.now)
	if last := b.all[len(b.all)-1]; len(b.all) > 8 || last.Count != 5000 || last.Evidence.Crossing.Targets != 5000 {
		t.Errorf("%d words, the last %+v", len(b.all), last)
	}
}

// TestHurry: what a host does after a mark is said at once.
func TestHurry(t *testing.T) {
	b := newBench(t, Config{})
	for i := range uint32(4) {
		if i == 2 {
			b.Hurry(map[netip.Addr]bool{netip.MustParseAddr("10.1.0.9"): true})
		}
		b.send("10.1.0.9:50000", "10.2.0.1:445", packet.SYN, i)
		b.send("10.2.0.1:445", "10.1.0.9:50000", synAck, i)
		b.send("10.1.0.9:50001", "10.2.0.2:445", packet.SYN, i)
		b.send("10.2.0.2:445", "10.1.0.9:50001", rstAck, i)
	}
	words := map[string]int{}
	for _, a := range b.all {
		words[a.Name]++
	}
	if words["open"] != 2 || words["blocked"] != 2 {
		t.Errorf("words by name are %v, want 2 of each", words)
	}
}

// TestBounded: neither many pairs nor many sources, nor one pair that tries and
// is refused all the time, take more room than they may.
func TestBounded(t *testing.T) {
	b := newBench(t, Config{MaxPairs: 50, MaxSources: 20})
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 20_000 {
		b.now += second / 1000
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(r.IntN(256)), byte(r.IntN(256))}), 50000)
		dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, 0, byte(r.IntN(256))}), 445)
		if i%2 == 0 {
			src, dst = netip.MustParseAddrPort("10.1.0.9:50000"), netip.MustParseAddrPort("10.2.0.1:445")
		}
		p := packet.Packet{Time: b.now, Src: ip.FromPort(src), Dst: ip.FromPort(dst), Proto: packet.ProtoTCP, Flags: packet.SYN, Seq: uint32(i)}
		b.Packet(&p)
		if i%2 == 0 {
			p.Src, p.Dst, p.Flags = ip.FromPort(dst), ip.FromPort(src), rstAck
			b.Packet(&p)
		}
		if b.pairs.Len() > 50 || b.sources.Len() > 20 || len(b.waiting) > 100 {
			t.Fatalf("%d pairs, %d sources, %d waiting", b.pairs.Len(), b.sources.Len(), len(b.waiting))
		}
	}
	b.Close(b.now)
	var attempts uint64
	for _, a := range b.all {
		if a.Phase == alert.PhaseEnd {
			attempts += a.Count
		}
	}
	if s := b.Stats(); s.Refused+s.Silent != 20_000 || attempts != 20_000 {
		t.Errorf("%+v, %d in alerts", s, attempts)
	}
	for _, table := range b.Tables() {
		if table.Evicted == 0 {
			t.Errorf("%s: none were evicted", table.Name)
		}
	}
}

// TestClockSetBack: an attempt from before the clock was set back does not keep those
// after it waiting.
func TestClockSetBack(t *testing.T) {
	b := newBench(t, Config{})
	b.send("10.1.0.9:50000", "10.2.0.1:445", packet.SYN, 1)
	b.now -= 600 * second
	b.send("10.1.0.8:50000", "10.2.0.1:445", packet.SYN, 1)
	b.now += 30 * second
	b.Tick(b.now)
	want := []string{
		"start blocked 10.1.0.9>10.2.0.1:445 office>plant sev=25 n=1 targets=1 refused=0 silent=1 frames=1",
		"start blocked 10.1.0.8>10.2.0.1:445 office>plant sev=25 n=1 targets=1 refused=0 silent=1 frames=1",
	}
	if !slices.Equal(b.lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(b.lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestWordsAreNumbered: words of one alert have one id and rising numbers, and
// alerts differ in their ids.
func TestWordsAreNumbered(t *testing.T) {
	b := newBench(t, Config{MaxPairs: 30, MaxSources: 10})
	r := rand.New(rand.NewPCG(2, 2))
	flags := []packet.Flags{packet.SYN, packet.SYN, synAck, rstAck, finAck}
	for range 20_000 {
		b.now += second / 50
		b.Tick(b.now)
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(r.IntN(20))}), 50000)
		dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, 0, byte(r.IntN(5))}), 445)
		f := flags[r.IntN(len(flags))]
		if f == synAck || f == rstAck {
			src, dst = dst, src
		}
		b.Packet(&packet.Packet{Time: b.now, Src: ip.FromPort(src), Dst: ip.FromPort(dst), Proto: packet.ProtoTCP, Flags: f, Seq: r.Uint32()})
	}
	b.Close(b.now)
	next, ended := map[string]int{}, map[string]bool{}
	for _, a := range b.all {
		if a.Seq != next[a.ID] || ended[a.ID] || (a.Seq == 0) != (a.Phase == alert.PhaseStart) {
			t.Fatalf("%s: word %d (%s) after %d words, ended %v", a.ID, a.Seq, a.Phase, next[a.ID], ended[a.ID])
		}
		next[a.ID]++
		ended[a.ID] = a.Phase == alert.PhaseEnd
	}
	for id := range next {
		if !ended[id] {
			t.Errorf("%s has no end", id)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	b := newBench(t, Config{})
	p := packet.Packet{
		Time: b.now, Src: ip.FromPort(netip.MustParseAddrPort("10.1.0.9:50000")), Dst: ip.FromPort(netip.MustParseAddrPort("10.2.0.1:443")),
		Proto: packet.ProtoTCP, Flags: packet.SYN,
	}
	q := p
	q.Dst = ip.FromPort(netip.MustParseAddrPort("10.1.0.7:445")) // on a watched port, and allowed
	if n := testing.AllocsPerRun(100, func() { b.Packet(&p); b.Packet(&q) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func BenchmarkOtherPorts(b *testing.B) {
	d := newBench(b, Config{})
	p := packet.Packet{Src: ip.FromPort(netip.MustParseAddrPort("10.1.0.9:50000")), Dst: ip.FromPort(netip.MustParseAddrPort("10.2.0.1:443")), Flags: packet.SYN}
	for b.Loop() {
		d.Packet(&p)
	}
}
