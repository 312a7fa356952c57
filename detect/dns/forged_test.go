package dns

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// named adds a client, as a whole address, to a message.
func named(m *dns.Msg, client string) *dns.Msg {
	m.SetEdns0(1232, false).IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 32, Address: net.ParseIP(client).To4(),
	}}
	return m
}

// TestForgedFromOutside: what anyone on the internet can send is no proof against a host
// inside, whether it was sent in vain or a host was led to ask.
func TestForgedFromOutside(t *testing.T) {
	const victim = "10.9.9.9"
	stranger, behind := ap("203.0.113.66:53"), ap("203.0.113.66:5555")
	lured := query(7, "image.example", dns.TypeA)
	alias := "image.example. 60 CNAME " + kill + "."
	for name, play := range map[string]func(*bench){
		"a query that names a client": func(b *bench) {
			b.udp(behind, resolver, named(query(7, kill, dns.TypeA), victim))
		},
		"an answer that names a client": func(b *bench) {
			b.udp(stranger, client, named(reply(t, query(7, kill, dns.TypeA), dns.RcodeNameError), victim))
		},
		"an alias that names a client": func(b *bench) {
			b.udp(client, stranger, lured)
			b.udp(stranger, client, named(reply(t, lured, dns.RcodeSuccess, alias), victim))
		},
		"an alias that nobody asked for": func(b *bench) {
			b.udp(client, stranger, lured)
			b.udp(stranger, ap(victim+":40000"), reply(t, lured, dns.RcodeSuccess, alias))
		},
		"an alias for a query of long ago": func(b *bench) {
			b.udp(ap(victim+":40000"), stranger, lured)
			b.now += 2 * answerWindow
			b.udp(stranger, ap(victim+":40000"), reply(t, lured, dns.RcodeSuccess, alias))
		},
		"an answer in a flood of answers": func(b *bench) {
			for i := range enoughMet {
				q := query(uint16(i), "good.example", dns.TypeA)
				b.udp(client, resolver, q)
				b.udp(resolver, client, reply(t, q, dns.RcodeSuccess))
			}
			for i := range 2 * answersFor * enoughMet {
				b.udp(stranger, ap("10.0.0.7:5000"), reply(t, query(uint16(i), "good.example", dns.TypeA), dns.RcodeSuccess))
			}
			b.udp(stranger, ap(victim+":40000"), reply(t, query(7, kill, dns.TypeA), dns.RcodeNameError))
		},
		"an answer with the address of a resolver": func(b *bench) {
			for i := range enoughClients + 1 { // the first is not known to ask a resolver
				host := ap(fmt.Sprintf("10.0.0.%d:40000", 20+i))
				b.udp(host, upstream, query(8, "good.example", dns.TypeA))
				b.udp(upstream, host, reply(t, query(8, "good.example", dns.TypeA), dns.RcodeSuccess))
			}
			if !b.Resolver(upstream.Addr()) {
				b.t.Error("it is no resolver")
			}
			b.udp(upstream, ap(victim+":40000"), reply(t, query(7, kill, dns.TypeA), dns.RcodeNameError))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Config{})
			play(b)
			for _, a := range b.alerts {
				if d := a.Evidence.DNS; a.Host == netip.MustParseAddr(victim) && !d.Unasked && !d.OnBehalf {
					t.Errorf("believed: %s", line(a))
				}
			}
			if len(b.alerts) == 0 {
				t.Error("it is not told at all")
			}
		})
	}
}
