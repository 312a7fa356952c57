package scope

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
)

// TestMarkInALongChain: where one of very many hosts that scan is marked, only those
// that it tried are looked at for whom they follow. What that takes is counted in
// allocations: each look is several.
func TestMarkInALongChain(t *testing.T) {
	zones, err := zone.New(zone.DefaultInside(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const hosts, tries = 500, 5
	host := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}) }
	l := New(zones, Options{})
	for i := range hosts {
		at := time.Unix(int64(1000+10*i), 0)
		for by := max(0, i-tries); by < i; by++ {
			l.Fact(alert.Fact{
				Kind: alert.FactTargeted, Host: host(i), Peer: host(by), Port: 3389,
				Time: at.Add(-time.Second), Frame: alert.FrameRef{Number: uint64(i*tries + by + 1)},
			})
		}
		l.Alert(alert.Alert{
			ID: strconv.Itoa(i), Rule: alert.RuleScan, Name: "fan-out", Host: host(i), First: at, Last: at, Time: at, Count: 60,
			Evidence: alert.Evidence{Scan: &alert.Scan{Port: 3389, Targets: 60, Answered: 60}},
		})
	}
	if n := l.hosts.count[Suspected]; n < hosts-10 {
		t.Fatalf("%d hosts are suspected: the test needs a chain", n)
	}
	mark := []Mark{{Host: host(100), Kind: FalsePositive, Time: time.Unix(1e6, 0)}}
	n := testing.AllocsPerRun(5, func() {
		if len(l.SetMarks(mark, time.Unix(1e6, 0))) != 1 || len(l.SetMarks(nil, time.Unix(1e6, 0))) != 1 {
			t.Error("the mark was not taken, or not taken back")
		}
	})
	if n > hosts/2 {
		t.Errorf("a mark and its end take %.0f allocations, with %d hosts", n, hosts)
	}
}
