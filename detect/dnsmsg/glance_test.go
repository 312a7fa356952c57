package dnsmsg

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// checkGlance holds a glance at a message against reading it. It reports
// whether the glance was enough.
func checkGlance(t *testing.T, msg []byte) bool {
	t.Helper()
	var p Parser
	if !p.Start(msg) {
		return false
	}
	before := p
	tail, ok := p.Glance()
	if p.off != before.off || p.state != before.state || p.left != before.left || p.fault != before.fault {
		t.Fatalf("%x: a glance moves the parser", msg)
	}
	if !ok {
		return false
	}
	var q Question
	if !p.Question(&q) || p.Fault() != OK {
		t.Fatalf("%x: %v at the question", msg, p.Fault())
	}
	_, labels, lengths := q.Name.Wire()
	last := len(labels) - 1
	if last < 1 || p.Questions != 1 {
		t.Fatalf("%x: %d questions of %d labels", msg, p.Questions, last+1)
	}
	for i := range last {
		if labels[i]+1+int(msg[labels[i]]) != labels[i+1] {
			t.Fatalf("%x: the name is not in one piece", msg)
		}
	}
	want := Tail{labels[last-1], labels[last] + 1 + int(msg[labels[last]]), lengths}
	if tail != want {
		t.Fatalf("%x: %+v, want %+v", msg, tail, want)
	}
	var r Record
	for p.Response() && p.Record(&r) && r.Section == Answer {
		if p.Target(&r, new(Name)) {
			t.Fatalf("%x: an alias", msg)
		}
	}
	if p.Fault() != OK {
		t.Fatalf("%x: %v at a record", msg, p.Fault())
	}
	return true
}

// TestGlance compares what a glance says of a message with what the parser reads of it,
// for whole messages and damaged ones.
func TestGlance(t *testing.T) {
	message := func(question string, response bool, answers, others []string) []byte {
		m := new(dns.Msg).SetQuestion(question, dns.TypeA)
		m.Response = response
		for _, s := range answers {
			m.Answer = append(m.Answer, rr(t, s))
		}
		for _, s := range others {
			m.Ns = append(m.Ns, rr(t, s))
		}
		return pack(t, m)
	}
	long := strings.Repeat(strings.Repeat("a", 49)+".", 5) // 250 bytes
	address := []string{"www.example.com. 60 IN A 192.0.2.1", "www.example.com. 60 IN AAAA 2001:db8::1"}
	alias := []string{"www.example.com. 60 IN CNAME a.example.com.", "a.example.com. 60 IN A 192.0.2.1"}
	service := []string{"www.example.com. 60 IN HTTPS 1 . alpn=h2"}
	elsewhere := []string{"www.example.com. 60 IN HTTPS 0 a.example.com."}
	soa := []string{"example.com. 60 IN SOA a. b. 1 2 3 4 5"}
	for _, c := range []struct {
		what string
		msg  []byte
		want bool
	}{
		{"a query", message("www.example.com.", false, nil, nil), true},
		{"a query with EDNS", plainQuery(t), true},
		{"a query with an alias", message("www.example.com.", false, alias, nil), true},
		{"two labels", message("example.com.", false, nil, nil), true},
		{"one label", message("com.", false, nil, nil), false},
		{"the root", message(".", false, nil, nil), false},
		{"a name of 255 bytes", message(long+"abc.", false, nil, nil), true},
		{"a pointer", []byte("\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x01b\xc0\x0c\x00\x01\x00\x01"), false},
		{"two questions", []byte("\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x01a\x01b\x00\x00\x01\x00\x01"), false},
		{"an answer", message("www.example.com.", true, address, nil), true},
		{"no such name", message("www.example.com.", true, nil, soa), true},
		{"an answer and more", message("www.example.com.", true, address, soa), true},
		{"a service of the name itself", message("www.example.com.", true, service, nil), true},
		{"a service elsewhere", message("www.example.com.", true, elsewhere, nil), false},
		{"an alias", message("www.example.com.", true, alias, nil), false},
		{"an alias at the end", message("www.example.com.", true, append(address, alias...), nil), false},
	} {
		if got := checkGlance(t, c.msg); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
		for end := range c.msg {
			checkGlance(t, c.msg[:end])
		}
		r := rand.New(rand.NewPCG(1, 1))
		for range 2000 {
			msg := append([]byte(nil), c.msg...)
			for range 1 + r.IntN(3) {
				msg[r.IntN(len(msg))] = byte(r.IntN(256))
			}
			checkGlance(t, msg)
		}
	}
	tooLong := []byte("\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x01a", 127) + "\x01a\x00\x00\x01\x00\x01")
	if checkGlance(t, tooLong) {
		t.Error("a glance takes a name of 257 bytes")
	}
}
