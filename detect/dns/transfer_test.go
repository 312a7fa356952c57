package dns

import (
	"testing"

	"github.com/miekg/dns"
)

// TestZoneTransfer: a zone may be full of indicators, as one with a policy for
// resolvers is. Who takes it asked for none of them.
func TestZoneTransfer(t *testing.T) {
	const primary = "corp.example. 60 IN SOA ns. admin. 1 2 3 4 5"
	for _, qtype := range []uint16{dns.TypeAXFR, dns.TypeIXFR} {
		q := query(1, "corp.example", qtype)
		first := reply(t, q, 0, primary, "www.corp.example. 60 IN CNAME bad.example.")
		second := reply(t, q, 0, kill+".corp.example. 60 IN CNAME .", "cdn.corp.example. 60 IN CNAME tor.example.", primary)
		for _, always := range []bool{true, false} { // whether the second has the question, too
			if !always {
				second.Question = nil
			}
			b := newBench(t, Config{})
			b.serves(resolver)
			b.tcp(client, resolver, 100, framed(wire(t, q)))
			b.tcp(resolver, client, 100, framed(wire(t, first), wire(t, second)))
			b.expect("")
		}
	}

	b := newBench(t, Config{}) // over UDP an answer may lack its question
	m := reply(t, query(1, "bad.example", dns.TypeA), 0, "bad.example. 1 IN A 192.0.2.1")
	m.Question = nil
	b.udp(resolver, client, m)
	b.expect(`
		start 10.0.0.9 bad.example n=1 sev=50 bad.example/ NOERROR 192.0.2.1 unasked
		end 10.0.0.9 bad.example n=1 sev=50 bad.example/ NOERROR 192.0.2.1 unasked`)
}
