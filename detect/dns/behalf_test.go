package dns

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// serves shows a host answering someone as a resolver does.
func (b *bench) serves(host netip.AddrPort) {
	q := query(1, "good.example", dns.TypeA)
	b.udp(ap("10.0.0.1:5000"), host, q)
	b.udp(host, ap("10.0.0.1:5000"), reply(b.t, q, dns.RcodeSuccess))
}

// TestForwarder: what a forwarder asks for a client is no act of its own, and
// what it asks for itself is.
func TestForwarder(t *testing.T) {
	const name = "bad.example"
	q, up := query(1, name, dns.TypeA), query(77, name, dns.TypeA)
	asked := `
		start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
		end 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered`
	for _, c := range []struct {
		what string
		play func(b *bench)
		want string
	}{
		{"a dead upstream is asked again and again", func(b *bench) {
			b.serves(resolver)
			b.udp(client, resolver, q)
			for i := range 5 {
				b.now += 9 * second
				b.udp(netip.AddrPortFrom(fromRes.Addr(), uint16(5000+i)), upstream, query(uint16(i), name, dns.TypeA))
			}
		}, asked},
		{"a long pause", func(b *bench) {
			b.serves(resolver)
			b.udp(client, resolver, q)
			b.now += 11 * second
			b.udp(fromRes, upstream, up)
		}, `
			start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			start 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf
			end 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			end 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf`},
		{"a late answer", func(b *bench) {
			b.serves(resolver)
			b.udp(client, resolver, q)
			b.udp(fromRes, upstream, up)
			b.now += 25 * second
			b.udp(upstream, fromRes, reply(b.t, up, dns.RcodeServerFailure))
		}, asked},
		{"long after any client", func(b *bench) {
			b.serves(resolver)
			b.udp(client, resolver, q)
			b.now += 301 * second
			b.udp(fromRes, upstream, up)
		}, `
			start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			start 10.0.0.53 bad.example n=1 sev=75 bad.example/A unanswered
			end 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			end 10.0.0.53 bad.example n=1 sev=75 bad.example/A unanswered`},
		{"asked, and not known to answer anyone", func(b *bench) {
			b.udp(client, resolver, q)
			b.udp(fromRes, upstream, up)
			b.udp(upstream, fromRes, reply(b.t, up, dns.RcodeNameError))
		}, `
			start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			start 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf
			update 10.0.0.53 bad.example n=1 sev=25 bad.example/A NXDOMAIN behalf
			end 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			end 10.0.0.53 bad.example n=1 sev=25 bad.example/A NXDOMAIN behalf`},
		{"asked from outside, which anyone can do", func(b *bench) {
			b.udp(ap("198.51.100.7:5000"), resolver, q)
			b.udp(fromRes, upstream, up)
		}, `
			start 198.51.100.7 bad.example n=1 sev=25 bad.example/A unanswered
			start 10.0.0.53 bad.example n=1 sev=75 bad.example/A unanswered
			end 198.51.100.7 bad.example n=1 sev=25 bad.example/A unanswered
			end 10.0.0.53 bad.example n=1 sev=75 bad.example/A unanswered`},
		{"the clock of a sensor is behind", func(b *bench) {
			b.udp(fromRes, upstream, up)
			b.now += 4 * ms
			b.udp(client, resolver, q)
			b.udp(upstream, fromRes, reply(b.t, up, dns.RcodeNameError))
		}, `
			start 10.0.0.53 bad.example n=1 sev=75 bad.example/A unanswered
			update 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf
			start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			update 10.0.0.53 bad.example n=1 sev=25 bad.example/A NXDOMAIN behalf
			end 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			end 10.0.0.53 bad.example n=1 sev=25 bad.example/A NXDOMAIN behalf`},
		{"asked itself before its client did", func(b *bench) {
			b.serves(resolver)
			b.udp(fromRes, upstream, up)
			b.now += second
			b.udp(client, resolver, q)
			b.udp(upstream, fromRes, reply(b.t, up, dns.RcodeNameError))
			b.udp(resolver, client, reply(b.t, q, dns.RcodeNameError))
		}, `
			start 10.0.0.53 bad.example n=1 sev=75 bad.example/A unanswered
			start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			update 10.0.0.53 bad.example n=1 sev=75 bad.example/A NXDOMAIN
			update 10.0.0.9 bad.example n=1 sev=75 bad.example/A NXDOMAIN
			end 10.0.0.53 bad.example n=1 sev=75 bad.example/A NXDOMAIN
			end 10.0.0.9 bad.example n=1 sev=75 bad.example/A NXDOMAIN`},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			c.play(b)
			b.expect(c.want)
		})
	}
}

