package ioc

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// build makes a Set of indicators.
func build(t testing.TB, indicators ...Indicator) *Set {
	t.Helper()
	b := NewBuilder()
	for _, i := range indicators {
		if err := b.Add(i); err != nil {
			t.Fatal(err)
		}
	}
	return b.Build()
}

func TestEmptySet(t *testing.T) {
	for name, s := range map[string]*Set{"nil": nil, "zero": {}, "built": NewBuilder().Build()} {
		for _, a := range []string{"0.0.0.0", "192.0.2.1", "::", "2001:db8::1", "::ffff:192.0.2.1"} {
			if _, ok := s.Address(netip.AddrPortFrom(netip.MustParseAddr(a), 1), 0); ok {
				t.Errorf("%s: %s matches", name, a)
			}
		}
		if _, ok := s.Address(netip.AddrPort{}, 0); ok {
			t.Errorf("%s: the zero AddrPort matches", name)
		}
		if _, ok := s.Name([]byte("evil.example"), 0); ok {
			t.Errorf("%s: a name matches", name)
		}
		if n := s.Counts(); s.HasAddresses() || n.Total() != 0 || len(n.Feeds) != 0 {
			t.Errorf("%s: has something", name)
		}
	}
}

// TestName shows which indicator a name matches: itself, one above it, or a kill switch
// in the middle.
func TestName(t *testing.T) {
	s := build(
		t,
		Indicator{Value: "evil.example", Feed: "a", Line: 7, Description: "bot", Port: 8080},
		Indicator{Value: "deep.sub.evil.example", Feed: "a", Line: 8},
		Indicator{Value: "github.io", Feed: "a", Exact: true},
		Indicator{Value: "a.very.long.name.of.a.kill.switch.example", Class: KillSwitch, Feed: "a"},
		Indicator{Value: "www.evil-kill.example", Class: Malicious, Feed: "b"},
		Indicator{Value: "evil-kill.example", Class: KillSwitch, Feed: "a"},
	)
	for _, test := range []struct{ name, want string }{
		{"evil.example", "evil.example"},
		{"www.evil.example", "evil.example"},
		{"sub.evil.example", "evil.example"},
		{"deep.sub.evil.example", "deep.sub.evil.example"},
		{"x.y.deep.sub.evil.example", "deep.sub.evil.example"},
		{"notevil.example", ""},
		{"example", ""},
		{"evil.example.com", ""},
		{"", ""},
		{".", ""},
		{"..", ""},
		{".evil.example", "evil.example"},
		{`not\.evil.example`, ""},
		{`not\\.evil.example`, "evil.example"},
		{"github.io", "github.io"},
		{"somebody.github.io", ""},
		{"evil-kill.example", "evil-kill.example"},
		{"www.evil-kill.example", "evil-kill.example"}, // the kill switch, not the more specific name
		{"evil-kill.example.corp.test", "evil-kill.example"},
		{"www.evil-kill.example.corp.test", "evil-kill.example"},
		{"notevil-kill.example.corp.test", ""},
		{"evil-kill.examples.corp.test", ""},
		{`evil-kill.example\.corp.test`, ""},
		{"evil-kill.example.multi.surbl.org", ""}, // a mail gateway asks whether it is listed
		{"www.evil-kill.example.dbl.spamhaus.org", ""},
		{"evil-kill.example.key.dbl.dq.spamhaus.net", ""},
		{"evil-kill.example.http.00.s.sophosxl.net", ""},
		{"evil-kill.example.dbl.corp.test", ""},
		{"evil-kill.example.dblue.notspamhaus.org", "evil-kill.example"},
		{"surbl.evil-kill.example.corp.test", "evil-kill.example"},
		{"a.very.long.name.of.a.kill.switch.example.fritz.box", "a.very.long.name.of.a.kill.switch.example"},
		{strings.Repeat("a.", 126) + "evil.example", "evil.example"},
		{strings.Repeat("a", 5000), ""},
	} {
		m, ok := s.Name([]byte(test.name), 0)
		got := ""
		if ok {
			got = s.Indicator(m).Value
		}
		if got != test.want {
			t.Errorf("Name(%q) = %q, want %q", test.name, got, test.want)
		}
	}
	m, _ := s.Name([]byte("www.evil.example"), 0)
	want := Indicator{Value: "evil.example", Feed: "a", Line: 7, Description: "bot", Port: 8080}
	if got := s.Indicator(m); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Indicator = %+v, want %+v", got, want)
	}
	if again, _ := s.Name([]byte("evil.example"), 0); again != m {
		t.Error("two matches of one indicator are not equal")
	}
}

