package scan

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// TestInside shows which attempts of an inside host are a scan, and by which rule.
func TestInside(t *testing.T) {
	for _, s := range []scenario{
		{
			name: "six refusals", run: func(b *bed) { b.sweep(worm, "10.9.0.1", 6, 445, time.Second, always(refused)) },
			want: []string{"sequential 10.1.0.66 445"},
		},
		{name: "five refusals", run: func(b *bed) { b.sweep(worm, "10.9.0.1", 5, 445, time.Second, always(refused)) }},
		{name: "six silent", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 6, 445, 10*time.Second, always(silent))
		}, want: []string{"sequential 10.1.0.66 445"}},
		{name: "six silent, and the capture ends", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 6, 445, time.Second, always(silent))
		}, want: []string{"sequential 10.1.0.66 445"}},
		{name: "the last of six silent has time left when the capture ends", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 6, 445, 400*time.Millisecond, always(silent))
		}},
		{name: "repeats of SYNs are one attempt", run: func(b *bed) {
			for range 3 {
				b.sweep(worm, "10.9.0.1", 5, 445, 100*time.Millisecond, always(silent))
				b.wait(3 * time.Second)
			}
			b.wait(time.Minute)
		}},
		{name: "the same dead hosts each minute", run: func(b *bed) {
			for range 60 {
				b.sweep("10.1.0.5", "10.9.0.1", 5, 445, 10*time.Millisecond, always(silent))
				b.wait(time.Minute)
			}
		}},
		{name: "random addresses outside", run: func(b *bed) {
			b.sweep(worm, "193.0.0.1", 40, 445, 300*time.Millisecond, always(silent))
		}, want: []string{"fan-out 10.1.0.66 445"}},
		{name: "a push to 30 clients in a minute", run: func(b *bed) {
			b.sweep("10.1.0.9", "10.9.0.1", 30, 22, 2*time.Second, always(answered))
		}},
		{name: "a push over SMB, one in 7 s, some off", run: func(b *bed) {
			b.sweep("10.1.0.9", "10.9.0.1", 60, 445, 7*time.Second, every(20, silent))
		}},
		{name: "20 in 10 s", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 20, 3389, 500*time.Millisecond, always(answered))
		}, want: []string{"fan-out 10.1.0.66 3389"}},
		{name: "19 in 10 s", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 19, 3389, 500*time.Millisecond, always(answered))
		}},
		{name: "40 in 60 s", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 40, 3389, 1500*time.Millisecond, always(answered))
		}, want: []string{"fan-out 10.1.0.66 3389"}},
		{name: "80 in 600 s", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 80, 5985, 7500*time.Millisecond, always(answered))
		}, want: []string{"fan-out 10.1.0.66 5985"}},
		{name: "fan-out on a web port", run: func(b *bed) {
			b.sweep("10.1.0.9", "93.0.0.1", 200, 443, 10*time.Millisecond, always(answered))
		}},
		{name: "dead addresses outside on a web port", run: func(b *bed) {
			b.sweep("10.1.0.9", "93.0.0.1", 200, 443, time.Second, always(silent))
			b.wait(time.Minute)
		}},
		{name: "IPv6 that leads nowhere", run: func(b *bed) {
			b.sweep("fd00::9", "2001:db8:1::1", 200, 443, time.Second, always(silent))
			b.wait(time.Minute)
		}},
		{name: "IPv6 inside that is filtered", run: func(b *bed) {
			b.try(ad("fd00::9"), ad("fd00:2::1"), 443, answered)
			b.sweep("fd00::9", "fd00:1::1", 200, 443, time.Second, always(silent))
			b.wait(time.Minute)
		}},
		{name: "dead addresses inside on a web port, IPv6", run: func(b *bed) {
			b.try(ad("fd00::9"), ad("fd00:1::9999"), 22, answered)
			b.sweep("fd00::66", "fd00:1::1", 14, 80, time.Second, always(refused))
		}, want: []string{"sequential fd00::66 80"}},
		{name: "dead addresses inside on a web port", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 14, 80, time.Second, always(refused))
		}, want: []string{"sequential 10.1.0.66 80"}},
		{name: "peers at all ports", run: func(b *bed) {
			for i := range 200 {
				b.try(ad("10.1.0.9"), nth("77.1.0.1", i*7), uint16(2000+i*31), silent)
				b.wait(100 * time.Millisecond)
			}
			b.sweep("10.1.0.9", "77.9.0.1", 100, 30303, 100*time.Millisecond, always(silent))
			b.wait(time.Minute)
		}},
		{name: "12 dead in a day", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 12, 445, 2*time.Hour, always(silent))
		}, want: []string{"slow 10.1.0.66 445"}},
		{name: "slow, half answers", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 20, 445, time.Hour, every(2, silent))
		}, want: []string{"slow 10.1.0.66 445"}},
		{name: "slow, most answer, SMB", run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 20, 445, time.Hour, every(10, silent))
		}, want: []string{"slow 10.1.0.66 445"}},
		{name: "slow, most answer, SSH", run: func(b *bed) {
			b.sweep("10.1.0.9", "10.9.0.1", 20, 22, time.Hour, every(10, silent))
		}},
		{name: "an allowed scanner", cfg: Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.66/32")}}, run: func(b *bed) {
			b.sweep(worm, "10.9.0.1", 200, 445, 10*time.Millisecond, always(refused))
		}},
		{name: "broadcast and multicast", run: func(b *bed) {
			b.sweep(worm, "224.0.0.1", 50, 445, time.Second, always(silent))
			b.sweep(worm, "255.255.255.255", 1, 445, time.Second, always(silent))
			b.wait(time.Minute)
		}},
		{name: "known servers that went down", run: func(b *bed) {
			b.sweep("10.1.0.7", "10.9.0.1", 19, 445, time.Minute, always(answered))
			b.wait(time.Hour)
			b.sweep("10.1.0.8", "10.9.0.1", 19, 445, time.Minute, always(silent))
			b.wait(time.Minute)
		}},
	} {
		s.test(t)
	}
}

