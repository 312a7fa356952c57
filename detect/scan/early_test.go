package scan

import (
	"slices"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// outcomeOf returns what the attempt of a host at a port came to, open when
// there was none.
func (b *bed) outcomeOf(src, dst string, p uint16) outcome {
	from, to := ip.From(ad(src)), ip.From(ad(dst))
	if a := b.d.attempts.find(pairHash(from.Hash(), to.Hash(), p), from, to, p); a != nil && !a.has(shadow) {
		return a.state
	}
	return open
}

// TestEarlyAnswers shows that a tap that gives each answer before its question
// changes nothing.
func TestEarlyAnswers(t *testing.T) {
	for seed := range uint64(5) {
		packets := story(seed)
		swapped := slices.Clone(packets)
		for i := range len(swapped) - 1 {
			a, b := &swapped[i], &swapped[i+1]
			if a.Flags == packet.SYN && a.Src == b.Dst && a.Dst == b.Src {
				*a, *b = *b, *a
				a.Time, b.Time = b.Time, a.Time
			}
		}
		want, got := tell(t, packets, Config{}), tell(t, swapped, Config{})
		if len(want.starts()) == 0 {
			t.Fatal("nothing was found")
		}
		if w, g := summaries(want.alerts), summaries(got.alerts); !slices.Equal(w, g) {
			t.Errorf("seed %d: answers first: %q, in order: %q", seed, g, w)
		}
		if len(want.facts) != len(got.facts) {
			t.Errorf("seed %d: answers first: %d facts, in order: %d", seed, len(got.facts), len(want.facts))
		}
	}
}

// TestEarlyAnswer shows which answers captured before their SYN count for it.
func TestEarlyAnswer(t *testing.T) {
	const server = "10.9.0.1"
	src, dst := ad(worm), ad(server)
	for _, c := range []struct {
		name string
		run  func(b *bed)
		want outcome
	}{
		{"SYN-ACK", func(b *bed) { b.synack(src, dst, 445) }, answered},
		{"RST", func(b *bed) { b.rst(src, dst, 445) }, refused},
		{"almost a second", func(b *bed) { b.synack(src, dst, 445); b.wait(time.Second - 1) }, answered},
		{"a second", func(b *bed) { b.synack(src, dst, 445); b.wait(time.Second) }, silent},
		{"copies", func(b *bed) { b.synack(src, dst, 445); b.synack(src, dst, 445); b.syn(src, dst, 445) }, answered},
		{"to another port of the client", func(b *bed) {
			b.send(port(dst, 445), port(src, 40001), packet.SYN|packet.ACK, 5, isn+1)
		}, silent},
		{"from another host", func(b *bed) { b.synack(src, ad("10.9.0.2"), 445) }, silent},
		{"the number is guessed", func(b *bed) {
			for _, ack := range []uint32{0, 1, isn, isn + 2} {
				b.send(port(dst, 445), port(src, 40000), packet.SYN|packet.ACK, 5, ack)
			}
		}, silent},
		{"RST of a connection", func(b *bed) {
			b.send(port(dst, 445), port(src, 40000), packet.RST|packet.ACK, 5, isn+1)
		}, silent},
		{"to a second connection", func(b *bed) {
			b.send(port(src, 41000), port(dst, 445), packet.SYN, 7, 0)
			b.wait(6 * time.Second) // judged silent by now
			b.synack(src, dst, 445)
		}, answered},
	} {
		for _, settled := range []bool{true, false} {
			b := newBed(t, Config{})
			if settled {
				b.whole()
			}
			c.run(b)
			b.syn(src, dst, 445)
			b.wait(6 * time.Second)
			if got := b.outcomeOf(worm, server, 445); got != c.want {
				t.Errorf("%s, tap settled %v: outcome %d, want %d", c.name, settled, got, c.want)
			}
		}
	}
}

// TestBackscatterBeforeSYN shows that a SYN-ACK that answers something else
// does not hide what a later attempt comes to.
func TestBackscatterBeforeSYN(t *testing.T) {
	b := newBed(t, Config{})
	src, dst := ad(worm), ad("10.9.0.1")
	b.send(port(dst, 445), port(src, 50000), packet.SYN|packet.ACK, 5, 99)
	b.try(src, dst, 445, answered)
	b.wait(6 * time.Second)
	if got := b.outcomeOf(worm, "10.9.0.1", 445); got != answered {
		t.Errorf("outcome %d, want answered", got)
	}
}