// TestAddress shows which indicator an address and port match: the most specific one.
func TestAddress(t *testing.T) {
	s := build(
		t,
		Indicator{Type: Address, Value: "192.0.2.1"},
		Indicator{Type: Address, Value: "192.0.2.1", Port: 443, Line: 5},
		Indicator{Type: Address, Value: "192.0.2.2", Port: 443},
		Indicator{Type: Network, Value: "198.51.100.0/24"},
		Indicator{Type: Network, Value: "198.51.100.128/25", Port: 80},
		Indicator{Type: Address, Value: "198.51.100.129", Port: 25},
		Indicator{Type: Network, Value: "2001:db8::/32"},
		Indicator{Type: Network, Value: "2001:db8:1::/48"},
		Indicator{Type: Network, Value: "2a00::/12"},
		Indicator{Type: Address, Value: "2001:db8:1::1"},
	)
	for _, test := range []struct{ addr, want string }{
		{"192.0.2.1:80", "192.0.2.1 0"},
		{"192.0.2.1:443", "192.0.2.1 443"},
		{"[::ffff:192.0.2.1]:443", "192.0.2.1 443"},
		{"192.0.2.2:80", ""},
		{"192.0.2.2:443", "192.0.2.2 443"},
		{"192.0.2.3:443", ""},
		{"198.51.100.1:80", "198.51.100.0/24 0"},
		{"198.51.100.129:80", "198.51.100.128/25 80"},
		{"198.51.100.129:81", "198.51.100.0/24 0"},
		{"198.51.100.129:25", "198.51.100.129 25"},
		{"198.51.101.1:80", ""},
		{"[2001:db8::1]:1", "2001:db8::/32 0"},
		{"[2001:db8:1::2]:1", "2001:db8:1::/48 0"},
		{"[2001:db8:1::1]:1", "2001:db8:1::1 0"},
		{"[2001:db8:1::1%eth0]:1", "2001:db8:1::1 0"},
		{"[2001:db8:1::2%eth0]:1", "2001:db8:1::/48 0"},
		{"[2a0f:1::1]:1", "2a00::/12 0"},
		{"[2a10:1::1]:1", ""},
		{"[2001:db9::1]:1", ""},
	} {
		m, ok := s.Address(netip.MustParseAddrPort(test.addr), 0)
		got := ""
		if ok {
			i := s.Indicator(m)
			got = fmt.Sprint(i.Value, " ", i.Port)
			if m.Type() != i.Type {
				t.Errorf("%s: the match is of type %v, the indicator %v", test.addr, m.Type(), i.Type)
			}
		}
		if got != test.want {
			t.Errorf("Address(%s) = %q, want %q", test.addr, got, test.want)
		}
	}
}

