package scan

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
)

// connect lets src open a connection to dst that goes on for two segments each
// way and ends. The tap shows the segments of either end that show says.
func (b *bed) connect(src, dst netip.Addr, p uint16, show func(fromServer bool, flags packet.Flags) bool) {
	client, server := port(src, 40000), port(dst, p)
	for n, flags := range []packet.Flags{packet.SYN, packet.ACK, packet.ACK | packet.PSH, packet.FIN | packet.ACK} {
		if show(false, flags) {
			b.send(client, server, flags, isn+uint32(n), min(uint32(n), 1)*(77+uint32(n)))
		}
		if flags == packet.SYN {
			flags |= packet.ACK
		}
		if show(true, flags) {
			b.send(server, client, flags, 77+uint32(n), isn+1+uint32(n))
		}
	}
}

// onlyNot hides the SYN-ACKs.
func onlyNot(fromServer bool, flags packet.Flags) bool { return !fromServer || !flags.IsSYNACK() }

func everything(bool, packet.Flags) bool { return true }

// TestLostAnswers shows that a server that pushes to its clients is not a scanner
// though the tap loses some of what they answer, as their connections go on.
func TestLostAnswers(t *testing.T) {
	client := func(fromServer bool, _ packet.Flags) bool { return !fromServer }
	for _, c := range []struct {
		name string
		port uint16
		show func(fromServer bool, flags packet.Flags) bool
	}{
		{"SMB", 445, onlyNot},
		{"SMB, nothing from the server", 445, client},
		{"SMB, the FIN only", 445, func(fromServer bool, flags packet.Flags) bool {
			return !fromServer && flags&(packet.SYN|packet.FIN) != 0
		}},
		{"RDP", 3389, onlyNot},
		{"RDP, nothing from the server", 3389, client},
		{"RDP, nothing from the client but SYNs", 3389, func(fromServer bool, flags packet.Flags) bool {
			return fromServer && !flags.IsSYNACK() || flags == packet.SYN
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, Config{})
			b.whole()
			for i := range 57 {
				show := c.show
				if i > 20 && i%6 != 0 {
					show = everything
				}
				b.connect(ad("10.1.0.9"), nth("10.9.0.1", i), c.port, show)
				b.wait(30 * time.Second)
			}
			b.engine.Close()
			b.none()
		})
	}
}

// TestLeak shows what is made of a tap that shows no answers of a third of
// the servers: who connects to them is not a scanner, and who connects to nobody is.
func TestLeak(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for i := range 600 {
		show := everything
		if i%3 == 0 {
			show = func(fromServer bool, _ packet.Flags) bool { return !fromServer }
		}
		b.connect(nth("198.51.100.1", i%20), nth("10.9.0.1", i%12), 25, show)
		b.wait(time.Second)
	}
	b.none()
	b.sweep(worm, "10.9.5.1", 8, 445, 10*time.Second, always(silent))
	b.engine.Close()
	if a := b.one(); a.Host != ad(worm) || a.Name != alert.NameSequential {
		t.Errorf("%s, want the worm", summary(&a))
	}
	s := b.d.Stats()
	if w := s.Warnings(); len(w) != 1 || !strings.Contains(w[0], "% of the connections") || s.Unheard < 30 || s.Unheard > 35 {
		t.Errorf("warnings %q, of %+v; want one, of 30 to 35 %%", w, s)
	}
}

// TestLeakBegins shows that a tap that was whole is found to leak.
func TestLeakBegins(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	b.sweep("10.1.0.5", "10.9.0.1", 1, 445, time.Minute, always(silent))
	for i := range 40 {
		b.connect(nth("10.2.0.1", i), ad("10.9.0.9"), 8000, onlyNot)
		b.wait(time.Second)
	}
	if s := b.d.Stats(); s.Unheard == 0 {
		t.Errorf("stats %+v, want a leak", s)
	}
}