// TestOutside shows which attempts of outside hosts are a scan, of one host or of many.
func TestOutside(t *testing.T) {
	const scanner = "198.51.100.7"
	for _, s := range []scenario{
		{
			name: "four refusals", run: func(b *bed) { b.sweep(scanner, "10.9.0.1", 4, 445, time.Second, always(refused)) },
			want: []string{"external 198.51.100.7 445"},
		},
		{
			name: "a sweep that the capture ends with", run: func(b *bed) {
				b.sweep(scanner, "10.9.0.1", 100, 445, 10*time.Millisecond, func(i int) outcome {
					return []outcome{silent, answered, silent, refused, silent}[i%5]
				})
			},
			want: []string{"external 198.51.100.7 445"},
		},
		{name: "ports are pooled", run: func(b *bed) {
			for i, p := range []uint16{22, 445, 3389, 8080} {
				b.try(ad(scanner), nth("10.9.0.1", i), p, refused)
			}
		}, want: []string{"external 198.51.100.7 8080"}},
		{name: "a peer of many, most of them gone", run: func(b *bed) {
			for i := range 60 {
				o := refused
				if i%4 == 0 {
					o = answered
				}
				b.try(ad(scanner), nth("10.9.0.1", i), 10000+uint16(i*797), o)
			}
		}},
		{
			name: "an ordinary port", run: func(b *bed) { b.sweep(scanner, "10.9.0.1", 5, 9999, time.Second, always(refused)) },
			want: []string{"external 198.51.100.7 9999"},
		},
		{name: "two ordinary ports in turn", run: func(b *bed) {
			for i := range 6 {
				b.try(ad(scanner), nth("10.9.0.1", i), 9998+uint16(i%2), refused)
			}
		}, want: []string{"external 198.51.100.7 9999"}},
		{name: "ports of one host are one first contact", run: func(b *bed) {
			for p := range uint16(10) {
				b.try(ad(scanner), ad("10.9.0.1"), 1000+p, refused)
			}
		}},
		{name: "a client of many servers", run: func(b *bed) {
			b.sweep(scanner, "10.9.0.1", 100, 443, time.Second, every(3, refused))
		}},
		{name: "a scanner that changes its address within its /64", run: func(b *bed) {
			for i := range 4 {
				b.try(nth("2001:db8:5:5::1", i*99), nth("fd00::1", i), 445, refused)
			}
		}, want: []string{"external 2001:db8:5:5::12a 445"}},
		{name: "outside to outside is tested by port", run: func(b *bed) {
			b.sweep(scanner, "203.0.113.1", 40, 6881, time.Second, always(refused))
			b.sweep(scanner, "203.0.113.101", 6, 445, time.Second, always(refused))
		}, want: []string{"sequential 198.51.100.7 445"}},
		{name: "many sources, a network, hardly an answer", run: func(b *bed) {
			for i := range 400 {
				b.try(nth("198.18.0.1", i*301), nth("10.9.0.0", i*37%256), 23, refused)
				b.wait(time.Second)
			}
		}, want: []string{"distributed 10.9.0.0 23"}},
		{name: "many sources, a network that answers", run: func(b *bed) {
			for i := range 400 {
				b.try(nth("198.18.0.1", i*301), nth("10.9.0.0", i*37%256), 443, every(2, refused)(i))
				b.wait(time.Second)
			}
		}},
	} {
		s.test(t)
	}
}

