package dnsmsg

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzAgainstMiekg compares with miekg/dns: what that takes, this reads the
// same; and no bytes do harm.
func FuzzAgainstMiekg(f *testing.F) {
	m := new(dns.Msg).SetQuestion("A.b\\.c\\255.example.", dns.TypeA)
	m.Answer = []dns.RR{rr(f, "a.example. 60 IN CNAME B.example."), rr(f, "b.example. 60 IN A 192.0.2.1"), rr(f, "c.example. 1 IN DNAME d.example.")}
	m.Ns = []dns.RR{rr(f, "example. 60 IN SOA a. b. 1 2 3 4 5")}
	m.SetEdns0(4096, true)
	subnet := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{10, 1, 2, 0}}
	m.IsEdns0().Option = append(m.IsEdns0().Option, subnet)
	f.Add(pack(f, m))
	f.Add(plainQuery(f))
	f.Fuzz(func(t *testing.T, msg []byte) {
		var p Parser
		var q Question
		var r Record
		var name Name
		var want dns.Msg
		checkGlance(t, msg)
		if err := want.Unpack(msg); err != nil {
			walk(&p, &q, &r, &name, msg)
			return
		}
		if !p.Start(msg) {
			t.Fatalf("refused: %v", p.Fault())
		}
		if p.ID != want.Id || p.Response() != want.Response || int(p.Opcode()) != want.Opcode ||
			p.RecursionDesired() != want.RecursionDesired || p.RecursionAvailable() != want.RecursionAvailable {
			t.Fatalf("header %+v, want %+v", p.Header, want.MsgHdr)
		}
		for i, w := range want.Question {
			if !p.Question(&q) {
				t.Fatalf("question %d: %v", i, p.Fault())
			}
			same(t, &q.Name, w.Name)
			if p.Fault() == ShortQuestion { // miekg/dns does not mind
				return
			}
			if uint16(q.Type) != w.Qtype || q.Class != w.Qclass {
				t.Fatalf("question %d: %v %d, want %v", i, q.Type, q.Class, w)
			}
		}
		for _, records := range [][]dns.RR{want.Answer, want.Ns, want.Extra} {
			for _, w := range records {
				// miekg/dns is content with fewer records than the header says.
				if !p.Record(&r) {
					t.Fatalf("record %v: %v", w, p.Fault())
				}
				compare(t, &p, &r, w)
			}
		}
	})
}

// compare holds one record against miekg/dns.
func compare(t *testing.T, p *Parser, r *Record, want dns.RR) {
	t.Helper()
	h := want.Header()
	if uint16(r.Type) != h.Rrtype || r.Class != h.Class || r.TTL != h.Ttl {
		t.Fatalf("record %v %d %d, want %v", r.Type, r.Class, r.TTL, want)
	}
	var name Name
	if p.Owner(r, &name) {
		same(t, &name, h.Name)
	} else if p.Fault() != PointerLoop {
		t.Fatalf("owner: %v, want %s", p.Fault(), h.Name)
	}
	target := ""
	switch w := want.(type) {
	case *dns.CNAME:
		target = w.Target
	case *dns.DNAME:
		target = w.Target
	case *dns.SVCB:
		target = w.Target
	case *dns.HTTPS:
		target = w.Target
	case *dns.A:
		if a, ok := r.Addr(); r.Class == ClassIN && w.A != nil && (!ok || a.String() != w.A.String()) {
			t.Fatalf("address %v, want %v", a, w.A)
		}
	}
	if target != "" && p.Target(r, &name) {
		same(t, &name, target)
	}
}

// same holds a name against one of miekg/dns, which keeps case and final dot.
func same(t *testing.T, n *Name, want string) {
	t.Helper()
	if want != "." {
		want = strings.TrimSuffix(want, ".")
	}
	if got := n.String(); got != lower(want) {
		t.Fatalf("name %q, want %q", got, want)
	}
}

// lower is strings.ToLower for ASCII only.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
