package scan

import (
	"fmt"
	"testing"
	"time"
)

// TestIPv6LeadsNowhere shows that no client is called a scanner that tries its
// servers over IPv6 first, and hears nothing, or from a router that there is no
// way, where none of the other clients gets there either. Over IPv4 it gets
// through.
func TestIPv6LeadsNowhere(t *testing.T) {
	for _, unreachable := range []bool{false, true} {
		t.Run(fmt.Sprintf("a router says so: %v", unreachable), func(t *testing.T) {
			b := newBed(t, Config{})
			b.whole()
			b.try(ad("fd00:1::9"), ad("fd00:1::53"), 443, answered) // among themselves they have IPv6
			const clients, servers = 150, 60                        // more than an outage of servers has
			for i := range clients {
				for n := range 8 {
					src, dst := nth("fd00:1::100", i), nth("fd00:2::10", (i*7+n*11)%servers)
					b.syn(src, dst, 445)
					if unreachable {
						b.unreachable(ad("fd00:1::1"), src, dst, 445, 0)
					}
					b.try(nth("10.1.1.1", i), nth("10.2.0.1", (i*7+n*11)%servers), 445, answered)
					b.wait(2 * time.Second)
				}
			}
			b.engine.Close()
			b.none()
		})
	}
}

// TestIPv6LeadsOut shows that failures outside are those of a scanner when IPv6 leads
// out of its network, and else the network's.
func TestIPv6LeadsOut(t *testing.T) {
	sweep := func(b *bed) {
		for i := range 8 {
			b.try(ad("fd00:1::66"), nth("2001:db8:0:1::1", i*1<<20), 22, silent)
			b.wait(10 * time.Second)
		}
	}
	for _, s := range []scenario{
		{name: "no", run: func(b *bed) {
			b.try(ad("fd00:1::9"), ad("fd00:1::53"), 443, answered)
			sweep(b)
		}},
		{name: "yes", run: func(b *bed) {
			b.try(ad("fd00:1::9"), ad("2001:db8:9::1"), 443, answered)
			sweep(b)
		}, want: []string{"sequential fd00:1::66 22"}},
	} {
		s.test(t)
	}
}

// TestIPv6LeadsThere shows that those are scanners that try dead addresses of a
// network that is known to be there: because a host of it was answered, or refused
// somebody, or its router says which are missing.
func TestIPv6LeadsThere(t *testing.T) {
	scan := func(b *bed) {
		b.sweep("fd00:1::66", "fd00:2::1", 8, 445, 10*time.Second, always(silent))
		b.wait(time.Minute)
	}
	for _, s := range []scenario{
		{name: "not known", run: scan},
		{name: "answered", run: func(b *bed) {
			b.try(ad("fd00:2::1:9"), ad("fd00:3::1"), 443, answered)
			scan(b)
		}, want: []string{"sequential fd00:1::66 445"}},
		{name: "answers", run: func(b *bed) {
			b.try(ad("fd00:3::9"), ad("fd00:2::1:1"), 443, answered)
			scan(b)
		}, want: []string{"sequential fd00:1::66 445"}},
		{name: "refused", run: func(b *bed) {
			b.try(ad("fd00:3::9"), ad("fd00:2::1:1"), 443, refused)
			scan(b)
		}, want: []string{"sequential fd00:1::66 445"}},
		{name: "missing", run: func(b *bed) {
			b.syn(ad("fd00:3::9"), ad("fd00:2::1:1"), 443)
			b.unreachable(ad("fd00:2::ffff:1"), ad("fd00:3::9"), ad("fd00:2::1:1"), 443, codeNeighbour)
			scan(b)
		}, want: []string{"sequential fd00:1::66 445"}},
	} {
		s.test(t)
	}
}
