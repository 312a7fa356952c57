package contact

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
	"wormscope/ioc"
)

const (
	second = int64(time.Second)
	ms     = int64(time.Millisecond)

	syn    = packet.SYN
	synAck = packet.SYN | packet.ACK
	ack    = packet.ACK
	rst    = packet.RST | packet.ACK
)

type recorder struct{ alerts []alert.Alert }

func (r *recorder) Alert(a alert.Alert) { r.alerts = append(r.alerts, a) }
func (r *recorder) Fact(alert.Fact)     {}

func line(a alert.Alert) string {
	c := a.Evidence.Contact
	s := fmt.Sprintf("%s %v %s by %s n=%d sev=%d %v>%v %d/%d", a.Phase, a.Host, c.State, c.Initiator, a.Count, a.Severity, a.Orig, a.Resp, c.BytesOrig, c.BytesResp)
	words := []string{s}
	for _, f := range []struct {
		set  bool
		word string
	}{{c.Refused, "refused"}, {c.TransportGuess, "guessed"}, {c.OnBehalf, "behalf"}} {
		if f.set {
			words = append(words, f.word)
		}
	}
	return strings.Join(words, " ")
}

type bench struct {
	*Detector
	recorder
	t      testing.TB
	now    int64
	number uint64
}

func newBench(t testing.TB, cfg Config, addresses ...ioc.Indicator) *bench {
	t.Helper()
	b := ioc.NewBuilder()
	for _, i := range append([]ioc.Indicator{
		{Type: ioc.Address, Value: "203.0.113.66", Confidence: ioc.HighConfidence, Feed: "t"},
		{Type: ioc.Address, Value: "203.0.113.67", Port: 4444, Feed: "t"},
		{Type: ioc.Address, Value: "203.0.113.68", Expires: time.Unix(10, 0), Feed: "t"},
		{Type: ioc.Address, Value: "2001:db8::66", Feed: "t"},
	}, addresses...) {
		if err := b.Add(i); err != nil {
			t.Fatal(err)
		}
	}
	x := &bench{t: t, now: 1000 * second}
	isResolver := func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.53") }
	x.Detector = New(&x.recorder, b.Build(), isResolver, cfg)
	return x
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var (
	us  = ap("10.0.0.9:40000")
	bad = ap("203.0.113.66:443")
)

// packet returns a packet, a second after the last.
func (b *bench) packet(proto packet.Proto, src, dst netip.AddrPort, payload int) *packet.Packet {
	b.number++
	b.now += second
	return &packet.Packet{
		Time: b.now, Src: ip.FromPort(src), Dst: ip.FromPort(dst), Proto: proto, Payload: make([]byte, payload), PayloadLen: payload,
		Number: b.number, IPID: uint32(b.number),
	}
}

func (b *bench) tcp(src, dst netip.AddrPort, flags packet.Flags, seq uint32, payload int) *packet.Packet {
	p := b.packet(packet.ProtoTCP, src, dst, payload)
	p.Flags, p.Seq = flags, seq
	b.Packet(p)
	return p
}

func (b *bench) udp(src, dst netip.AddrPort, payload int) *packet.Packet {
	p := b.packet(packet.ProtoUDP, src, dst, payload)
	b.Packet(p)
	return p
}

func (b *bench) echo(src, dst netip.Addr, icmpType uint8) {
	p := b.packet(packet.ProtoICMP, netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0), 56)
	p.ICMP.Type = icmpType
	b.Packet(p)
}

// icmp sends an error about a datagram from orig to resp.
func (b *bench) icmp(src, dst string, icmpType, code uint8, orig, resp netip.AddrPort) {
	p := b.packet(packet.ProtoICMP, ap(src), ap(dst), 0)
	p.ICMP = packet.ICMP{
		Type: icmpType, Code: code,
		HasInner: true, InnerProto: packet.ProtoUDP, InnerSrc: ip.FromPort(orig), InnerDst: ip.FromPort(resp),
	}
	b.Packet(p)
}

func (b *bench) expect(want string) {
	b.t.Helper()
	b.Close(b.now)
	var got []string
	for _, a := range b.alerts {
		got = append(got, line(a))
	}
	want = strings.TrimSpace(strings.ReplaceAll(want, "\t", ""))
	if s := strings.Join(got, "\n"); s != want {
		b.t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	if b.findings.Len() != 0 || b.sweeps.Len() != 0 {
		b.t.Errorf("after Close: %d findings, %d sweeps", b.findings.Len(), b.sweeps.Len())
	}
}
