package dns

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/ioc"

	"github.com/miekg/dns"
)

// TestLookups plays queries and answers with indicator names and compares the alerts.
func TestLookups(t *testing.T) {
	edns := func(m *dns.Msg, subnet string) *dns.Msg {
		p := netip.MustParsePrefix(subnet)
		m.SetEdns0(1232, false)
		o := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
		m.IsEdns0().Option = append(m.IsEdns0().Option, o)
		return m
	}
	for _, c := range []struct {
		what string
		play func(b *bench)
		want string
	}{
		{"query and answer", func(b *bench) {
			q := query(1, "wWw.Bad.example", dns.TypeA)
			b.udp(client, resolver, q)
			b.udp(resolver, client, reply(b.t, q, dns.RcodeSuccess, "www.bad.example. 60 A 203.0.113.5"))
		}, `
			start 10.0.0.9 bad.example n=1 sev=75 www.bad.example/A unanswered
			update 10.0.0.9 bad.example n=1 sev=75 www.bad.example/A NOERROR 203.0.113.5
			end 10.0.0.9 bad.example n=1 sev=75 www.bad.example/A NOERROR 203.0.113.5`},
		{"kill switch that does not resolve", func(b *bench) {
			q := query(1, kill, dns.TypeA)
			b.udp(client, resolver, q)
			b.udp(resolver, client, reply(b.t, q, dns.RcodeNameError))
		}, `
			start 10.0.0.9 ` + kill + ` n=1 sev=95 ` + kill + `/A unanswered
			update 10.0.0.9 ` + kill + ` n=1 sev=95 ` + kill + `/A NXDOMAIN
			end 10.0.0.9 ` + kill + ` n=1 sev=95 ` + kill + `/A NXDOMAIN`},
		{"kill switch with a search suffix", func(b *bench) {
			b.udp(client, resolver, query(1, kill+".corp.example", dns.TypeA))
		}, `
			start 10.0.0.9 ` + kill + ` n=1 sev=95 ` + kill + `.corp.example/A unanswered
			end 10.0.0.9 ` + kill + ` n=1 sev=95 ` + kill + `.corp.example/A unanswered`},
		{"answer without its query", func(b *bench) {
			q := query(1, "bad.example", dns.TypeA)
			b.udp(resolver, client, reply(b.t, q, dns.RcodeNameError))
			b.udp(resolver, client, reply(b.t, q, dns.RcodeNameError))
		}, `
			start 10.0.0.9 bad.example n=1 sev=50 bad.example/A NXDOMAIN unasked
			end 10.0.0.9 bad.example n=1 sev=50 bad.example/A NXDOMAIN unasked`},
		{"an alias leads there", func(b *bench) {
			q := query(1, "good.example", dns.TypeA)
			b.udp(client, resolver, q)
			b.udp(resolver, client, reply(b.t, q, dns.RcodeSuccess, "good.example. 60 CNAME cdn.example.", "cdn.example. 60 CNAME x.bad.example.", "x.bad.example. 60 A 203.0.113.5"))
		}, `
			start 10.0.0.9 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5
			end 10.0.0.9 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5`},
		{"a service is there", func(b *bench) {
			q := query(1, "good.example", dns.TypeHTTPS)
			b.udp(client, resolver, q)
			b.udp(resolver, client, reply(b.t, q, dns.RcodeSuccess, "good.example. 60 HTTPS 0 x.bad.example."))
		}, `
			start 10.0.0.9 bad.example n=1 sev=75 good.example/HTTPS NOERROR
			end 10.0.0.9 bad.example n=1 sev=75 good.example/HTTPS NOERROR`},
		{"answer without a question", func(b *bench) {
			m := reply(b.t, query(1, "x.example", dns.TypeA), dns.RcodeSuccess, "bad.example. 60 A 203.0.113.5")
			m.Question = nil
			b.udp(resolver, client, m)
		}, `
			start 10.0.0.9 bad.example n=1 sev=50 bad.example/ NOERROR 203.0.113.5 unasked
			end 10.0.0.9 bad.example n=1 sev=50 bad.example/ NOERROR 203.0.113.5 unasked`},
		{"copies and repetitions are one lookup", func(b *bench) {
			for range 2 {
				for range 2 {
					b.udp(client, resolver, query(1, "bad.example", dns.TypeA))
				}
				b.now += 5 * second
			}
			b.udp(client, resolver, query(2, "bad.example", dns.TypeAAAA))
		}, `
			start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			end 10.0.0.9 bad.example n=2 sev=75 bad.example/A unanswered`},
		{"nothing bad, nothing that holds, no lookup", func(b *bench) {
			b.udp(client, resolver, query(1, "notbad.example", dns.TypeA))
			b.udp(client, resolver, query(1, "x.expired.example", dns.TypeA))
			update := query(1, "bad.example", dns.TypeSOA)
			update.Opcode = dns.OpcodeUpdate
			b.udp(client, resolver, update)
			b.udp(client, ap("10.0.0.53:5353"), query(1, "bad.example", dns.TypeA))
			b.udp(client, ap("224.0.0.251:53"), reply(b.t, query(1, "bad.example", dns.TypeA), 0))
		}, ""},
		{"anonymizer", func(b *bench) { b.udp(client, resolver, query(1, "tor.example", dns.TypeA)) }, `
			start 10.0.0.9 tor.example n=1 sev=25 tor.example/A unanswered
			end 10.0.0.9 tor.example n=1 sev=25 tor.example/A unanswered`},
		{"outside asks inside", func(b *bench) {
			b.udp(ap("198.51.100.7:5000"), resolver, query(1, "bad.example", dns.TypeA))
		}, `
			start 198.51.100.7 bad.example n=1 sev=25 bad.example/A unanswered
			end 198.51.100.7 bad.example n=1 sev=25 bad.example/A unanswered`},
		{"forwarder", func(b *bench) {
			q, f := query(1, "bad.example", dns.TypeA), query(77, "bad.example", dns.TypeA)
			b.serves(resolver)
			b.udp(client, resolver, q)
			b.udp(fromRes, upstream, f)
			b.udp(upstream, fromRes, reply(b.t, f, dns.RcodeNameError))
			b.udp(resolver, client, reply(b.t, q, dns.RcodeNameError))
		}, `
			start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			update 10.0.0.9 bad.example n=1 sev=75 bad.example/A NXDOMAIN
			end 10.0.0.9 bad.example n=1 sev=75 bad.example/A NXDOMAIN`},
		{"iterative resolver, clients not seen", func(b *bench) {
			q := query(1, "bad.example", dns.TypeA)
			q.RecursionDesired = false
			b.udp(fromRes, upstream, q)
		}, `
			start 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf
			end 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf`},
		{"client subnet", func(b *bench) { b.udp(fromRes, upstream, edns(query(1, "bad.example", dns.TypeA), "10.1.2.0/24")) }, `
			start 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf
			end 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf`},
		{"client named", func(b *bench) { b.udp(fromRes, upstream, edns(query(1, "bad.example", dns.TypeA), "10.1.2.3/32")) }, `
			start 10.1.2.3 bad.example n=1 sev=75 bad.example/A unanswered
			end 10.1.2.3 bad.example n=1 sev=75 bad.example/A unanswered`},
		{"learned resolver", func(b *bench) {
			q := query(1, "good.example", dns.TypeA)
			for _, c := range []string{"10.0.0.1:5000", "10.0.0.1:5001", "10.0.0.2:5000", "10.0.0.3:5000"} {
				b.udp(resolver, ap(c), reply(b.t, q, dns.RcodeSuccess))
			}
			b.udp(fromRes, upstream, query(7, "bad.example", dns.TypeA))
		}, `
			start 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf
			end 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf`},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			c.play(b)
			b.expect(c.want)
		})
	}
}

