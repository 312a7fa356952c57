package contact

import (
	"net/netip"
	"slices"
	"testing"

	"wormscope/detect/alert"
)

func TestInboundSweep(t *testing.T) {
	b := newBench(t, Config{})
	target := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 445)
	}
	from := ap("203.0.113.66:5555")
	for i := range 5000 {
		b.now -= second - ms
		b.tcp(from, target(i), syn, 99, 0)
		b.now -= second - ms
		b.tcp(target(i), from, rst, 0, 0)
	}
	b.tcp(target(4000), from, synAck, 499, 0)
	b.tcp(from, target(4000), ack, 100, 7)
	for _, i := range []int{3, 4001, 4001} { // answers, of one of the first, too, after which the address goes away
		b.tcp(target(i), from, synAck, 499, 0)
		b.tcp(from, target(i), rst, 100, 0)
	}
	b.Close(b.now)
	starts, ends := map[string]int{}, map[string]int{}
	for _, a := range b.alerts {
		what := line(a)
		switch {
		case a.Name == alert.NameInboundSweep && a.Phase == alert.PhaseEnd && (a.Evidence.Contact.Hosts != 5000 || a.Evidence.Contact.HostsAnswered != 3 || a.Count != 4980 || a.Host != from.Addr()):
			t.Errorf("sweep: %s", what)
		case a.Phase == alert.PhaseStart:
			starts[a.Name]++
		case a.Phase == alert.PhaseEnd:
			ends[a.Name]++
		}
	}
	// Twenty hosts, the one that let it in, and the sweep.
	if starts[""] != 21 || starts[alert.NameInboundSweep] != 1 || ends[""] != 21 || ends[alert.NameInboundSweep] != 1 || len(b.alerts) > 55 {
		t.Errorf("%d alerts, starts %v, ends %v", len(b.alerts), starts, ends)
	}
	if b.Stats().Swept != 4980 {
		t.Errorf("%d hosts are counted in the sweep, want 4980", b.Stats().Swept)
	}
}

// TestSweepAgain: an address that comes by once more after a while tries as many
// hosts as before, and is one alert again.
func TestSweepAgain(t *testing.T) {
	b := newBench(t, Config{})
	for range 3 {
		for i := range 500 {
			b.now -= second - ms
			b.tcp(bad, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 445), syn, uint32(b.now), 0)
		}
		b.now += 3600 * second
		b.Tick(b.now)
	}
	sweeps := slices.DeleteFunc(slices.Clone(b.alerts), func(a alert.Alert) bool { return a.Name != alert.NameInboundSweep || a.Phase != alert.PhaseEnd })
	if hosts := len(b.alerts) - len(sweeps); len(sweeps) != 3 || hosts > 140 {
		t.Errorf("%d sweeps, %d other words", len(sweeps), hosts)
	}
	for _, a := range sweeps {
		if n := a.Evidence.Contact.Hosts; n != 500 {
			t.Errorf("a sweep of %d hosts", n)
		}
	}
}
