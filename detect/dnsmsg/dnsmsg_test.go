package dnsmsg

import (
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// pack returns a message of miekg/dns on the wire.
func pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	m.Compress = true
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rr(t testing.TB, s string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// plainQuery is what most of port 53 is.
func plainQuery(t testing.TB) []byte {
	t.Helper()
	m := new(dns.Msg).SetQuestion("www.Example-Site.com.", dns.TypeAAAA)
	m.Id = 0x1234
	m.SetEdns0(1232, false)
	return pack(t, m)
}

func TestQuery(t *testing.T) {
	var p Parser
	var q Question
	var r Record
	if !p.Start(plainQuery(t)) || !p.Question(&q) {
		t.Fatal(p.Fault())
	}
	if p.ID != 0x1234 || p.Response() || p.Opcode() != 0 || !p.RecursionDesired() || p.RecursionAvailable() {
		t.Errorf("header %+v", p.Header)
	}
	if q.Name.String() != "www.example-site.com" || q.Type != TypeAAAA || q.Class != ClassIN {
		t.Errorf("question %s %v %d", q.Name.String(), q.Type, q.Class)
	}
	if p.Question(&q) || !p.Record(&r) || r.Type != TypeOPT || r.Section != Additional || p.Record(&r) {
		t.Errorf("record %+v", r)
	}
	if p.Fault() != OK {
		t.Error(p.Fault())
	}
}

func TestAnswer(t *testing.T) {
	m := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
	m.Response, m.RecursionAvailable, m.Rcode = true, true, dns.RcodeNameError
	m.Answer = []dns.RR{
		rr(t, "a.example. 60 IN CNAME B.example."), rr(t, "b.example. 60 IN A 192.0.2.1"),
		rr(t, "b.example. 60 IN AAAA 2001:db8::1"), rr(t, "b.example. 60 IN AAAA ::ffff:192.0.2.9"), rr(t, "b.example. 60 CH A 192.0.2.2"),
	}
	m.Ns = []dns.RR{rr(t, "example. 60 IN NS ns.example.")}
	var p Parser
	var r Record
	var name Name
	var owners, targets, addrs, sections []string
	if !p.Start(pack(t, m)) {
		t.Fatal(p.Fault())
	}
	for p.Record(&r) { // the question is passed over
		sections = append(sections, strconv.Itoa(int(r.Section)))
		if !p.Owner(&r, &name) {
			t.Fatal(p.Fault())
		}
		owners = append(owners, name.String())
		if p.Target(&r, &name) {
			targets = append(targets, name.String())
		}
		if a, ok := r.Addr(); ok {
			addrs = append(addrs, a.String())
		}
	}
	if p.Fault() != OK || p.RCode() != NXDomain || !p.RecursionAvailable() || !p.Response() {
		t.Errorf("fault %v, header %+v", p.Fault(), p.Header)
	}
	for _, c := range []struct {
		what, want string
		got        []string
	}{
		{"owners", "a.example b.example b.example b.example b.example example", owners},
		{"targets", "b.example", targets},
		{"addresses", "192.0.2.1 2001:db8::1 192.0.2.9", addrs},
		{"sections", "0 0 0 0 0 1", sections},
	} {
		if got := strings.Join(c.got, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("\x3f"+strings.Repeat("x", 63), 3)
	for _, c := range []struct {
		what, wire, want string
		fault            Fault
	}{
		{"plain", "\x03wWw\x01X\x00", "www.x", OK},
		{"root", "\x00", ".", OK},
		{"underscore", "\x05_LDAP\x00", "_ldap", OK},
		{"escapes", "\x08a.b \\(\x00\xff\x00", `a\.b\ \\\(\000\255`, OK},
		{"longest", long + "\x3d" + strings.Repeat("y", 61) + "\x00", strings.Repeat(strings.Repeat("x", 63)+".", 3) + strings.Repeat("y", 61), OK},
		{"longest, all escaped", strings.Repeat("\x3f"+strings.Repeat("\xff", 63), 3) + "\x3d" + strings.Repeat("\xff", 61) + "\x00", strings.Repeat(strings.Repeat(`\255`, 63)+".", 3) + strings.Repeat(`\255`, 61), OK},
		{"too long", long + "\x3e" + strings.Repeat("y", 62) + "\x00", "", LongName},
		{"reserved", "\x41a\x00", "", BadName},
		{"cut in a label", "\x05abc", "", ShortName},
		{"no end", "\x01a", "", ShortName},
		{"half a pointer", "\x01a\xc0", "", ShortName},
		{"pointer to itself", "\xc0\x0c", "", PointerLoop},
		{"pointer beyond", "\xc3\xff", "", ShortName},
	} {
		t.Run(c.what, func(t *testing.T) {
			msg := append(make([]byte, 12), c.wire+"\x00\x01\x00\x01"...)
			if c.fault == ShortName {
				msg = msg[:12+len(c.wire)]
			}
			msg[5] = 1
			var p Parser
			var q Question
			ok := p.Start(msg) && p.Question(&q)
			if ok != (c.fault == OK) || p.Fault() != c.fault || ok && q.Name.String() != c.want {
				t.Errorf("%v %v %q, want %v %q", ok, p.Fault(), q.Name.Bytes(), c.fault, c.want)
			}
		})
	}
}

// TestFold holds the table against the rule.
func TestFold(t *testing.T) {
	if len(fold) != 256 {
		t.Fatalf("%d entries", len(fold))
	}
	for c := range 256 {
		want := byte(c)
		switch {
		case c < '!' || c > '~' || strings.IndexByte(`. '@;()"\`, byte(c)) >= 0:
			want = 0
		case 'A' <= c && c <= 'Z':
			want += 'a' - 'A'
		}
		if fold[c] != want {
			t.Errorf("%q is folded to %q", byte(c), fold[c])
		}
	}
}

func TestClientSubnet(t *testing.T) {
	for _, c := range []struct{ option, want string }{
		{"\x00\x01\x18\x00\x0a\x01\x02", "10.1.2.0/24"},
		{"\x00\x01\x20\x00\x0a\x01\x02\x03", "10.1.2.3/32"},
		{"\x00\x02\x38\x00\x20\x01\x0d\xb8\x00\x01\x02", "2001:db8:1:200::/56"},
		{"\x00\x01\x00\x00", "invalid Prefix"},
		{"\x00\x01\x21\x00\x0a\x01\x02\x03\x04", "invalid Prefix"},
		{"\x00\x01\x18\x00\x0a\x01", "invalid Prefix"},
		{"\x00\x03\x08\x00\x0a", "invalid Prefix"},
		{"\x00", "invalid Prefix"},
	} {
		data := "\x00\x0a\x00\x02\xab\xcd" + "\x00\x08\x00" + string(rune(len(c.option))) + c.option
		r := Record{Type: TypeOPT, Data: []byte(data)}
		got, ok := r.ClientSubnet()
		if got.String() != c.want || ok != got.IsValid() {
			t.Errorf("%q: %v %v, want %s", c.option, got, ok, c.want)
		}
	}
	r := Record{Type: TypeA, Data: []byte("\x00\x08\x00\x07\x00\x01\x18\x00\x0a\x01\x02")}
	if _, ok := r.ClientSubnet(); ok {
		t.Error("an option in a record that is no OPT")
	}
	r = Record{Type: TypeOPT, Data: []byte("\x00\x08\x00\xff\x00\x01")}
	if _, ok := r.ClientSubnet(); ok {
		t.Error("an option longer than its record")
	}
}

func TestStrings(t *testing.T) {
	for code := range 1 << 16 {
		want, known := dns.TypeToString[uint16(code)]
		got := Type(code).String()
		if !strings.HasPrefix(got, "TYPE") && (!known || got != want) {
			t.Errorf("type %d: %s, want %s", code, got, want)
		}
	}
	for code := range 11 {
		if got, want := RCode(code).String(), dns.RcodeToString[code]; got != want {
			t.Errorf("code %d: %s, want %s", code, got, want)
		}
	}
	if RCode(15).String() != "RCODE15" || Type(999).String() != "TYPE999" {
		t.Error("numbers without a name")
	}
	seen := map[string]bool{}
	for f := range Fault(NumFaults) {
		seen[f.String()] = true
	}
	if len(seen) != NumFaults || Fault(NumFaults).String() != "unknown fault" {
		t.Errorf("faults: %v", seen)
	}
}

// walk reads all of a message, as the detector does.
func walk(p *Parser, q *Question, r *Record, name *Name, msg []byte) (records int) {
	if !p.Start(msg) {
		return 0
	}
	for p.Question(q) {
	}
	for p.Record(r) {
		p.Owner(r, name)
		p.Target(r, name)
		r.Addr()
		r.ClientSubnet()
		records++
	}
	return records
}

func TestAllocatesNothing(t *testing.T) {
	msg := plainQuery(t)
	var p Parser
	var q Question
	var r Record
	var name Name
	if n := testing.AllocsPerRun(100, func() { walk(&p, &q, &r, &name, msg) }); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// TestPointersAreRationed checks that a message full of pointers to a long
// chain of pointers costs no more than its length allows.
func TestPointersAreRationed(t *testing.T) {
	const hops, records = 100, 4000
	// The chain is the data of a first record of unknown type, with the root
	// for its owner; each pointer leads to the one before, the first to a root.
	msg := []byte("\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00" + "\x00\x00\x63\x00\x01\x00\x00\x00\x00\x00\xc9" + "\x00")
	for at := len(msg) - 1; at < 22+2*hops; {
		next := len(msg)
		msg = append(msg, 0xc0|byte(at>>8), byte(at))
		at = next
	}
	last := len(msg) - 2
	for range records {
		msg = append(msg, 0xc0|byte(last>>8), byte(last), 0, 99, 0, 1, 0, 0, 0, 0, 0, 0)
	}
	var p Parser
	var r Record
	var name Name
	good, all := 0, 0
	p.Start(msg)
	for p.Record(&r) {
		all++
		if p.Owner(&r, &name) {
			good++
		}
	}
	if most := (maxPointers+len(msg)/2)/hops + 2; all != records+1 || good < 100 || good > most {
		t.Errorf("%d names of %d pointers read of %d, in %d bytes; want at most %d", good, hops, all, len(msg), most)
	}
}

func BenchmarkQuery(b *testing.B) {
	msg := plainQuery(b)
	var p Parser
	var q Question
	b.ReportAllocs()
	for b.Loop() {
		p.Start(msg)
		p.Question(&q)
	}
}