func TestResolverIsLearnedOnce(t *testing.T) {
	b := newBench(t, Config{})
	q := query(1, "good.example", dns.TypeA)
	say := func(host netip.AddrPort, from int, available bool) {
		for i := range 5 {
			m := reply(t, q, dns.RcodeSuccess)
			m.RecursionAvailable = available
			b.udp(host, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(from + i%2)}), uint16(1000+i)), m)
		}
	}
	say(resolver, 1, true)
	if len(b.facts) != 0 || b.Resolver(resolver.Addr()) {
		t.Errorf("two clients make no resolver: %v", b.facts)
	}
	say(resolver, 3, true)
	say(ap("10.0.0.54:53"), 1, false)
	say(ap("10.0.0.54:53"), 3, false)
	want := alert.Fact{Kind: alert.FactResolver, Host: resolver.Addr(), Peer: netip.MustParseAddr("10.0.0.3"), Port: 53, Time: time.Unix(0, 1000*second+6*ms).UTC(), Frame: alert.FrameRef{Number: 6}}
	if len(b.facts) != 1 || b.facts[0] != want || !b.Resolver(resolver.Addr()) || b.Resolver(netip.MustParseAddr("10.0.0.54")) {
		t.Errorf("%+v, want %+v", b.facts, want)
	}
}

