package scan

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/internal/ip"
)

// recorder is an Emitter that keeps everything.
type recorder struct {
	alerts []alert.Alert
	facts  []alert.Fact
}

func (r *recorder) Alert(a alert.Alert) { r.alerts = append(r.alerts, a) }
func (r *recorder) Fact(f alert.Fact)   { r.facts = append(r.facts, f) }

// starts returns the alerts that were opened.
func (r *recorder) starts() []alert.Alert {
	var found []alert.Alert
	for _, a := range r.alerts {
		if a.Phase == alert.PhaseStart {
			found = append(found, a)
		}
	}
	return found
}

// bed is a detector with an engine, a recorder and a clock.
type bed struct {
	t      testing.TB
	rec    *recorder
	d      *Detector
	engine *detect.Engine
	now    time.Duration // since begin
	number uint64
}

var begin = time.Date(2026, 5, 12, 8, 0, 0, 0, time.UTC)

// all is every address: what the corpus tests call inside.
func all() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
}

func zonesOf(t testing.TB, prefixes []netip.Prefix) *zone.Map {
	t.Helper()
	z, err := zone.New(prefixes, nil)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func newBed(t testing.TB, cfg Config) *bed {
	t.Helper()
	return newBedInside(t, cfg, zone.DefaultInside())
}

func newBedInside(t testing.TB, cfg Config, prefixes []netip.Prefix) *bed {
	t.Helper()
	rec := &recorder{}
	d := New(rec, zonesOf(t, prefixes), cfg)
	return &bed{t: t, rec: rec, d: d, engine: detect.NewEngine(d, d.Lateral())}
}

func ad(s string) netip.Addr { return netip.MustParseAddr(s) }

// nth returns the address n after a.
func nth(a string, n int) netip.Addr {
	at := ip.From(ad(a))
	at.Lo += uint64(n)
	return at.Netip()
}

// wait lets time pass, as it does while others talk.
func (b *bed) wait(d time.Duration) {
	b.now += d
	b.engine.Packet(&packet.Packet{Time: begin.Add(b.now).UnixNano(), Proto: packet.ProtoUDP})
	b.engine.Settle() // it is not a mistake of a clock
}

// send lets the detector see a TCP segment.
func (b *bed) send(src, dst netip.AddrPort, flags packet.Flags, seq, ack uint32) {
	b.number++
	b.engine.Packet(&packet.Packet{
		Time: begin.Add(b.now).UnixNano(), Src: ip.FromPort(src), Dst: ip.FromPort(dst), Proto: packet.ProtoTCP,
		Flags: flags, Seq: seq, Ack: ack, TTL: 64, Number: b.number,
	})
}

const isn = 1_000_000

func port(a netip.Addr, p uint16) netip.AddrPort { return netip.AddrPortFrom(a, p) }

func (b *bed) syn(src, dst netip.Addr, p uint16) {
	b.send(port(src, 40000), port(dst, p), packet.SYN, isn, 0)
}

func (b *bed) synack(src, dst netip.Addr, p uint16) {
	b.send(port(dst, p), port(src, 40000), packet.SYN|packet.ACK, 77, isn+1)
}

func (b *bed) rst(src, dst netip.Addr, p uint16) {
	b.send(port(dst, p), port(src, 40000), packet.RST|packet.ACK, 0, isn+1)
}

func (b *bed) ack(src, dst netip.Addr, p uint16) {
	b.send(port(src, 40000), port(dst, p), packet.ACK, isn+1, 78)
}

// unreachable lets a router say that it could not deliver src's SYN.
func (b *bed) unreachable(router, src, dst netip.Addr, p uint16, code uint8) {
	b.unreachableSYN(router, src, dst, p, code, isn)
}

// unreachableSYN does that of a SYN with this sequence number.
func (b *bed) unreachableSYN(router, src, dst netip.Addr, p uint16, code uint8, seq uint32) {
	b.number++
	proto, kind := packet.ProtoICMP, uint8(3)
	if src.Is6() {
		proto, kind = packet.ProtoICMPv6, 1
	}
	b.engine.Packet(&packet.Packet{
		Time: begin.Add(b.now).UnixNano(), Src: ip.FromPort(port(router, 0)), Dst: ip.FromPort(port(src, 0)), Proto: proto,
		ICMP: packet.ICMP{
			Type: kind, Code: code, HasInner: true, InnerProto: packet.ProtoTCP,
			InnerSrc: ip.FromPort(port(src, 40000)), InnerDst: ip.FromPort(port(dst, p)), InnerSeq: seq,
		},
		Number: b.number,
	})
}

// try lets src try dst, which does what o says at once.
func (b *bed) try(src, dst netip.Addr, p uint16, o outcome) {
	b.syn(src, dst, p)
	switch o {
	case answered:
		b.synack(src, dst, p)
		b.ack(src, dst, p)
	case refused:
		b.rst(src, dst, p)
	case open, silent, unreached:
	}
}

// whole lets the tap be known to see both directions.
func (b *bed) whole() {
	for i := range 25 {
		b.try(nth("10.200.0.1", i), ad("10.201.0.1"), 9999, answered)
	}
}

// one returns the only alert that was opened.
func (b *bed) one() alert.Alert {
	b.t.Helper()
	s := b.rec.starts()
	if len(s) != 1 {
		b.t.Fatalf("%d alerts were opened, want 1: %v", len(s), summaries(s))
	}
	return s[0]
}

// none fails if any alert was opened.
func (b *bed) none() {
	b.t.Helper()
	if s := b.rec.starts(); len(s) != 0 {
		b.t.Fatalf("%d alerts were opened, want none: %v", len(s), summaries(s))
	}
}

func summaries(alerts []alert.Alert) []string {
	var lines []string
	for i := range alerts {
		lines = append(lines, summary(&alerts[i]))
	}
	return lines
}

// scenario is what hosts do after the tap was seen to be whole, and what must
// come of it.
type scenario struct {
	name string
	cfg  Config
	run  func(b *bed)
	want []string // names and hosts of the alerts opened, in order
}

func (s scenario) test(t *testing.T) {
	t.Helper()
	t.Run(s.name, func(t *testing.T) {
		b := newBed(t, s.cfg)
		b.whole()
		s.run(b)
		b.engine.Close()
		var got []string
		for _, a := range b.rec.starts() {
			name := a.Name
			if a.Rule == alert.RuleFlood {
				name = "flood"
			}
			var port uint16
			if a.Evidence.Scan != nil {
				port = a.Evidence.Scan.Port
			} else {
				port = a.Evidence.Flood.Port
			}
			got = append(got, fmt.Sprintf("%s %s %d", name, a.Host, port))
		}
		if !slices.Equal(got, s.want) {
			t.Errorf("alerts %q, want %q", got, s.want)
		}
	})
}

const worm = "10.1.0.66"

// sweep lets a host try n destinations, one in gap.
func (b *bed) sweep(src string, from string, n int, p uint16, gap time.Duration, o func(i int) outcome) {
	for i := range n {
		b.try(ad(src), nth(from, i), p, o(i))
		b.wait(gap)
	}
}

func always(o outcome) func(int) outcome { return func(int) outcome { return o } }

// every lets one in n do what o says, and the others answer.
func every(n int, o outcome) func(int) outcome {
	return func(i int) outcome {
		if i%n == n-1 {
			return o
		}
		return answered
	}
}
