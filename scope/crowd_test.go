package scope

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/ioc"
)

// asks tells a ledger that hosts ask for n names each.
func asks(l *Ledger, n int, hosts ...netip.Addr) {
	for i := range n {
		name := &ioc.Indicator{Type: ioc.Domain, Value: fmt.Sprintf("%d.example", i)}
		at := time.Unix(int64(i), 0).UTC()
		for _, host := range hosts {
			l.Alert(alert.Alert{
				ID: host.String() + name.Value, Rule: alert.RuleDomain, Host: host, Indicator: name, Count: 1,
				Time: at, First: at, Last: at, Frames: []alert.FrameRef{{Number: uint64(i + 1)}}, Evidence: alert.Evidence{DNS: &alert.DNS{}},
			})
		}
	}
}

// TestCrowd: where very many hosts ask for many names each, as who forges their
// addresses has them do, little is kept of each.
func TestCrowd(t *testing.T) {
	zones, err := zone.New(zone.DefaultInside(), nil)
	if err != nil {
		t.Fatal(err)
	}
	early, late := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	l := New(zones, Options{MaxHosts: 2})
	asks(l, 40, early)
	if n := l.hosts.crowd; n != (crowd{told: maxFacts, briefs: 8}) {
		t.Fatalf("of one host %+v", n)
	}
	l.hosts.crowd.told = maxTold // by others
	asks(l, 40, early, late)
	for host, want := range map[netip.Addr]int{early: maxFacts, late: fewFacts} {
		h := l.hosts.find(host)
		if len(h.facts) != want || h.briefs() != 40-want {
			t.Errorf("%s: %d facts and %d in brief, want %d in all, %d of them whole", host, len(h.facts), h.briefs(), 40, want)
		}
	}
	if h := l.hosts.find(late); h.facts[len(h.facts)-1].first != int64(39*time.Second) {
		t.Error("the latest lookup is not among what is kept")
	}
	l.hosts.limit = 1
	l.hosts.touch(l.hosts.find(late), l.hosts.find(late).level)
	if n := l.hosts.crowd; l.hosts.find(early) != nil || n != (crowd{told: maxTold - maxFacts + fewFacts, briefs: 36}) {
		t.Errorf("when the one that was told of first is dropped: %+v", n)
	}
}