func TestEvidence(t *testing.T) {
	b := newBench(t, Config{})
	q := query(1, "x.bad.example", dns.TypeA)
	b.udp(client, resolver, q)
	b.udp(resolver, client, reply(t, q, dns.RcodeSuccess, "x.bad.example. 60 A 203.0.113.66", "x.bad.example. 60 A 203.0.113.67"))
	b.Close(b.now)
	a := b.alerts[1]
	if a.Orig != client || a.Resp != resolver || a.Proto != 17 || a.Rule != alert.RuleDomain || len(a.ID) != 32 {
		t.Errorf("the alert about the answer has another flow, rule or ID: %+v", a)
	}
	d := a.Evidence.DNS
	if d.Matched != "x.bad.example" || d.Resolver != resolver.Addr() || fmt.Sprint(d.Listed) != "[203.0.113.66]" {
		t.Errorf("what matched, who answered or which addresses are listed is wrong: %+v", d)
	}
	for i, a := range b.alerts {
		if a.ID != b.alerts[0].ID || a.Seq != i || fmt.Sprint(a.Frames) != "[{0 1}]" || !a.First.Equal(time.Unix(1000, ms)) {
			t.Errorf("alert %d has another ID, number, frame or beginning: %+v", i, a)
		}
	}
}

func TestPaceAndQuiet(t *testing.T) {
	b := newBench(t, Config{})
	for i := range 1000 {
		b.udp(client, resolver, query(uint16(i), "bad.example", dns.TypeA))
	}
	b.now += 3601 * second
	b.Tick(b.now)
	var counts []string
	for _, a := range b.alerts {
		counts = append(counts, fmt.Sprintf("%s %d", a.Phase, a.Count))
	}
	if got, want := strings.Join(counts, ", "), "start 1, update 10, update 100, update 1000, end 1000"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := len(b.alerts[4].Frames); n != maxFrames {
		t.Errorf("%d frames in the last alert, want %d", n, maxFrames)
	}
}

// TestHurry: what a host does after a mark is said at once, of this host alone.
func TestHurry(t *testing.T) {
	b := newBench(t, Config{})
	ask := func(id uint16) {
		for _, from := range []netip.AddrPort{client, ap("10.0.0.8:5000")} {
			b.udp(from, resolver, query(id, "bad.example", dns.TypeA))
		}
	}
	ask(1)
	ask(2)
	b.Hurry(map[netip.Addr]bool{client.Addr(): true})
	ask(3)
	ask(4)
	if n := len(b.alerts); n != 3 || b.alerts[2].Host != client.Addr() || b.alerts[2].Count != 3 {
		t.Errorf("%d words, want 3, the last about the third lookup: %+v", n, b.alerts)
	}
}

// TestManyIndicators lets one host ask for more than there is room for.
func TestManyIndicators(t *testing.T) {
	var many []ioc.Indicator
	for i := range 1000 {
		many = append(many, ioc.Indicator{Type: ioc.Domain, Value: fmt.Sprintf("n%d.test", i), Feed: "t"})
	}
	b := newBench(t, Config{MaxPerHost: 10, MaxFindings: 15}, many...)
	for i := range many {
		b.udp(client, resolver, query(uint16(i), many[i].Value, dns.TypeA))
	}
	b.udp(client, resolver, query(5000, kill, dns.TypeA))
	if s := b.Stats(); b.findings.Len() != 12 || s.OverLimit != 990 || s.Evicted != 0 {
		t.Errorf("%d findings, %+v", b.findings.Len(), s)
	}
	for i := range 10 {
		b.udp(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 9, byte(i)}), 1), resolver, query(1, "bad.example", dns.TypeA))
	}
	if s := b.Stats(); b.findings.Len() != 15 || s.Evicted != 7 {
		t.Errorf("%d findings, %+v", b.findings.Len(), s)
	}
	b.Close(b.now)
	open := map[string]int{}
	for _, a := range b.alerts {
		open[a.ID] += map[alert.Phase]int{alert.PhaseStart: 1, alert.PhaseEnd: -1}[a.Phase]
		if a.Name == alert.NameManyIndicators && a.Phase == alert.PhaseEnd && a.Count != 990 {
			t.Errorf("%d lookups beyond the limit", a.Count)
		}
	}
	for id, n := range open {
		if n != 0 {
			t.Errorf("%s: %d starts without an end", id, n)
		}
	}
}