// TestLeakBeginsOnceClockWasSet shows the same where the clock was set back since
// the tap was found to be whole.
func TestLeakBeginsOnceClockWasSet(t *testing.T) {
	b := newBed(t, Config{})
	b.now = time.Hour
	b.whole()
	b.sweep("10.1.0.5", "10.9.0.1", 1, 445, time.Minute, always(silent))
	b.whole()
	b.now = 0
	for range 10 {
		b.wait(time.Second)
	}
	b.sweep("10.1.0.5", "10.9.0.2", 1, 445, time.Minute, always(silent))
	for i := range 40 {
		b.connect(nth("10.2.0.1", i), ad("10.9.0.9"), 8000, onlyNot)
		b.wait(time.Second)
	}
	if s := b.d.Stats(); s.Unheard == 0 {
		t.Errorf("stats %+v, want a leak", s)
	}
}

// sampled lets connections show of which three in four lack their answer.
func (b *bed) sampled() {
	for i := range 40 {
		show := everything
		if i%4 != 0 {
			show = onlyNot
		}
		b.connect(nth("10.2.0.1", i), nth("10.9.0.9", i%8), 8000, show)
	}
}

// TestSampled shows that silence says nothing where most answers are missing.
func TestSampled(t *testing.T) {
	b := newBed(t, Config{})
	b.sampled()
	b.sweep("10.1.0.9", "10.9.0.1", 18, 445, 10*time.Second, always(silent))
	b.engine.Close()
	b.none()
	if s := b.d.Stats(); !s.Mute || len(s.Warnings()) != 2 {
		t.Errorf("warnings %q, of %+v; want two, and Mute", s.Warnings(), s)
	}
}

// TestSampledFanOut shows that what is open there counts for no failure either: a
// sweep is found by its volume, and is no worse for that.
func TestSampledFanOut(t *testing.T) {
	b := newBed(t, Config{})
	b.sampled()
	b.sweep(worm, "10.9.5.1", 60, 445, 50*time.Millisecond, always(silent))
	b.wait(10 * time.Second)
	b.engine.Close()
	if a := b.one(); a.Name != alert.NameFanOut || a.Severity != alert.High {
		t.Errorf("%s of severity %v, want what is found by volume alone", summary(&a), a.Severity)
	}
}

// TestOneAddressTellsLittle shows that the answers of one address, which may go
// another way, or were never given to who forged the rest, say nothing of the tap.
func TestOneAddressTellsLittle(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for i := range 5000 {
		if i%100 == 0 {
			b.connect(nth("10.2.0.1", i%250), nth("10.9.0.1", i%7), 8000, everything)
		}
		b.connect(nth("198.51.100.1", i%200), ad("10.9.0.99"), 80, onlyNot)
		b.wait(10 * time.Millisecond)
	}
	b.none()
	b.sweep(worm, "10.9.5.1", 8, 445, 10*time.Second, always(silent))
	b.engine.Close()
	if a := b.one(); a.Host != ad(worm) || a.Name != alert.NameSequential {
		t.Errorf("%s, want the worm", summary(&a))
	}
	if s := b.d.Stats(); s.Mute || s.ClientOnly {
		t.Errorf("the tap counts as mute or one-sided: %+v", s)
	}
}

// TestAnswerAfterItsACK shows that a tap is whole whose two directions are out of
// step, so that an originator is seen to go on before its answer.
func TestAnswerAfterItsACK(t *testing.T) {
	b := newBed(t, Config{})
	for i := range 60 {
		b.syn(nth("10.2.0.1", i), ad("10.9.0.9"), 8000)
		b.ack(nth("10.2.0.1", i), ad("10.9.0.9"), 8000)
		b.wait(time.Millisecond)
		b.synack(nth("10.2.0.1", i), ad("10.9.0.9"), 8000)
	}
	if s := b.d.Stats(); s.ClientOnly || s.Unheard > 0 {
		t.Errorf("stats %+v, want a whole tap", s)
	}
}

// TestLateProgress shows that the silence of an attempt is taken back when its
// originator goes on, in an alert that is open, too.
func TestLateProgress(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	const n = 30
	b.sweep("10.1.0.9", "10.9.0.1", n, 445, 100*time.Millisecond, always(silent))
	b.wait(7 * time.Second)
	for i := range n {
		b.send(port(ad("10.1.0.9"), 40000), port(nth("10.9.0.1", i), 445), packet.FIN|packet.ACK, isn+500, 900)
	}
	b.engine.Close()
	b.one()
	end, s := b.last()
	if s.Silent != 0 || s.Answered != n {
		t.Errorf("%s, want all answered", summary(&end))
	}
}