// TestOutcomes shows which packets end an attempt, and how.
func TestOutcomes(t *testing.T) {
	dst := ad("10.9.0.1")
	src := ad(worm)
	for _, c := range []struct {
		name string
		run  func(b *bed)
		want outcome
	}{
		{"nothing", func(b *bed) { b.wait(6 * time.Second) }, silent},
		{"SYN-ACK", func(b *bed) { b.synack(src, dst, 445) }, answered},
		{"SYN-ACK to another SYN", func(b *bed) {
			b.send(port(dst, 445), port(src, 40000), packet.SYN|packet.ACK, 5, isn+2)
			b.wait(6 * time.Second)
		}, silent},
		{"SYN-ACK to another port", func(b *bed) {
			b.send(port(dst, 445), port(src, 40001), packet.SYN|packet.ACK, 5, isn+1)
			b.wait(6 * time.Second)
		}, silent},
		{"SYN-ACK at 20 s", func(b *bed) { b.wait(20 * time.Second); b.synack(src, dst, 445) }, answered},
		{"SYN-ACK to a second connection", func(b *bed) {
			b.send(port(src, 41000), port(dst, 445), packet.SYN, 7, 0)
			b.send(port(dst, 445), port(src, 41000), packet.SYN|packet.ACK, 5, 8)
		}, answered},
		{"RST", func(b *bed) { b.rst(src, dst, 445) }, refused},
		{"RST after SYN-ACK", func(b *bed) { b.synack(src, dst, 445); b.rst(src, dst, 445) }, answered},
		{"RST at 10 s", func(b *bed) { b.wait(10 * time.Second); b.rst(src, dst, 445) }, refused},
		{"RST to another SYN", func(b *bed) {
			b.send(port(dst, 445), port(src, 40000), packet.RST|packet.ACK, 0, isn+9)
			b.wait(6 * time.Second)
		}, silent},
		{"unreachable", func(b *bed) { b.unreachable(ad("10.0.0.1"), src, dst, 445, 1) }, unreached},
		{"unreachable at 10 s", func(b *bed) { b.wait(10 * time.Second); b.unreachable(ad("10.0.0.1"), src, dst, 445, 1) }, unreached},
		{"unreachable, says the host itself", func(b *bed) { b.unreachable(dst, src, dst, 445, 3) }, refused},
		{"unreachable, too big", func(b *bed) {
			b.unreachable(ad("10.0.0.1"), src, dst, 445, 4)
			b.wait(6 * time.Second)
		}, silent},
		{"unreachable, of another SYN", func(b *bed) {
			b.unreachableSYN(ad("10.0.0.1"), src, dst, 445, 1, isn+9)
			b.wait(6 * time.Second)
		}, silent},
		{"unreachable, another port", func(b *bed) {
			b.unreachable(ad("10.0.0.1"), src, dst, 446, 1)
			b.wait(6 * time.Second)
		}, silent},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, Config{})
			b.whole()
			b.syn(src, dst, 445)
			c.run(b)
			at := ip.From(src)
			a := b.d.attempts.find(pairHash(at.Hash(), ip.From(dst).Hash(), 445), at, ip.From(dst), 445)
			if a == nil || a.state != c.want {
				t.Fatalf("attempt %+v, want outcome %d", a, c.want)
			}
		})
	}
	t.Run("IPv6 unreachable", func(t *testing.T) {
		b := newBed(t, Config{})
		for i := range 6 {
			b.syn(ad("fd00::66"), nth("fd00:9::1", i), 445)
			b.unreachable(ad("fd00::1"), ad("fd00::66"), nth("fd00:9::1", i), 445, 3)
		}
		if a := b.one(); a.Evidence.Scan.Refused != 6 {
			t.Errorf("%s, want 6 refused", summary(&a))
		}
	})
}

