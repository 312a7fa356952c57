package dns

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/internal/ip"
	"wormscope/ioc"

	"github.com/miekg/dns"
)

const (
	second = int64(time.Second)
	ms     = int64(time.Millisecond)
)

// recorder keeps what a detector says.
type recorder struct {
	alerts []alert.Alert
	facts  []alert.Fact
}

func (r *recorder) Alert(a alert.Alert) { r.alerts = append(r.alerts, a) }
func (r *recorder) Fact(f alert.Fact)   { r.facts = append(r.facts, f) }

// line writes an alert in one line.
func line(a alert.Alert) string {
	d := a.Evidence.DNS
	s := fmt.Sprintf("%s %v %s n=%d sev=%d %s/%s %s", a.Phase, a.Host, a.Indicator.Value, a.Count, a.Severity, d.Question, d.Type, cmp.Or(d.ResponseCode, "unanswered"))
	if len(d.Resolved) > 0 {
		s += " " + strings.Trim(fmt.Sprint(d.Resolved), "[]")
	}
	if d.OnBehalf {
		s += " behalf"
	}
	if d.Unasked {
		s += " unasked"
	}
	return s
}

func (r *recorder) lines() string {
	var all []string
	for _, a := range r.alerts {
		all = append(all, line(a))
	}
	return strings.Join(all, "\n")
}

// bench is a detector and a hand that makes packets for it.
type bench struct {
	*Detector
	recorder
	t      testing.TB
	now    int64
	number uint64
}

const kill = "iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com"

func newBench(t testing.TB, cfg Config, more ...ioc.Indicator) *bench {
	t.Helper()
	b := ioc.NewBuilder()
	indicators := append([]ioc.Indicator{
		{Type: ioc.Domain, Value: "bad.example", Confidence: ioc.HighConfidence, Feed: "t"},
		{Type: ioc.Domain, Value: "expired.example", Expires: time.Unix(10, 0), Feed: "t"},
		{Type: ioc.Domain, Value: "tor.example", Class: ioc.Anonymizer, Feed: "t"},
		{Type: ioc.Domain, Value: kill, Class: ioc.KillSwitch, Feed: "t"},
		{Type: ioc.Address, Value: "203.0.113.66", Feed: "t"},
	}, more...)
	for _, i := range indicators {
		if err := b.Add(i); err != nil {
			t.Fatal(err)
		}
	}
	zones, err := zone.New(zone.DefaultInside(), nil)
	if err != nil {
		t.Fatal(err)
	}
	x := &bench{t: t, now: 1000 * second}
	x.Detector = New(&x.recorder, zones, b.Build(), cfg)
	return x
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var (
	client   = ap("10.0.0.9:40000")
	resolver = ap("10.0.0.53:53")
	upstream = ap("198.51.100.1:53")
	fromRes  = ap("10.0.0.53:33333")
)

// query returns a question with recursion desired.
func query(id uint16, name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name+".", qtype)
	m.Id = id
	return m
}

// reply returns an answer of a resolver.
func reply(t testing.TB, q *dns.Msg, rcode int, records ...string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetRcode(q, rcode)
	m.RecursionAvailable = true
	for _, s := range records {
		r, err := dns.NewRR(s)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, r)
	}
	return m
}

func wire(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	m.Compress = true
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packet returns a packet of a message, a millisecond after the last.
func (b *bench) packet(src, dst netip.AddrPort, payload []byte) *packet.Packet {
	b.number++
	b.now += ms
	return &packet.Packet{
		Time: b.now, Src: ip.FromPort(src), Dst: ip.FromPort(dst), Proto: packet.ProtoUDP, Payload: payload, PayloadLen: len(payload), Number: b.number,
	}
}

func (b *bench) udp(src, dst netip.AddrPort, m *dns.Msg) { b.Packet(b.packet(src, dst, wire(b.t, m))) }

// expect compares what was said, and ends the capture.
func (b *bench) expect(want string) {
	b.t.Helper()
	b.Close(b.now)
	want = strings.TrimSpace(strings.ReplaceAll(want, "\t", ""))
	if got := b.lines(); got != want {
		b.t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if b.findings.Len() != 0 || len(b.perHost) != 0 || b.buffered != 0 {
		b.t.Errorf("after Close: %d findings, %d hosts, %d bytes", b.findings.Len(), len(b.perHost), b.buffered)
	}
}
