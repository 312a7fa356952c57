package scan

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"wormscope/detect/alert"
)

// TestOutage shows that hardly any client is called a scanner when a network of
// file servers is off that all of them look for.
func TestOutage(t *testing.T) {
	for _, o := range []outcome{silent, unreached} {
		b := newBed(t, Config{})
		b.whole()
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 300 {
			for _, share := range r.Perm(14)[:3+i%8] {
				b.syn(client(i), nth("10.1.0.10", share), 445)
				if o == unreached {
					b.unreachable(ad("10.4.0.254"), client(i), nth("10.1.0.10", share), 445, 1)
				}
				b.wait(time.Second)
			}
		}
		b.engine.Close()
		if n := len(b.rec.starts()); n > 6 {
			t.Errorf("%d of 300 clients are called scanners: %q", n, summaries(b.rec.starts()))
		}
	}
}

// TestOutbreakInOneNetwork shows that all hosts of an outbreak are found that
// look for others in the same network, at random or in the same order, while
// its file servers are off.
func TestOutbreakInOneNetwork(t *testing.T) {
	const worms = 200
	for _, c := range []struct {
		name  string
		order func(r *rand.Rand) []int
	}{
		{"at random", func(r *rand.Rand) []int { return r.Perm(250) }},
		{"in order", func(*rand.Rand) []int {
			hosts := make([]int, 250)
			for i := range hosts {
				hosts[i] = i
			}
			return hosts
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, Config{})
			b.whole()
			for i := range 60 { // clients of the file servers
				b.syn(client(i), nth("10.1.0.1", 100+i%4), 3389)
				b.wait(time.Second)
			}
			r := rand.New(rand.NewPCG(3, 4))
			orders := make([][]int, worms)
			for i := range orders {
				orders[i] = c.order(r)
			}
			for n := range 42 {
				for i := range worms {
					b.syn(nth("10.3.0.1", i), nth("10.1.0.1", orders[i][n]), 3389)
				}
				b.wait(time.Minute)
			}
			b.engine.Close()
			found := map[netip.Addr]bool{}
			for _, a := range b.rec.starts() {
				if a.Evidence.Scan != nil && a.Evidence.Scan.Sources == 0 {
					found[a.Host] = true
				}
			}
			if len(found) != worms {
				t.Errorf("%d hosts are found, want %d", len(found), worms)
			}
		})
	}
}

// TestOutageEnds shows that what is known of an address fades, and ends when it
// answers.
func TestOutageEnds(t *testing.T) {
	var o outage
	fail := func(last uint8, times int) {
		for range times {
			o.fail(last)
		}
	}
	check := func(when string, last uint8, want bool) {
		t.Helper()
		if o.has(last) != want {
			t.Errorf("%s: down: %v, want %v", when, !want, want)
		}
	}
	fail(1, sharedBy-1)
	check("too few failed", 1, false)
	fail(1, 1000)
	check("many failed", 1, true)
	o.end(1)
	check("it answers", 1, false)
	fail(2, 4*sharedBy)
	o.fade(2)
	check("two hours later", 2, true)
	o.fade(1)
	check("three hours later", 2, false)
	for last := range uint8(sharedMost + 1) {
		fail(last, sharedBy)
	}
	check("so many addresses are down that it is no outage", 2, false)
}

// TestOutageForTheWorld shows that no mail server outside is called a scanner when the
// four of an institution are off that it knows. Where the ports have answered hosts inside only,
// whoever fails there from outside is one.
func TestOutageForTheWorld(t *testing.T) {
	const before, after = 60, 60
	for _, public := range []bool{true, false} {
		b := newBed(t, Config{})
		b.whole()
		for i := range before {
			src := nth("93.10.0.1", i*997)
			if !public {
				src = client(i)
			}
			b.try(src, nth("10.9.0.20", i%4), 25, answered)
			b.wait(time.Second)
		}
		for i := range after {
			for mx := range 4 {
				b.try(nth("93.20.0.1", i*997), nth("10.9.0.20", mx), 25, silent)
				b.wait(30 * time.Second)
			}
		}
		b.engine.Close()
		if got, none := len(b.rec.starts()), public; (got == 0) != none || got > after {
			t.Errorf("known to the world: %v; %d alerts", public, got)
		}
	}
}

// TestScanOfServersThatAreDown shows that one who goes on to addresses where nobody
// ever was is found all the same.
func TestScanOfServersThatAreDown(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for i := range 4 {
		b.try(nth("93.10.0.1", i*997), nth("10.9.0.20", i), 25, answered)
	}
	b.sweep("93.20.0.1", "10.9.0.20", 8, 25, time.Second, always(refused))
	b.engine.Close()
	if a := b.one(); a.Name != alert.NameExternal || a.Evidence.Scan.Attempts > 7 {
		t.Errorf("%s at %d attempts, want external at 7 at the most", summary(&a), a.Evidence.Scan.Attempts)
	}
}
