package contact

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/ioc"
)

// renewed makes a set, in which what numbers the indicators is another than in
// the bench's.
func renewed(t *testing.T, indicators ...ioc.Indicator) *ioc.Set {
	t.Helper()
	b := ioc.NewBuilder()
	for n := range 100 {
		indicators = append([]ioc.Indicator{{Type: ioc.Address, Value: netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}).String()}}, indicators...)
	}
	for _, i := range indicators {
		if err := b.Add(i); err != nil {
			t.Fatal(err)
		}
	}
	return b.Build()
}

func (r *recorder) lines() string {
	var all []string
	for _, a := range r.alerts {
		all = append(all, fmt.Sprintf("%d %s", a.Seq, line(a)))
	}
	return strings.Join(all, "\n")
}

// TestRenewKeepsWhatIsOpen renews the indicators in the middle of contacts:
// one goes on under the same alert, with all it counted; one whose indicator
// is withdrawn, and one whose indicator expires, end and are not told again.
func TestRenewKeepsWhatIsOpen(t *testing.T) {
	gone, stale := ap("203.0.113.70:443"), ap("203.0.113.71:443")
	b := newBench(
		t, Config{},
		ioc.Indicator{Type: ioc.Address, Value: gone.Addr().String()},
		ioc.Indicator{Type: ioc.Address, Value: stale.Addr().String()},
	)
	b.tcp(us, bad, syn, 100, 0)
	b.tcp(us, gone, syn, 100, 0)
	b.tcp(us, stale, syn, 100, 0)
	b.tcp(bad, us, synAck, 500, 0)

	b.SetIndicators(renewed(
		t,
		ioc.Indicator{Type: ioc.Address, Value: stale.Addr().String(), Expires: time.Unix(900, 0)},
		ioc.Indicator{Type: ioc.Address, Value: bad.Addr().String()},
		ioc.Indicator{Type: ioc.Address, Value: "198.51.100.200"},
	), b.now)
	b.tcp(us, bad, ack, 101, 70)
	b.tcp(us, gone, ack, 101, 70)
	b.tcp(us, stale, ack, 101, 70)
	b.tcp(us, ap("198.51.100.200:80"), syn, 1, 0)
	b.Close(b.now)

	want := strings.TrimSpace(`
0 start 10.0.0.9 attempted by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 0/0
0 start 10.0.0.9 attempted by host n=1 sev=50 10.0.0.9:40000>203.0.113.70:443 0/0
0 start 10.0.0.9 attempted by host n=1 sev=50 10.0.0.9:40000>203.0.113.71:443 0/0
1 end 10.0.0.9 attempted by host n=1 sev=50 10.0.0.9:40000>203.0.113.70:443 0/0
1 end 10.0.0.9 attempted by host n=1 sev=50 10.0.0.9:40000>203.0.113.71:443 0/0
1 update 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 70/0
0 start 10.0.0.9 attempted by host n=1 sev=50 10.0.0.9:40000>198.51.100.200:80 0/0
2 end 10.0.0.9 established by host n=1 sev=75 10.0.0.9:40000>203.0.113.66:443 70/0
1 end 10.0.0.9 attempted by host n=1 sev=50 10.0.0.9:40000>198.51.100.200:80 0/0`)
	if got := b.lines(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	ids := map[string]int{}
	for _, a := range b.alerts {
		ids[a.ID]++
	}
	if len(ids) != 4 {
		t.Errorf("%d alerts, not 4: %v", len(ids), ids)
	}
}

// TestRenewedSweepGoesOn renews the indicators while an address tries hosts.
func TestRenewedSweepGoesOn(t *testing.T) {
	b := newBench(t, Config{SweepAfter: 3})
	try := func(n byte) {
		b.tcp(bad, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, n}), 445), syn, 1, 0)
	}
	for n := range byte(6) {
		try(n)
	}
	b.SetIndicators(renewed(t, ioc.Indicator{Type: ioc.Address, Value: bad.Addr().String()}), b.now)
	for n := range byte(9) {
		try(n) // the first six again
	}
	b.Close(b.now)
	last := b.alerts[len(b.alerts)-1]
	if last.Name != alert.NameInboundSweep || last.Phase != alert.PhaseEnd || last.Evidence.Contact.Hosts != 9 {
		t.Errorf("the sweep ends as %+v of %d hosts", last, last.Evidence.Contact.Hosts)
	}
	sweeps := slices.DeleteFunc(slices.Clone(b.alerts), func(a alert.Alert) bool {
		return a.Name != alert.NameInboundSweep || a.Phase != alert.PhaseStart
	})
	if len(sweeps) != 1 {
		t.Errorf("%d alerts about one sweep", len(sweeps))
	}
}

// TestRenewChangesWhatIsWanted begins with no addresses to look for.
func TestRenewChangesWhatIsWanted(t *testing.T) {
	var r recorder
	d := New(&r, nil, nil, Config{})
	engine := detect.NewEngine(d)
	if d.Wants().Kinds != 0 {
		t.Fatal("packets are wanted without indicators")
	}
	p := newBench(t, Config{}).tcp(us, bad, syn, 1, 0)
	engine.Packet(p)
	d.SetIndicators(renewed(t, ioc.Indicator{Type: ioc.Address, Value: bad.Addr().String()}), engine.Now())
	engine.Refresh()
	engine.Packet(p)
	if len(r.alerts) != 1 {
		t.Errorf("%d alerts after addresses came", len(r.alerts))
	}
}