// TestFragments gives a datagram twice, its beginning and then the whole.
func TestFragments(t *testing.T) {
	b := newBench(t, Config{})
	m := wire(t, reply(t, query(1, "bad.example", dns.TypeA), 0, "bad.example. 60 A 203.0.113.5"))
	p := b.packet(resolver, client, m[:len(m)-8])
	p.Fragment = true
	b.Packet(p)
	p = b.packet(resolver, client, m)
	p.Reassembled = true
	b.Packet(p)
	b.expect(`
		start 10.0.0.9 bad.example n=1 sev=50 bad.example/A NOERROR unasked
		update 10.0.0.9 bad.example n=1 sev=50 bad.example/A NOERROR 203.0.113.5 unasked
		end 10.0.0.9 bad.example n=1 sev=50 bad.example/A NOERROR 203.0.113.5 unasked`)
	if s := b.Stats(); s.CutShort != 1 || s.Undecoded != [len(s.Undecoded)]uint64{} {
		t.Errorf("a message that is cut short is not counted as that: %+v", s)
	}
}

func TestAllocatesNothing(t *testing.T) {
	b := newBench(t, Config{})
	q := query(1, "www.good.example", dns.TypeA)
	packets := []*packet.Packet{
		b.packet(client, resolver, wire(t, q)),
		b.packet(resolver, client, wire(t, reply(t, q, 0, "www.good.example. 60 CNAME cdn.example.", "cdn.example. 60 A 192.0.2.1"))),
		b.packet(client, ap("192.0.2.1:443"), []byte("hello")),
	}
	b.Packet(packets[1])
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range packets {
			b.Packet(p)
		}
	}); n != 0 {
		t.Errorf("%v allocations for packets without an indicator, want none", n)
	}
}

func BenchmarkQuery(b *testing.B) {
	benchmark(b, client, resolver, wire(b, query(1, "www.good.example", dns.TypeA)))
}
func BenchmarkOtherPort(b *testing.B) { benchmark(b, client, ap("10.0.0.1:443"), []byte("hello")) }
func BenchmarkResponse(b *testing.B) {
	m := reply(b, query(1, "www.good.example", dns.TypeA), 0, "www.good.example. 60 CNAME cdn.example.", "cdn.example. 60 A 192.0.2.1")
	benchmark(b, resolver, client, wire(b, m))
}

func benchmark(b *testing.B, src, dst netip.AddrPort, payload []byte) {
	b.Helper()
	x := newBench(b, Config{})
	p := x.packet(src, dst, payload)
	b.ReportAllocs()
	for b.Loop() {
		x.Packet(p)
	}
}

// TestExpiredHidesNothing has names that are expired below one that is not, and
// an answer that leads to an address that is.
func TestExpiredHidesNothing(t *testing.T) {
	past := time.Unix(10, 0)
	b := newBench(
		t, Config{},
		ioc.Indicator{Type: ioc.Domain, Value: "www.bad.example", Expires: past},
		ioc.Indicator{Type: ioc.Domain, Value: "a.www.bad.example", Class: ioc.KillSwitch, Expires: past},
		ioc.Indicator{Type: ioc.Address, Value: "203.0.113.67", Expires: past},
	)
	q := query(1, "a.www.bad.example", dns.TypeA)
	b.udp(client, resolver, q)
	b.udp(resolver, client, reply(t, q, 0, "a.www.bad.example. 9 A 203.0.113.66", "a.www.bad.example. 9 A 203.0.113.67"))
	b.Close(b.now)
	last := b.alerts[len(b.alerts)-1]
	if len(b.alerts) != 3 || last.Indicator.Value != "bad.example" || len(last.Evidence.DNS.Resolved) != 2 || len(last.Evidence.DNS.Listed) != 1 {
		t.Errorf("%d alerts, the last %+v of %+v", len(b.alerts), last.Evidence.DNS, last.Indicator)
	}
}
