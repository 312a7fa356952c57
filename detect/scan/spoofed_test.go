package scan

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
)

const victim = "10.9.9.9"

// client returns one of the hosts of an office.
func client(i int) netip.Addr { return nth("10.4.0.1", i) }

// crowd lets n hosts try the victim.
func (b *bed) crowd(n int, gap time.Duration, from func(i int) netip.Addr, p uint16, o outcome) {
	for i := range n {
		b.try(from(i), ad(victim), p, o)
		b.wait(gap)
	}
	b.wait(time.Minute)
}

// scattered returns addresses of a network, drawn at random.
func scattered(network string, bits int) func(int) netip.Addr {
	r := rand.New(rand.NewPCG(5, 6))
	return func(int) netip.Addr { return nth(network, r.IntN(1<<bits)) }
}

// handshakes lets a flood come in which the victim answers: every rst'th source
// refuses the answer, and to the others it is said again.
func (b *bed) handshakes(n int, from func(int) netip.Addr, rst int, again bool) {
	const later = 60
	var sources []netip.Addr
	for i := range n {
		src := from(i)
		sources = append(sources, src)
		b.syn(src, ad(victim), 445)
		b.synack(src, ad(victim), 445)
		if rst > 0 && i%rst == 0 {
			b.send(port(src, 40000), port(ad(victim), 445), packet.RST, isn+1, 0)
		}
		if again && i >= later {
			b.synack(sources[i-later], ad(victim), 445)
		}
		b.wait(20 * time.Millisecond)
	}
}

// TestCrowd shows that hosts that are there are no flood, though none of them
// completes its handshake as far as the tap shows.
func TestCrowd(t *testing.T) {
	atWork := func(b *bed) {
		for i := range 400 {
			b.try(client(i), ad("10.9.0.1"), 389, answered)
			b.wait(time.Second)
		}
	}
	for _, s := range []scenario{
		{name: "a server goes down", run: func(b *bed) {
			atWork(b)
			b.crowd(400, 50*time.Millisecond, client, 445, silent)
		}},
		{name: "a printer was taken away", run: func(b *bed) {
			atWork(b)
			b.crowd(400, 50*time.Millisecond, client, 9100, refused)
		}},
		{name: "a server is down from the beginning", run: func(b *bed) {
			for i := range 500 {
				b.syn(client(i), ad(victim), 445)
				if i > 10 {
					b.try(client(i-10), ad("10.9.0.1"), 389, answered)
				}
				b.wait(30 * time.Millisecond)
			}
		}},
		{name: "the power is back, and the domain controller is not", run: func(b *bed) {
			const rate = 30 // a second
			for i := range 700 {
				for _, seconds := range []int{0, 3, 9} { // as Windows repeats SYNs
					if i >= seconds*rate {
						b.syn(client(i-seconds*rate), ad(victim), 88)
					}
				}
				b.wait(time.Second / rate)
			}
		}},
		{name: "answers that take long to arrive", run: func(b *bed) {
			const late = 300 // of 2 ms
			for i := range 1500 {
				b.syn(nth("198.18.0.1", i), ad(victim), 80)
				if i >= late {
					b.synack(nth("198.18.0.1", i-late), ad(victim), 80)
				}
				if i >= 2*late {
					b.ack(nth("198.18.0.1", i-2*late), ad(victim), 80)
				}
				b.wait(2 * time.Millisecond)
			}
		}},
	} {
		s.test(t)
	}
}

// TestCrowdHalfSeen shows the same where no more is to be seen of a connection
// than that it was answered.
func TestCrowdHalfSeen(t *testing.T) {
	for name, run := range map[string]func(b *bed){
		"SYN and SYN-ACK": func(b *bed) {
			for i := range 500 {
				b.try(client(i), ad(victim), 445, silent)
				b.synack(client(i), ad(victim), 445)
				b.wait(50 * time.Millisecond)
			}
		},
		"SYN-ACK": func(b *bed) {
			for i := range 800 {
				b.synack(client(i), ad(victim), 445)
				b.wait(20 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, Config{})
			run(b)
			b.engine.Close()
			b.none()
		})
	}
}

