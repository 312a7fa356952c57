package dns

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"wormscope/ioc"
)

// TestRenewKeepsWhatIsOpen renews the indicators between look-ups: what is open
// goes on, what is withdrawn ends, who resolves stays known, and a resolver's
// own query is still its client's.
func TestRenewKeepsWhatIsOpen(t *testing.T) {
	b := newBench(t, Config{}, ioc.Indicator{Type: ioc.Domain, Value: "gone.example"}, ioc.Indicator{Type: ioc.Domain, Value: "stale.example"})
	b.serves(resolver)
	b.udp(client, resolver, query(1, "www.bad.example", dns.TypeA))
	b.udp(client, resolver, query(2, "gone.example", dns.TypeA))
	b.udp(client, resolver, query(3, "stale.example", dns.TypeA))

	next := ioc.NewBuilder()
	for _, i := range []ioc.Indicator{
		{Type: ioc.Domain, Value: "first.example"},
		{Type: ioc.Domain, Value: "stale.example", Expires: time.Unix(900, 0)},
		{Type: ioc.Domain, Value: "bad.example", Confidence: ioc.LowConfidence},
		{Type: ioc.Domain, Value: "new.example"},
	} {
		if err := next.Add(i); err != nil {
			t.Fatal(err)
		}
	}
	b.SetIndicators(next.Build(), b.now)
	b.udp(fromRes, upstream, query(4, "www.bad.example", dns.TypeA)) // for the client
	b.udp(resolver, client, reply(t, query(1, "www.bad.example", dns.TypeA), dns.RcodeNameError))
	b.udp(client, resolver, query(5, "gone.example", dns.TypeA))
	b.udp(client, resolver, query(6, "stale.example", dns.TypeA))
	b.udp(client, resolver, query(7, "new.example", dns.TypeA))
	b.Close(b.now)

	want := strings.TrimSpace(`
start 10.0.0.9 bad.example n=1 sev=75 www.bad.example/A unanswered
start 10.0.0.9 gone.example n=1 sev=50 gone.example/A unanswered
start 10.0.0.9 stale.example n=1 sev=50 stale.example/A unanswered
end 10.0.0.9 gone.example n=1 sev=50 gone.example/A unanswered
end 10.0.0.9 stale.example n=1 sev=50 stale.example/A unanswered
update 10.0.0.9 bad.example n=1 sev=75 www.bad.example/A NXDOMAIN
start 10.0.0.9 new.example n=1 sev=50 new.example/A unanswered
end 10.0.0.9 bad.example n=1 sev=75 www.bad.example/A NXDOMAIN
end 10.0.0.9 new.example n=1 sev=50 new.example/A unanswered`)
	if got := b.lines(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if b.stats.Forwarded != 1 {
		t.Errorf("%d queries taken for a client's", b.stats.Forwarded)
	}
}
