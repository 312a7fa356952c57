package dns

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestLast: the latest lookup is told apart from the most that any brought.
func TestLast(t *testing.T) {
	found := func(q *dns.Msg) []string { return []string{q.Question[0].Name + " 60 A 203.0.113.5"} }
	at := func(b *bench, seconds int64) { b.now = (1000 + seconds) * second }
	for _, c := range []struct {
		what string
		play func(b *bench)
		want string
	}{
		{"found, then not", func(b *bench) {
			b.lookUp(1, kill, dns.TypeA, dns.RcodeSuccess, found)
			at(b, 600)
			b.lookUp(2, kill, dns.TypeA, dns.RcodeNameError, nil)
		}, "A NXDOMAIN []"},
		{"not found, then found", func(b *bench) {
			b.lookUp(1, kill, dns.TypeA, dns.RcodeNameError, nil)
			at(b, 600)
			b.lookUp(2, kill, dns.TypeA, dns.RcodeSuccess, found)
		}, "A NOERROR [203.0.113.5]"},
		{"then no answer", func(b *bench) {
			b.lookUp(1, kill, dns.TypeA, dns.RcodeSuccess, found)
			at(b, 600)
			b.udp(client, resolver, query(2, kill, dns.TypeA))
		}, "A  []"},
		{"the same asked anew at once", func(b *bench) {
			b.lookUp(1, kill, dns.TypeA, dns.RcodeSuccess, found)
			b.lookUp(2, kill, dns.TypeA, dns.RcodeNameError, nil)
		}, "A NXDOMAIN []"},
		{"both types are one lookup", func(b *bench) {
			b.lookUp(1, kill, dns.TypeA, dns.RcodeSuccess, found)
			b.lookUp(2, kill, dns.TypeAAAA, dns.RcodeSuccess, nil)
		}, "A NOERROR [203.0.113.5]"},
		{"no address of either type", func(b *bench) {
			b.lookUp(1, kill, dns.TypeAAAA, dns.RcodeSuccess, nil)
			b.lookUp(2, kill, dns.TypeA, dns.RcodeSuccess, nil)
		}, "A NOERROR []"},
		{"a search suffix is the same lookup", func(b *bench) {
			b.lookUp(1, kill, dns.TypeA, dns.RcodeNameError, nil)
			b.lookUp(2, kill+".corp.example", dns.TypeA, dns.RcodeSuccess, found)
		}, "A NOERROR [203.0.113.5]"},
		{"a late answer to the one before", func(b *bench) {
			q := query(1, kill, dns.TypeA)
			b.udp(client, resolver, q)
			at(b, 60)
			b.lookUp(2, kill, dns.TypeA, dns.RcodeNameError, nil)
			b.udp(resolver, client, reply(b.t, q, dns.RcodeSuccess, found(q)...))
		}, "A NXDOMAIN []"},
		{"an answer that did not fit", func(b *bench) { b.truncated(query(1, kill, dns.TypeA)) }, "A  []"},
		{"the same over TCP", func(b *bench) {
			b.truncated(query(1, kill, dns.TypeA))
			b.lookUp(2, kill, dns.TypeA, dns.RcodeNameError, nil)
		}, "A NXDOMAIN []"},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			c.play(b)
			b.Close(b.now)
			last := b.alerts[len(b.alerts)-1].Evidence.DNS.Last
			if got := fmt.Sprint(last.Type, " ", last.ResponseCode, " ", last.Resolved); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// lookUp plays a query of the client and its answer.
func (b *bench) lookUp(id uint16, name string, qtype uint16, rcode int, records func(*dns.Msg) []string) {
	q := query(id, name, qtype)
	b.udp(client, resolver, q)
	var all []string
	if records != nil {
		all = records(q)
	}
	b.udp(resolver, client, reply(b.t, q, rcode, all...))
}

// truncated plays a query that is to be asked again over TCP.
func (b *bench) truncated(q *dns.Msg) {
	b.udp(client, resolver, q)
	m := reply(b.t, q, dns.RcodeSuccess)
	m.Truncated = true
	b.udp(resolver, client, m)
}

// TestLastIsSaid: each time that a kill switch's outcome changes it is said,
// also after many answers.
func TestLastIsSaid(t *testing.T) {
	b := newBench(t, Config{})
	for i := range uint16(30) {
		b.lookUp(i, kill, dns.TypeA, []int{dns.RcodeNameError, dns.RcodeServerFailure}[i%2], nil)
		b.now += 400 * second
		if last := b.alerts[len(b.alerts)-1].Evidence.DNS.Last; last.ResponseCode != []string{"NXDOMAIN", "SERVFAIL"}[i%2] {
			t.Fatalf("lookup %d: %s is said", i, last.ResponseCode)
		}
	}
}

// TestLateAnswer: an answer is not a lookup of its own, however late it is.
func TestLateAnswer(t *testing.T) {
	b := newBench(t, Config{})
	q := query(1, "bad.example", dns.TypeA)
	b.udp(client, resolver, q)
	b.now += 100 * second
	b.udp(resolver, client, reply(t, q, dns.RcodeServerFailure))
	b.expect(`
		start 10.0.0.9 bad.example n=1 sev=75 bad.example/A unanswered
		update 10.0.0.9 bad.example n=1 sev=75 bad.example/A SERVFAIL
		end 10.0.0.9 bad.example n=1 sev=75 bad.example/A SERVFAIL`)
}

// TestSecondQuestion: of two questions the one that matches is told.
func TestSecondQuestion(t *testing.T) {
	b := newBench(t, Config{})
	q := query(1, "good.example", dns.TypeA)
	q.Question = append(q.Question, query(1, "bad.example", dns.TypeTXT).Question...)
	b.udp(client, resolver, q)
	if got := b.lines(); !strings.HasSuffix(got, "bad.example/TXT unanswered") {
		t.Errorf("the lookup is told as %q, want the type of the second question", got)
	}
}