// TestForwarderOfUnseenClients: a resolver that forwards what clients ask whom the
// capture does not show is told by the records of DNSSEC that it wants from a server
// outside. A host that wants them of its own resolver is no other than it was.
func TestForwarderOfUnseenClients(t *testing.T) {
	signed := query(77, "bad.example", dns.TypeA).SetEdns0(1232, true)
	plain := query(77, "bad.example", dns.TypeA).SetEdns0(1232, false)
	for _, c := range []struct {
		what string
		play func(b *bench)
		want string
	}{
		{"signed, from outside", func(b *bench) {
			b.udp(fromRes, upstream, signed)
			b.udp(upstream, fromRes, reply(b.t, plain, dns.RcodeNameError))
		}, `
			start 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf
			update 10.0.0.53 bad.example n=1 sev=25 bad.example/A NXDOMAIN behalf
			end 10.0.0.53 bad.example n=1 sev=25 bad.example/A NXDOMAIN behalf`},
		{"signed, from a resolver inside", func(b *bench) { b.udp(client, resolver, signed) }, `
			start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			end 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered`},
		{"signed, and neither is inside", func(b *bench) { b.udp(ap("198.51.100.7:5000"), upstream, signed) }, `
			start 198.51.100.7 bad.example n=1 sev=75 bad.example/A unanswered
			end 198.51.100.7 bad.example n=1 sev=75 bad.example/A unanswered`},
		{"not signed, and before it another's that is", func(b *bench) {
			b.udp(fromRes, upstream, signed)
			b.udp(client, upstream, plain)
		}, `
			start 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf
			start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
			end 10.0.0.53 bad.example n=1 sev=25 bad.example/A unanswered behalf
			end 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered`},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			c.play(b)
			b.expect(c.want)
		})
	}
}

// TestForwardedAlias: an alias leads a client's lookup to an indicator, and the
// resolver's on its behalf.
func TestForwardedAlias(t *testing.T) {
	play := func(b *bench) {
		q, up := query(1, "good.example", dns.TypeA), query(77, "good.example", dns.TypeA)
		records := []string{"good.example. 60 CNAME x.bad.example.", "x.bad.example. 60 A 203.0.113.5"}
		b.udp(client, resolver, q)
		b.udp(fromRes, upstream, up)
		b.udp(upstream, fromRes, reply(b.t, up, dns.RcodeSuccess, records...))
		b.udp(resolver, client, reply(b.t, q, dns.RcodeSuccess, records...))
	}
	b := newBench(t, Config{})
	play(b)
	b.expect(`
		start 10.0.0.53 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5
		update 10.0.0.53 bad.example n=1 sev=25 good.example/A NOERROR 203.0.113.5 behalf
		start 10.0.0.9 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5
		end 10.0.0.53 bad.example n=1 sev=25 good.example/A NOERROR 203.0.113.5 behalf
		end 10.0.0.9 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5`)
	b = newBench(t, Config{})
	b.serves(resolver)
	play(b)
	b.expect(`
		start 10.0.0.53 bad.example n=1 sev=25 good.example/A NOERROR 203.0.113.5 behalf
		start 10.0.0.9 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5
		end 10.0.0.53 bad.example n=1 sev=25 good.example/A NOERROR 203.0.113.5 behalf
		end 10.0.0.9 bad.example n=1 sev=75 good.example/A NOERROR 203.0.113.5`)
}

// TestMisdirected: what is no answer of a server, or no query to one, is no
// lookup.
func TestMisdirected(t *testing.T) {
	b := newBench(t, Config{})
	q := query(1, "bad.example", dns.TypeA)
	b.udp(client, resolver, reply(t, q, dns.RcodeSuccess))
	b.udp(resolver, client, q)
	b.expect("")
	if n := b.Stats().Misdirected; n != 2 {
		t.Errorf("%d messages are misdirected, want 2", n)
	}
}