func TestPrefixes(t *testing.T) {
	s := build(
		t,
		Indicator{Value: "192.0.2.7", Type: Address}, Indicator{Value: "192.0.2.8", Type: Address, Port: 80}, Indicator{Value: "2001:db8::1", Type: Address},
		Indicator{Value: "198.51.100.0/24", Type: Network}, Indicator{Value: "2001:db8:1::/48", Type: Network}, Indicator{Value: "evil.example"},
	)
	var got []string
	for p := range s.Prefixes() {
		got = append(got, p.String())
	}
	slices.Sort(got)
	want := []string{"192.0.2.7/32", "192.0.2.8/32", "198.51.100.0/24", "2001:db8:1::/48", "2001:db8::1/128"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for range (*Set)(nil).Prefixes() {
		t.Error("nil has one")
	}
}

func TestActive(t *testing.T) {
	end := time.Date(2017, 5, 12, 8, 0, 0, 0, time.UTC)
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	s := build(t, Indicator{Value: "a.example", Expires: end}, Indicator{Value: "b.example"}, Indicator{Value: "c.example", Expires: far})
	for _, test := range []struct {
		name string
		at   time.Time
		want bool
	}{
		{"a.example", end.Add(-1), true},
		{"a.example", end, true},
		{"a.example", end.Add(1), false},
		{"a.example", end.Add(time.Hour), false},
		{"b.example", far.AddDate(-7800, 0, 0), true},
		{"c.example", end, true},
	} {
		m, _ := s.Name([]byte(test.name), 0)
		i := s.Indicator(m)
		if _, ok := s.Name([]byte(test.name), test.at.UnixNano()); ok != test.want || active(&i, test.at) != test.want {
			t.Errorf("%s at %v: not %v", test.name, test.at, test.want)
		}
	}
}

// TestFilter keeps the filters from being too full to be of use.
func TestFilter(t *testing.T) {
	s, _ := bigSet(t, 30000, 30000)
	for name, f := range map[string]*filter{"names": &s.names.below, "addresses": &s.v4.known} {
		set := 0
		for _, w := range f.words {
			set += bits.OnesCount64(w)
		}
		if share := float64(set) / float64(64*len(f.words)); share < .05 || share > .2 {
			t.Errorf("%s: a share of %.2f of the filter is set", name, share)
		}
	}
}

// TestMemory holds the figure that Builder promises.
func TestMemory(t *testing.T) {
	s, heap := bigSet(t, 200000, 0)
	length := 0
	s.names.arena.each(func(_ ref, name []byte) { length += len(name) })
	n := float64(s.Counts().Names)
	perName, over := float64(heap)/n, float64(heap)/n-float64(length)/n
	t.Logf("%.1f bytes a name of %.1f bytes", perName, float64(length)/n)
	if over > 16 {
		t.Errorf("a name costs %.1f bytes beside its length", over)
	}
	if got := float64(s.Counts().Bytes); got < .9*float64(heap) || got > 1.1*float64(heap) {
		t.Errorf("Counts says %.0f bytes, the heap %d", got, heap)
	}
}

func TestLookupsAllocateNothing(t *testing.T) {
	s := build(
		t,
		Indicator{Value: "evil.example"}, Indicator{Value: "kill.example", Class: KillSwitch},
		Indicator{Value: "www.evil.example", Expires: time.Unix(0, 0)}, Indicator{Value: "evil.example", Class: Sinkhole, Expires: time.Unix(0, 0)},
		Indicator{Type: Address, Value: "192.0.2.1"}, Indicator{Type: Address, Value: "2001:db8::1"},
		Indicator{Type: Network, Value: "198.51.100.0/24"}, Indicator{Type: Network, Value: "2001:db8:5::/48"},
	)
	names := [][]byte{[]byte("www.evil.example"), []byte("clean.test"), []byte("kill.example.corp.test")}
	var addrs []netip.AddrPort
	for _, a := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "198.51.100.1", "2001:db8:5::1", "::ffff:192.0.2.1"} {
		addrs = append(addrs, netip.AddrPortFrom(netip.MustParseAddr(a), 80))
	}
	found := 0
	if n := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			if _, ok := s.Name(name, 1e9); ok {
				found++
			}
		}
		for _, a := range addrs {
			if _, ok := s.Address(a, 1e9); ok {
				found++
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if found != 101*7 {
		t.Errorf("%d matches", found)
	}
}

func TestSetOfManyGoroutines(t *testing.T) {
	s, _ := bigSet(t, 1000, 1000)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range s.v4.entries {
				if _, ok := s.Address(netip.AddrPortFrom(addrOf4(s.v4.entries[i].addr), 1), 0); !ok {
					t.Error("an address is lost")
				}
			}
			s.names.arena.each(func(_ ref, name []byte) {
				if _, ok := s.Name(name, 0); !ok {
					t.Error("a name is lost")
				}
			})
		})
	}
	group.Wait()
}