// TestSpoofed shows that a flood is found whatever becomes of its packets, from
// inside, too, in an office where all hosts are known.
func TestSpoofed(t *testing.T) {
	const gap = 20 * time.Millisecond
	inside, outside := scattered("10.16.0.0", 20), scattered("198.18.0.0", 16)
	for name, run := range map[string]func(b *bed){
		"nothing answers, from outside": func(b *bed) { b.crowd(300, gap, outside, 445, silent) },
		"nothing answers, from inside":  func(b *bed) { b.crowd(300, gap, inside, 445, silent) },
		"refused, from inside":          func(b *bed) { b.crowd(300, gap, inside, 9100, refused) },
		"answered, from inside":         func(b *bed) { b.handshakes(300, inside, 0, false) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, Config{})
			b.whole()
			for i := range 400 {
				b.try(client(i), ad("10.9.0.1"), 389, answered)
			}
			run(b)
			b.floods()
		})
	}
}

// TestSpoofedHalfSeen shows the same where no more is to be seen of connections
// than how they begin: what is answered there may go on, but not when the
// answers are refused or said again, or come in such numbers.
func TestSpoofedHalfSeen(t *testing.T) {
	outside := scattered("198.18.0.0", 16)
	for name, run := range map[string]func(b *bed){
		"answers are refused":    func(b *bed) { b.handshakes(600, outside, 3, false) },
		"answers are said again": func(b *bed) { b.handshakes(600, outside, 0, true) },
		"very many": func(b *bed) {
			for i := range 1000 {
				src := outside(i)
				b.syn(src, ad(victim), 445)
				b.synack(src, ad(victim), 445)
				b.wait(time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, Config{})
			run(b)
			b.floods()
		})
	}
}

// floods asks for one alert, about a flood of the victim.
func (b *bed) floods() {
	b.t.Helper()
	b.engine.Close()
	if a := b.one(); a.Evidence.Flood == nil || a.Host != ad(victim) {
		b.t.Errorf("%s, want a flood", summary(&a))
	}
}

// TestFloodCounts shows that 256 sources are enough, and that neither they nor
// the packets are undercounted where several fall on one bit.
func TestFloodCounts(t *testing.T) {
	for _, n := range []int{270, 2000, 20_000} {
		b := newBed(t, Config{})
		r := rand.New(rand.NewPCG(7, 7))
		for i := range n {
			b.send(port(nth("198.18.0.1", i), uint16(r.IntN(1<<16))), port(ad(victim), 80), packet.SYN, r.Uint32(), 0)
			b.wait(5 * time.Second / 256)
		}
		b.engine.Close()
		last := b.rec.alerts[len(b.rec.alerts)-1].Evidence.Flood
		if slack := uint64(20 + n/50); last.Packets+slack < uint64(n) || last.Packets > uint64(n)+slack ||
			last.Sources+slack < uint64(n) || last.Sources > uint64(n)+slack {
			t.Errorf("%d sources and packets of %d", last.Sources, last.Packets)
		}
	}
}

// TestSlowFlood has a flood begin so slowly that the attempts it began with are no longer
// remembered when it is told.
func TestSlowFlood(t *testing.T) {
	b := newBed(t, Config{})
	stranger := scattered("198.18.0.0", 16)
	for i := range 2000 {
		if i%7 == 0 {
			b.syn(stranger(i), ad(victim), 445)
		}
		b.try(client(i%50), nth("10.5.0.1", i), 389, answered)
		b.wait(15 * time.Millisecond)
	}
	if starts := b.rec.starts(); len(starts) != 1 || starts[0].Rule != alert.RuleFlood {
		t.Errorf("alerts %v", starts)
	}
}
