package dns

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"
)

// TestNobodyAskedFor: whoever sends answers from outside that nobody asked for makes
// no resolver of himself, which would be believed. He is one when hosts inside ask him.
func TestNobodyAskedFor(t *testing.T) {
	const clients = 5
	server, q := ap("203.0.113.53:53"), query(1, kill, dns.TypeA)
	host := func(i int) string { return fmt.Sprintf("10.0.0.%d:40000", 20+i) }
	b := newBench(t, Config{})
	b.udp(client, resolver, query(7, "good.example", dns.TypeA))
	for i := range clients {
		b.udp(server, ap(host(i)), reply(t, q, dns.RcodeNameError))
	}
	if b.Resolver(server.Addr()) || len(b.facts) != 0 {
		t.Errorf("it is a resolver, by its own answers alone: %+v", b.facts)
	}
	if len(b.alerts) != clients {
		t.Fatalf("%d alerts, want one for each host that was sent an answer", len(b.alerts))
	}
	for _, a := range b.alerts {
		if !a.Evidence.DNS.Unasked {
			t.Errorf("an answer that nobody asked for is believed: %s", line(a))
		}
	}
	asks := func(host string) {
		b.udp(ap(host), server, query(8, "good.example", dns.TypeA))
		b.udp(server, ap(host), reply(t, query(8, "good.example", dns.TypeA), dns.RcodeSuccess))
	}
	for range clients {
		asks("10.0.0.9:40000") // a forwarder alone, and who forges its upstream's answers
		b.udp(server, ap("10.0.0.30:40000"), reply(t, query(9, "good.example", dns.TypeA), dns.RcodeSuccess))
	}
	if b.Resolver(server.Addr()) {
		t.Error("it is a resolver, though only one host asked it")
	}
	asks("10.0.0.10:40000")
	asks("198.51.100.1:40000") // where nobody said what is inside, it may be
	if !b.Resolver(server.Addr()) || len(b.facts) != 1 {
		t.Errorf("it is no resolver, though three ask it: %+v", b.facts)
	}
}
