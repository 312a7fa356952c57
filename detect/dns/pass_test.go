package dns

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"wormscope/ioc"
)

// TestOtherAddress: a resolver that is asked on one address and asks on another
// asks for its clients all the same, while they wait. Another client that asks
// at that time does not.
func TestOtherAddress(t *testing.T) {
	const name = "bad.example"
	var (
		q, up = query(1, name, dns.TypeA), query(77, name, dns.TypeA)
		own   = ap("10.0.0.54:4000")    // from which the resolver asks
		own6  = ap("[fd00::54]:4000")   // the same over IPv6
		up6   = ap("[2001:db8::53]:53") // whom it asks then
		other = ap("10.0.0.55:53")      // a resolver of other clients
		line  = func(phase, host, how string) string {
			return "\n" + phase + " " + host + " bad.example n=1 " + how
		}
	)
	const plain, behalf = "sev=75 bad.example/A unanswered", "sev=25 bad.example/A unanswered behalf"
	both := func(host, how string) string {
		return line("start", "10.0.0.9", plain) + line("start", host, how) + line("end", "10.0.0.9", plain) + line("end", host, how)
	}
	for _, c := range []struct {
		what string
		play func(b *bench)
		want string
	}{
		{"another address", func(b *bench) {
			b.udp(client, resolver, q)
			b.now += ms
			b.udp(own, upstream, up)
		}, both("10.0.0.54", behalf)},
		{"over IPv6", func(b *bench) {
			b.udp(client, resolver, q)
			b.now += ms
			b.udp(own6, up6, up)
		}, both("fd00::54", behalf)},
		{"the client was answered from the cache", func(b *bench) {
			b.udp(client, resolver, q)
			b.udp(resolver, client, reply(b.t, q, dns.RcodeNameError))
			b.now += ms
			b.udp(own, upstream, up)
		}, `
			start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			update 10.0.0.9 bad.example n=1 sev=75 bad.example/A NXDOMAIN
			start 10.0.0.54 bad.example n=1 sev=75 bad.example/A unanswered
			end 10.0.0.9 bad.example n=1 sev=75 bad.example/A NXDOMAIN
			end 10.0.0.54 bad.example n=1 sev=75 bad.example/A unanswered`},
		{"it waits no more", func(b *bench) {
			b.udp(client, resolver, q)
			b.now += 2 * second
			b.udp(own, upstream, up)
		}, both("10.0.0.54", plain)},
		{"a client of another resolver", func(b *bench) {
			for i := range enoughClients {
				b.udp(other, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(20 + i)}), 5000), reply(b.t, query(1, "good.example", dns.TypeA), dns.RcodeSuccess))
			}
			b.udp(client, resolver, q)
			b.now += ms
			b.udp(own, other, up)
		}, both("10.0.0.54", plain)},
		{"a client of the same resolver", func(b *bench) {
			b.udp(client, resolver, q)
			b.now += ms
			b.udp(own, resolver, up)
		}, both("10.0.0.54", plain)},
		{"the same query, with its address translated", func(b *bench) {
			b.udp(client, resolver, q)
			b.now += ms
			b.udp(own, resolver, q)
		}, both("10.0.0.54", behalf)},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			b.serves(resolver)
			c.play(b)
			b.expect(c.want)
		})
	}
}

// TestOtherAddressAgain: what a resolver asks again because nobody answers is for
// its client, too, and whoever asked on its own account before is not a resolver.
func TestOtherAddressAgain(t *testing.T) {
	const name = "bad.example"
	b := newBench(t, Config{})
	b.serves(resolver)
	b.udp(ap("10.0.0.8:4000"), upstream, query(5, name, dns.TypeA))
	b.now += second
	b.udp(client, resolver, query(1, name, dns.TypeA))
	b.udp(ap("10.0.0.54:4000"), upstream, query(77, name, dns.TypeA))
	b.now += 9 * second
	b.udp(client, resolver, query(2, name, dns.TypeA))
	b.udp(ap("10.0.0.8:4001"), upstream, query(6, name, dns.TypeA))
	b.now += second
	b.udp(ap("10.0.0.54:4001"), upstream, query(78, name, dns.TypeA))
	b.expect(`
		start 10.0.0.8 bad.example n=1 sev=75 bad.example/A unanswered
		start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
		start 10.0.0.54 bad.example n=1 sev=25 bad.example/A unanswered behalf
		end 10.0.0.9 bad.example n=2 sev=75 bad.example/A unanswered
		end 10.0.0.8 bad.example n=2 sev=75 bad.example/A unanswered
		end 10.0.0.54 bad.example n=2 sev=25 bad.example/A unanswered behalf`)
}

// TestOtherAddressAlias: an alias leads a resolver to an indicator, that asks from
// another address than its client asked it on.
func TestOtherAddressAlias(t *testing.T) {
	q, up, up6 := query(1, "good.example", dns.TypeA), query(77, "good.example", dns.TypeA), query(78, "good.example", dns.TypeAAAA)
	records := []string{"good.example. 60 CNAME x.bad.example.", "x.bad.example. 60 A 203.0.113.5"}
	own := ap("10.0.0.54:4000")
	for _, c := range []struct {
		what string
		late int64
		want string
	}{
		{"at once", ms, `
			start 10.0.0.54 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5
			update 10.0.0.54 bad.example n=2 sev=25 good.example/A NOERROR 203.0.113.5 behalf
			start 10.0.0.9 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5
			end 10.0.0.54 bad.example n=2 sev=25 good.example/A NOERROR 203.0.113.5 behalf
			end 10.0.0.9 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5`},
		{"long after", 2 * second, `
			start 10.0.0.54 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5
			start 10.0.0.9 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5
			end 10.0.0.54 bad.example n=2 sev=75 good.example/A NOERROR 203.0.113.5
			end 10.0.0.9 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5`},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			b.serves(resolver)
			b.udp(client, resolver, q)
			b.udp(own, upstream, up)
			b.udp(own, upstream, up6)
			b.udp(upstream, own, reply(b.t, up, dns.RcodeSuccess, records...))
			b.udp(upstream, own, reply(b.t, up6, dns.RcodeSuccess, records[:1]...))
			b.now += c.late
			b.udp(resolver, client, reply(b.t, q, dns.RcodeSuccess, records...))
			b.expect(c.want)
		})
	}
}

// TestOtherAddressRenewed: who waits is known by the renewed indicators, too, which
// are in another order.
func TestOtherAddressRenewed(t *testing.T) {
	b := newBench(t, Config{})
	b.serves(resolver)
	b.udp(client, resolver, query(1, "bad.example", dns.TypeA))
	next := ioc.NewBuilder()
	for _, name := range []string{"aaa.example", "bad.example"} {
		if err := next.Add(ioc.Indicator{Type: ioc.Domain, Value: name, Confidence: ioc.HighConfidence}); err != nil {
			t.Fatal(err)
		}
	}
	b.SetIndicators(next.Build(), b.now)
	b.udp(ap("10.0.0.54:4000"), upstream, query(77, "bad.example", dns.TypeA))
	b.expect(`
		start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
		start 10.0.0.54 bad.example n=1 sev=25 bad.example/A unanswered behalf
		end 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
		end 10.0.0.54 bad.example n=1 sev=25 bad.example/A unanswered behalf`)
}