func TestWords(t *testing.T) {
	var got []string
	for i := range uint8(6) {
		got = append(got, Type(i).String(), Class(i).String(), Confidence(i).String())
	}
	want := strings.Split("domain,malicious,Not Specified,address,kill-switch,None,network,sinkhole,Low,"+
		"invalid,anonymizer,Medium,invalid,invalid,High,invalid,invalid,invalid", ",")
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestExpiredIsNotThere looks up what has a wider indicator behind one that is
// more specific and holds until second 100.
func TestExpiredIsNotThere(t *testing.T) {
	end := time.Unix(100, 0)
	s := build(
		t,
		Indicator{Type: Address, Value: "192.0.2.1", Port: 443, Expires: end}, Indicator{Type: Address, Value: "192.0.2.1"},
		Indicator{Type: Address, Value: "198.51.100.1", Expires: end}, Indicator{Type: Network, Value: "198.51.100.0/24"},
		Indicator{Type: Network, Value: "198.51.100.128/25", Port: 443, Expires: end}, Indicator{Type: Network, Value: "198.51.100.128/26", Expires: end},
		Indicator{Type: Address, Value: "2001:db8::1", Expires: end}, Indicator{Type: Network, Value: "2001:db8::/48"},
		Indicator{Type: Address, Value: "203.0.113.9", Expires: end},
		Indicator{Value: "www.evil.example", Expires: end}, Indicator{Value: "evil.example"}, Indicator{Value: "gone.example", Expires: end},
		Indicator{Value: "long.kill.example", Class: KillSwitch, Expires: end}, Indicator{Value: "kill.example", Class: KillSwitch},
		Indicator{Value: "old.kill.test", Class: KillSwitch, Expires: end}, Indicator{Value: "kill.test"},
		Indicator{Value: "both.example", Class: KillSwitch, Expires: end, Line: 1}, Indicator{Value: "both.example", Line: 2},
	)
	for _, test := range []struct{ asked, before, after string }{
		{"192.0.2.1:443", "192.0.2.1:443 malicious", "192.0.2.1:0 malicious"},
		{"198.51.100.1:80", "198.51.100.1:0 malicious", "198.51.100.0/24:0 malicious"},
		{"198.51.100.130:443", "198.51.100.128/26:0 malicious", "198.51.100.0/24:0 malicious"},
		{"198.51.100.200:443", "198.51.100.128/25:443 malicious", "198.51.100.0/24:0 malicious"},
		{"[2001:db8::1]:80", "2001:db8::1:0 malicious", "2001:db8::/48:0 malicious"},
		{"203.0.113.9:80", "203.0.113.9:0 malicious", ""},
		{"x.www.evil.example", "www.evil.example:0 malicious", "evil.example:0 malicious"},
		{"gone.example", "gone.example:0 malicious", ""},
		{"long.kill.example", "long.kill.example:0 kill-switch", "kill.example:0 kill-switch"},
		{"old.kill.test", "old.kill.test:0 kill-switch", "kill.test:0 malicious"},
		{"old.kill.test.corp", "old.kill.test:0 kill-switch", ""},
		{"both.example", "both.example:0 kill-switch", "both.example:0 malicious"},
		{"both.example.corp", "both.example:0 kill-switch", ""},
	} {
		for second, want := range map[int64]string{100: test.before, 101: test.after} {
			at := second * int64(time.Second)
			m, ok := s.Name([]byte(test.asked), at)
			if ap, err := netip.ParseAddrPort(test.asked); err == nil {
				m, ok = s.Address(ap, at)
			}
			got := ""
			if ok {
				i := s.Indicator(m)
				got = fmt.Sprintf("%s:%d %v", i.Value, i.Port, m.Class())
				if found, _ := s.Find(i, at); found != m {
					t.Errorf("%s at %d: %v is found as %v", test.asked, second, m, found)
				}
			}
			if got != want {
				t.Errorf("%s at %d: %q, want %q", test.asked, second, got, want)
			}
		}
	}
}
