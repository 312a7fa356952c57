package flow

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// checker holds what it is told against the stream that was sent.
type checker struct {
	t      *testing.T
	sent   []byte
	pos    int
	gaps   int
	closed bool
}

func (c *checker) Data(_ Dir, b []byte, _ Segment) {
	if c.closed || c.pos+len(b) > len(c.sent) || !bytes.Equal(b, c.sent[c.pos:c.pos+len(b)]) {
		c.t.Fatalf("wrong bytes at %d: %q", c.pos, b)
	}
	c.pos += len(b)
}
func (c *checker) Gap(_ Dir, n int) { c.pos += n; c.gaps += n }
func (c *checker) Close()           { c.closed = true }

// shuffle cuts a stream into segments of random sizes with overlaps and
// copies, and moves each at most reach places.
func shuffle(rnd *rand.Rand, n, reach int) (segments [][2]int) {
	for at := 0; at < n; {
		size := 1 + rnd.IntN(60)
		from := max(0, at-rnd.IntN(10)*rnd.IntN(2))
		to := min(n, at+size)
		for range 1 + rnd.IntN(2)*rnd.IntN(2) {
			segments = append(segments, [2]int{from, to})
		}
		at = to
	}
	place := make([]int, len(segments))
	order := make([]int, len(segments))
	for i := range order {
		order[i], place[i] = i, i+rnd.IntN(reach+1)
	}
	slices.SortStableFunc(order, func(a, b int) int { return place[a] - place[b] })
	moved := make([][2]int, len(segments))
	for i, o := range order {
		moved[i] = segments[o]
	}
	return moved
}

// TestAnyChunking sends streams in any pieces, order and number of copies: the
// bytes must come out whole; with losses, each byte that comes out must stand
// where it was sent.
func TestAnyChunking(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		sent := make([]byte, 1+rnd.IntN(4000))
		for i := range sent {
			sent[i] = byte(rnd.Uint32())
		}
		loss := float64(seed%3) * .05
		cfg := Config{}
		if seed%5 == 4 {
			cfg.MaxWait, loss = 500+rnd.IntN(1000), .05
		}
		c := &checker{t: t, sent: sent}
		table := New(cfg, func(Info) Consumer { return c })
		isn := rnd.Uint32()
		p := packet.Packet{Src: ip.FromPort(client), Dst: ip.FromPort(server), Flags: packet.SYN, Seq: isn}
		table.Packet(&p)
		p.Flags = packet.ACK
		dropped := false
		for _, s := range shuffle(rnd, len(sent), int(seed%20)) {
			if rnd.Float64() < loss {
				dropped = true
				continue
			}
			p.Time += ms / 10
			p.Seq = isn + 1 + uint32(s[0])
			p.Payload = sent[s[0]:s[1]]
			p.PayloadLen = len(p.Payload)
			table.Packet(&p)
		}
		table.Close()
		if !dropped && (c.pos != len(sent) || c.gaps != 0) && seed%5 != 4 {
			t.Fatalf("seed %d: %d of %d bytes, %d lost", seed, c.pos, len(sent), c.gaps)
		}
		if table.stats.Waiting != 0 {
			t.Fatalf("seed %d: %d bytes wait", seed, table.stats.Waiting)
		}
	}
}