// TestUnasked: an answer to nothing says little, until its query is seen or the
// tap turns out to show answers only.
func TestUnasked(t *testing.T) {
	q := query(1, kill, dns.TypeA)
	forged := fmt.Sprintf("start 10.0.0.9 %s n=1 sev=50 %[1]s/A NXDOMAIN unasked", kill)
	b := newBench(t, Config{})
	b.udp(upstream, client, reply(t, q, dns.RcodeNameError))
	b.udp(client, resolver, query(2, kill, dns.TypeA))
	b.expect(fmt.Sprintf(forged+`
		update 10.0.0.9 %s n=2 sev=95 %[1]s/A NXDOMAIN
		end 10.0.0.9 %[1]s n=2 sev=95 %[1]s/A NXDOMAIN`, kill))

	b = newBench(t, Config{})
	b.udp(resolver, client, reply(t, q, dns.RcodeNameError))
	for i := range enoughAnswers {
		b.udp(resolver, client, reply(t, query(uint16(i), "good.example", dns.TypeA), dns.RcodeSuccess))
	}
	b.udp(resolver, ap("10.0.0.8:40000"), reply(t, q, dns.RcodeNameError))
	b.expect(fmt.Sprintf(forged+`
		start 10.0.0.8 %s n=1 sev=95 %[1]s/A NXDOMAIN
		end 10.0.0.9 %[1]s n=1 sev=95 %[1]s/A NXDOMAIN
		end 10.0.0.8 %[1]s n=1 sev=95 %[1]s/A NXDOMAIN`, kill))
}

// TestReflected: answers that drown a service were not asked for by it, and do not
// make the tap one that shows answers only. Where the query was seen they count.
func TestReflected(t *testing.T) {
	q, target := query(1, "bad.example", dns.TypeA), ap("10.0.0.9:22")
	b := newBench(t, Config{})
	for i := range enoughAnswers {
		b.udp(ap(fmt.Sprintf("203.0.113.%d:53", i)), target, reply(t, q, dns.RcodeSuccess, "bad.example. 60 IN A 192.0.2.1"))
	}
	b.udp(upstream, client, reply(t, query(2, kill, dns.TypeA), dns.RcodeNameError))
	b.expect(fmt.Sprintf(`start 10.0.0.9 %s n=1 sev=50 %[1]s/A NXDOMAIN unasked
		end 10.0.0.9 %[1]s n=1 sev=50 %[1]s/A NXDOMAIN unasked`, kill))
	if n := b.Stats().Reflected; n != enoughAnswers {
		t.Errorf("%d answers are reflected, want %d", n, enoughAnswers)
	}

	b = newBench(t, Config{})
	b.udp(target, resolver, q)
	b.udp(resolver, target, reply(t, q, dns.RcodeNameError))
	b.expect(`
		start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
		update 10.0.0.9 bad.example n=1 sev=75 bad.example/A NXDOMAIN
		end 10.0.0.9 bad.example n=1 sev=75 bad.example/A NXDOMAIN`)
}

// TestAnswersOnlyForwarder: where only answers are seen, a forwarder passes on
// at once what it was answered.
func TestAnswersOnlyForwarder(t *testing.T) {
	b := newBench(t, Config{})
	for i := range enoughAnswers {
		b.udp(resolver, ap("10.0.0.1:5000"), reply(t, query(uint16(i), "good.example", dns.TypeA), dns.RcodeSuccess))
	}
	b.udp(upstream, fromRes, reply(t, query(77, "bad.example", dns.TypeA), dns.RcodeNameError))
	b.udp(resolver, client, reply(t, query(1, "bad.example", dns.TypeA), dns.RcodeNameError))
	b.expect(`
		start 10.0.0.53 bad.example n=1 sev=75 bad.example/A NXDOMAIN
		update 10.0.0.53 bad.example n=1 sev=25 bad.example/A NXDOMAIN behalf
		start 10.0.0.9 bad.example n=1 sev=75 bad.example/A NXDOMAIN
		end 10.0.0.53 bad.example n=1 sev=25 bad.example/A NXDOMAIN behalf
		end 10.0.0.9 bad.example n=1 sev=75 bad.example/A NXDOMAIN`)
}