func TestLife(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	b.sweep(worm, "10.9.0.1", 250, 445, 100*time.Millisecond, every(5, answered))
	b.sweep(worm, "10.9.0.1", 250, 445, 100*time.Millisecond, always(refused)) // again: nothing new
	b.wait(time.Hour)
	var lines []string
	for _, a := range b.rec.alerts {
		lines = append(lines, fmt.Sprintf("%d %s %d %d", a.Seq, a.Phase, a.Evidence.Scan.Targets, a.Evidence.Scan.Answered))
		if a.ID != b.rec.alerts[0].ID {
			t.Errorf("id %s, want %s", a.ID, b.rec.alerts[0].ID)
		}
	}
	end := b.rec.alerts[len(b.rec.alerts)-1]
	if end.Phase != alert.PhaseEnd || end.Evidence.Scan.Targets != 250 {
		t.Errorf("words of the alert: %s", strings.Join(lines, ", "))
	}
	if want := "0 start 20 19, 1 update 100 99, 2 end 250 250"; strings.Join(lines, ", ") != want {
		t.Errorf("%d words of one alert: %s", len(lines), strings.Join(lines, ", "))
	}
	if got := end.Time.Sub(begin); got > 11*time.Minute {
		t.Errorf("closed after %v", got)
	}
}

func TestTargeted(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	b.sweep(worm, "10.9.0.1", 30, 445, time.Second, every(3, refused))
	b.sweep(worm, "193.0.0.1", 30, 445, time.Second, always(refused))
	targeted, refusals := map[netip.Addr]int{}, map[netip.Addr]bool{}
	for _, f := range b.rec.facts {
		if f.Kind != alert.FactTargeted || f.Peer != ad(worm) || f.Port != 445 {
			t.Errorf("fact %+v", f)
		}
		targeted[f.Host]++
		if f.Detail == alert.Refused {
			refusals[f.Host] = true
		}
	}
	if len(b.rec.starts()) == 0 {
		t.Fatal("no alert")
	}
	for i := range 30 {
		if n := targeted[nth("10.9.0.1", i)]; n != 1 {
			t.Errorf("%v was called targeted %d times, want once", nth("10.9.0.1", i), n)
		}
		if got, want := refusals[nth("10.9.0.1", i)], every(3, refused)(i) == refused; got != want {
			t.Errorf("%v is said to have refused: %v, want %v", nth("10.9.0.1", i), got, want)
		}
	}
	if len(targeted) != 30 {
		t.Errorf("%d hosts are targeted, want the 30 inside", len(targeted))
	}
}

// TestLateralIsTold: an alert says whether its port is a lateral one, as
// configured.
func TestLateralIsTold(t *testing.T) {
	for _, tt := range []struct {
		ports   []uint16
		scanned uint16
		want    bool
	}{{nil, 3389, true}, {nil, 7001, false}, {[]uint16{7001}, 7001, true}, {[]uint16{7001}, 3389, false}} {
		b := newBed(t, Config{LateralPorts: tt.ports, WatchedPorts: []uint16{3389, 7001}})
		b.whole()
		b.sweep(worm, "10.9.0.1", 60, tt.scanned, time.Second, always(refused))
		if got := b.one().Evidence.Scan.Lateral; got != tt.want {
			t.Errorf("port %d where %v are lateral: %v, want %v", tt.scanned, tt.ports, got, tt.want)
		}
	}
}

func TestManagementServer(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for range 5 { // a push to 400 clients every eight days, so that all are new again
		b.sweep("10.1.0.9", "10.9.0.1", 400, 22, 100*time.Millisecond, every(10, silent))
		b.wait(8 * 24 * time.Hour)
	}
	b.engine.Close()
	b.one()
}

// TestBegins shows that an alert begins with the scan, and not with what the
// host did in the morning.
func TestBegins(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	b.sweep(worm, "10.9.5.1", 3, 445, time.Minute, always(answered))
	b.wait(10 * time.Minute)
	start := begin.Add(b.now)
	b.sweep(worm, "10.9.0.1", 30, 445, 100*time.Millisecond, every(2, refused))
	b.engine.Close()
	a := b.one()
	if early := start.Sub(a.First); early < 0 || early > 20*time.Millisecond {
		t.Errorf("the scan began at %v, the alert says %v", start, a.First)
	}
	if s := a.Evidence.Scan; s.Targets != s.Attempts || s.Sample[0] != ad("10.9.0.1") || s.Answered+s.Refused+1 != s.Targets {
		t.Errorf("at the alarm %s, sample %v; want all but one settled, from the first target on", summary(&a), s.Sample)
	}
	end := b.rec.alerts[len(b.rec.alerts)-1]
	if s := end.Evidence.Scan; s.Targets != 30 || s.Answered != 15 || s.Refused != 15 {
		t.Errorf("at the end %s, want 30 targets, 15 answered, 15 refused", summary(&end))
	}
}
