package flow

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

const (
	second = int64(time.Second)
	ms     = int64(time.Millisecond)
)

// transcript writes down what a consumer is told.
type transcript struct {
	info  Info
	lines []string
}

func (c *transcript) Data(dir Dir, b []byte, at Segment) {
	c.lines = append(c.lines, fmt.Sprintf("%d:%s@%d", dir, b, at.Frame.Number))
}

func (c *transcript) Gap(dir Dir, n int) { c.lines = append(c.lines, fmt.Sprintf("%d:gap %d", dir, n)) }

func (c *transcript) Close() { c.lines = append(c.lines, "close") }

// bench is a table whose consumers write transcripts, and a hand that makes
// segments for it.
type bench struct {
	*Table
	opened []*transcript
	number uint64
	now    int64
}

func newBench(cfg Config) *bench {
	b := &bench{now: 1000 * second}
	b.Table = New(cfg, func(i Info) Consumer {
		c := &transcript{info: i}
		b.opened = append(b.opened, c)
		return c
	})
	return b
}

var (
	client = netip.MustParseAddrPort("10.0.0.9:40000")
	server = netip.MustParseAddrPort("10.0.0.2:445")
)

// send gives the table a segment a millisecond after the last; server says
// who sends it.
func (b *bench) send(fromServer bool, flags packet.Flags, seq, ack uint32, data string) {
	b.number++
	b.now += ms
	p := packet.Packet{
		Time: b.now, Src: ip.FromPort(client), Dst: ip.FromPort(server), Proto: packet.ProtoTCP, Flags: flags, Seq: seq, Ack: ack,
		Payload: []byte(data), PayloadLen: len(data), Number: b.number,
	}
	if fromServer {
		p.Src, p.Dst = p.Dst, p.Src
	}
	b.Packet(&p)
}

// wait lets time pass.
func (b *bench) wait(d int64) {
	b.now += d
	b.Tick(b.now)
}

func (b *bench) transcript() string {
	var all []string
	for _, c := range b.opened {
		all = append(all, strings.Join(c.lines, " "))
	}
	return strings.Join(all, " | ")
}

func TestTranscripts(t *testing.T) {
	const (
		syn    = packet.SYN
		synAck = packet.SYN | packet.ACK
		ack    = packet.ACK
		fin    = packet.FIN | packet.ACK
		rst    = packet.RST
	)
	open := func(b *bench) {
		b.send(false, syn, 99, 0, "")
		b.send(true, synAck, 499, 100, "")
		b.send(false, ack, 100, 500, "")
	}
	for _, c := range []struct {
		what, want string
		play       func(b *bench)
	}{
		{"in order", "0:ab@4 1:xy@5 0:cd@6", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "ab")
			b.send(true, ack, 500, 102, "xy")
			b.send(false, ack, 102, 502, "cd")
		}},
		{"copies", "0:ab@4 0:cd@6", func(b *bench) {
			open(b)
			for range 2 {
				b.send(false, ack, 100, 500, "ab")
			}
			for range 2 {
				b.send(false, ack, 102, 500, "cd")
			}
		}},
		{"out of order, first wins", "0:abc@6 0:DE@4 0:FG@5 0:h@7", func(b *bench) {
			open(b)
			b.send(false, ack, 103, 500, "DE")
			b.send(false, ack, 104, 500, "eFG")
			b.send(false, ack, 100, 500, "abcd")
			b.send(false, ack, 106, 500, "gh")
		}},
		{"one piece over two that wait", "0:a@6 0:B@4 0:c@6 0:D@5 0:e@6", func(b *bench) {
			open(b)
			b.send(false, ack, 101, 500, "B")
			b.send(false, ack, 103, 500, "D")
			b.send(false, ack, 100, 500, "abcde")
		}},
		{"lost and acknowledged", "0:gap 2 0:cd@4 0:ef@7", func(b *bench) {
			open(b)
			b.send(false, ack, 102, 500, "cd")
			b.send(true, ack, 500, 104, "")
			b.now += 200 * ms
			b.send(false, ack, 104, 500, "")
			b.send(false, ack, 104, 500, "ef")
		}},
		{"lost, not acknowledged", "0:gap 2 0:cd@4", func(b *bench) {
			open(b)
			b.send(false, ack, 102, 500, "cd")
			b.wait(second)
			if n := len(b.opened[0].lines); n != 0 {
				b.opened[0].lines = append(b.opened[0].lines, "too early")
			}
			b.wait(5 * second)
		}},
		{"in the middle", "0:cd@1 1:x@2", func(b *bench) {
			b.send(false, ack, 7000, 500, "cd")
			b.send(true, ack, 9000, 7002, "x")
		}},
		{"sequence wraps", "0:ab@2 0:cd@3", func(b *bench) {
			b.send(false, syn, 0xfffffffd, 0, "")
			b.send(false, ack, 0xfffffffe, 1, "ab")
			b.send(false, ack, 0, 1, "cd")
		}},
		{"data with the SYN", "0:ab@1 0:cd@3", func(b *bench) {
			b.send(false, syn, 99, 0, "ab")
			b.send(true, synAck, 499, 102, "")
			b.send(false, ack, 102, 500, "cd")
		}},
		{"end, and late copies", "0:a@4 1:z@5 close", func(b *bench) {
			open(b)
			b.send(false, fin, 100, 500, "a")
			b.send(true, fin, 500, 102, "z")
			b.send(false, ack, 100, 500, "a")
			b.send(true, ack, 500, 102, "z")
			b.wait(61 * second)
		}},
		{"FIN before the last bytes", "0:a@4 1:z@6 0:b@7 close", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(true, fin, 501, 101, "")
			b.send(true, ack, 500, 101, "z")
			b.send(false, fin, 101, 502, "b")
			b.wait(61 * second)
		}},
		{"reset, and late copies", "0:a@4 close", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(true, rst, 500, 101, "")
			b.now += 30 * second
			b.send(false, ack, 100, 500, "a")
			b.wait(31 * second)
		}},
		{"reset, captured before the last bytes", "0:a@4 1:z@6", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(false, rst, 101, 500, "")
			b.send(true, ack, 500, 101, "z")
		}},
		{"reset that does not reach its receiver", "0:a@4 0:b@6 1:z@7", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(false, rst, 101, 500, "")
			b.send(false, ack, 101, 500, "b")
			b.wait(61 * second)
			b.send(true, ack, 500, 102, "z")
		}},
		{"reset ahead in the window", "0:a@4 0:b@6", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(false, rst, 601, 500, "")
			b.wait(61 * second)
			b.send(false, ack, 101, 500, "b")
		}},
		{"reset behind lost bytes that are acknowledged", "0:a@4 close", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(true, ack, 500, 601, "")
			b.send(false, rst, 601, 500, "")
			b.wait(61 * second)
		}},
		{"reset behind bytes that wait", "0:a@4 0:gap 2 0:d@5 close", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(false, ack, 103, 500, "d")
			b.send(false, rst, 104, 500, "")
			b.wait(61 * second)
		}},
		{"reset with bytes, which are no part of the stream", "0:a@4 0:b@6", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(false, rst, 101, 500, "x")
			b.send(false, ack, 101, 500, "b")
		}},
		{"bytes behind what a FIN said is the end", "0:a@4 1:z@5 0:b@6", func(b *bench) {
			open(b)
			b.send(false, fin, 100, 500, "a")
			b.send(true, fin, 500, 102, "z")
			b.send(false, ack, 101, 500, "b")
			b.wait(61 * second)
		}},
		{"reset from nowhere", "0:a@4 0:b@6", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(true, rst, 77777777, 101, "")
			b.send(false, ack, 101, 500, "b")
		}},
		{"ports used again", "0:a@4 1:z@5 close | 0:A@8", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(true, ack, 500, 101, "z")
			b.send(false, syn, 5000, 0, "")
			b.send(true, synAck, 8000, 5001, "")
			b.send(false, ack, 5001, 8001, "A")
		}},
		{"ports used again after the end", "0:a@4 1:z@5 close | 0:A@7", func(b *bench) {
			open(b)
			b.send(false, fin, 100, 500, "a")
			b.send(true, fin, 500, 102, "z")
			b.send(false, syn, 5000, 0, "")
			b.send(false, ack, 5001, 8001, "A")
		}},
		{"SYN from nowhere", "0:a@4 1:z@5 0:b@7", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(true, ack, 500, 101, "z")
			b.send(false, syn, 5000, 0, "")
			b.send(false, ack, 101, 501, "b")
		}},
		{"one direction only, ports used again", "0:a@2 close | 0:b@4", func(b *bench) {
			b.send(false, syn, 99, 0, "")
			b.send(false, ack, 100, 0, "a")
			b.send(false, syn, 5000, 0, "")
			b.send(false, ack, 5001, 0, "b")
		}},
		{"data long after the SYN", "0:b@2", func(b *bench) {
			b.send(false, syn, 99, 0, "")
			b.now += 601 * second
			b.send(false, ack, 150, 0, "b")
		}},
		{"accepted long after the SYN, ports in use", "0:a@1 1:z@2 0:b@5", func(b *bench) {
			b.send(false, ack, 100, 500, "a")
			b.send(true, ack, 500, 101, "z")
			b.send(false, syn, 5000, 0, "")
			b.now += 601 * second
			b.send(true, synAck, 8000, 5001, "")
			b.send(false, ack, 101, 501, "b")
		}},
		{"another connection in the middle", "0:a@1 0:gap 0 0:b@2", func(b *bench) {
			b.send(false, ack, 0x50000000, 0, "a")
			b.send(false, ack, 0x10000000, 0, "b")
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(Config{})
			c.play(b)
			if got := b.transcript(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			b.Close()
			if b.Len() != 0 || b.Stats().Waiting != 0 || len(b.waiting) != 0 {
				t.Errorf("after Close: %d connections, %d bytes, %d wait", b.Len(), b.Stats().Waiting, len(b.waiting))
			}
		})
	}
}

func TestTruncatedSegmentsAreGaps(t *testing.T) {
	b := newBench(Config{})
	p := packet.Packet{Src: ip.FromPort(client), Dst: ip.FromPort(server), Flags: packet.ACK, Seq: 1, Payload: []byte("abc"), PayloadLen: 10, Truncated: true, Number: 1}
	b.Packet(&p)
	p.Seq, p.Payload, p.PayloadLen = 11, []byte("de"), 2
	b.Packet(&p)
	if got, want := b.transcript(), "0:abc@1 0:gap 7 0:de@1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhoOpened(t *testing.T) {
	for _, c := range []struct {
		what    string
		play    func(b *bench)
		orig    netip.AddrPort
		guessed bool
	}{
		{"SYN", func(b *bench) { b.send(true, packet.SYN, 1, 0, ""); b.send(false, packet.ACK, 1, 2, "x") }, server, false},
		{"SYN-ACK", func(b *bench) { b.send(true, packet.SYN|packet.ACK, 1, 0, ""); b.send(false, packet.ACK, 1, 2, "x") }, client, false},
		{"port", func(b *bench) { b.send(true, packet.ACK, 1, 0, "x") }, client, true},
	} {
		b := newBench(Config{Ports: []uint16{445}})
		c.play(b)
		if i := b.opened[0].info; i.Orig != c.orig || i.Guessed != c.guessed {
			t.Errorf("%s: %+v", c.what, i)
		}
	}
	b := newBench(Config{})
	b.send(true, packet.ACK, 1, 0, "x")
	if i := b.opened[0].info; i.Orig != server || i.Resp != client || !i.Guessed {
		t.Errorf("no port: %+v", i)
	}
}

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

// FuzzSegments takes any segments: nothing may break, and what comes out must
// be what was sent there, whichever of the overlapping bytes came first.
func FuzzSegments(f *testing.F) {
	f.Add([]byte("\x00\x10\x00\x05\x01\x18\x00\x09"))
	f.Add([]byte("\x02\x00\x00\x00\x10\x10\xff\x05\x01\x18\x00\x09\x04\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, script []byte) {
		c := &checker{t: t, sent: nil}
		table := New(Config{MaxWait: 2000, MaxWaitAll: 3000, MaxFlows: 4}, func(Info) Consumer { return &bounded{t: t, checker: c} })
		p := packet.Packet{Src: ip.FromPort(client), Dst: ip.FromPort(server)}
		stream := make([]byte, 512)
		for len(script) >= 4 {
			op := script[:4]
			script = script[4:]
			p.Flags = packet.Flags(op[0])
			p.Seq = uint32(int32(int8(op[1])))<<(op[0]>>6*8) + uint32(op[2])
			p.Ack = uint32(op[1]) * 3
			p.Payload = stream[:op[3]]
			p.PayloadLen = len(p.Payload) + int(op[3]&1)*int(op[1])
			p.Time += int64(op[2]) * 20 * ms
			if op[3]&2 != 0 {
				p.Src, p.Dst = p.Dst, p.Src
			}
			table.Packet(&p)
			if op[3]&4 != 0 {
				table.Tick(p.Time)
			}
			if w := table.stats.Waiting; w < 0 || w > 3000+chunkCost*4+600 {
				t.Fatalf("%d bytes wait, which is beyond the bound", w)
			}
		}
		table.Close()
		if table.stats.Waiting != 0 || len(table.waiting) != 0 {
			t.Fatalf("%d bytes wait after Close", table.stats.Waiting)
		}
	})
}

// bounded checks the manners of a table: no empty data, nothing after Close.
type bounded struct {
	t      *testing.T
	closed bool
	*checker
}

func (c *bounded) Data(_ Dir, b []byte, _ Segment) {
	if len(b) == 0 || c.closed {
		c.t.Fatal("empty data, or data after Close")
	}
}

func (c *bounded) Gap(_ Dir, n int) {
	if n < 0 || c.closed {
		c.t.Fatal("bad gap")
	}
}

func (c *bounded) Close() {
	if c.closed {
		c.t.Fatal("closed twice")
	}
	c.closed = true
}

func TestBounds(t *testing.T) {
	open := 0
	table := New(Config{MaxFlows: 100}, func(Info) Consumer { open++; return &counter{open: &open} })
	p := packet.Packet{Dst: ip.FromPort(server), Flags: packet.ACK, Payload: []byte("x"), PayloadLen: 1}
	for i := range uint32(1000) {
		p.Time += ms
		p.Src = ip.AddrPort{Addr: ip.From(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})), Port: 1000}
		table.Packet(&p)
	}
	if s := table.Stats(); table.Len() != 100 || open != 100 || s.Evicted != 900 || s.Flows != 1000 {
		t.Errorf("%d in the table, %d open, %+v", table.Len(), open, s)
	}
	// A flood of SYNs, or of SYN-ACKs, pushes out none of them.
	p.Flags, p.Payload, p.PayloadLen = packet.SYN, nil, 0
	for i := range uint32(2000) {
		p.Src = ip.AddrPort{Addr: ip.From(netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})), Port: 1000}
		if i >= 1000 {
			p.Flags = packet.SYN | packet.ACK
		}
		table.Packet(&p)
	}
	if s := table.Stats(); table.Len() != 100 || s.Evicted != 900 || s.Forgotten != 1000-8 {
		t.Errorf("after a flood: %d in the table, %+v", table.Len(), s)
	}
	table.Tick(p.Time + 2*3600*second)
	if table.Len() != 0 || open != 0 || table.Stats().Expired != 100 {
		t.Errorf("after two hours: %d in the table, %d open", table.Len(), open)
	}
}

type counter struct{ open *int }

func (c *counter) Data(Dir, []byte, Segment) {}
func (c *counter) Gap(Dir, int)              {}
func (c *counter) Close()                    { *c.open-- }

// TestClockSetBack sets the clock back by an hour behind a connection, and sends
// data of another one on the same ports: they are no more of the first.
func TestClockSetBack(t *testing.T) {
	for _, back := range []int64{0, 2 * second, 3600 * second} {
		b := newBench(Config{})
		b.now += 7200 * second
		b.send(false, packet.ACK, 1, 1, "first")
		b.send(false, packet.RST, 6, 1, "")
		b.now -= back
		b.Tick(b.now)
		b.send(false, packet.ACK, 6, 1, "second")
		want, revived := "0:first@1 close | 0:second@3", uint64(0)
		if back < 60*second {
			want, revived = "0:first@1 0:second@3", 1
		}
		if got := b.transcript(); got != want || b.Stats().Revived != revived {
			t.Errorf("back by %d s: %s, %d revived", back/second, got, b.Stats().Revived)
		}
	}
}

// TestOverMakesRoom: connections that are over go before those that are in use,
// and there are no more of them than may be.
func TestOverMakesRoom(t *testing.T) {
	open := 0
	table := New(Config{MaxFlows: overLimit + 100}, func(Info) Consumer { open++; return &counter{open: &open} })
	p := packet.Packet{Dst: ip.FromPort(server)}
	connect := func(i uint32, over bool) {
		p.Time += ms / 100
		p.Src = ip.AddrPort{Addr: ip.From(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})), Port: 1000}
		p.Flags, p.Seq, p.Payload, p.PayloadLen = packet.ACK, 1, []byte("x"), 1
		table.Packet(&p)
		if over {
			p.Flags, p.Seq, p.Payload, p.PayloadLen = packet.RST, 2, nil, 0
			table.Packet(&p)
		}
	}
	connect(0, false)
	for i := range uint32(overLimit + 50) {
		connect(1+i, true)
	}
	if table.Len() != 1+overLimit || open != table.Len() {
		t.Errorf("%d connections, %d of them open, want %d that are over and one that is not", table.Len(), open, overLimit)
	}
	for i := range uint32(200) {
		connect(1<<20+i, false)
	}
	if s := table.Stats(); table.Len() != overLimit+100 || open != table.Len() || s.Evicted != 0 {
		t.Errorf("%d connections, %d of them open, %d that were in use made room", table.Len(), open, s.Evicted)
	}
	table.Close()
	if open != 0 || table.over.Len() != 0 {
		t.Errorf("after Close %d are open, %d over", open, table.over.Len())
	}
}

func TestSteadyFlowAllocatesNothing(t *testing.T) {
	open := 0
	table := New(Config{}, func(Info) Consumer { return &counter{&open} })
	p := packet.Packet{Src: ip.FromPort(client), Dst: ip.FromPort(server), Flags: packet.ACK, Payload: []byte("xy"), PayloadLen: 2}
	if n := testing.AllocsPerRun(1000, func() {
		p.Time += ms
		p.Seq += 2
		table.Packet(&p)
	}); n != 0 {
		t.Errorf("%v allocations a segment", n)
	}
}

// BenchmarkSegment is a segment in order, of one of 10,000 connections.
func BenchmarkSegment(b *testing.B) {
	open := 0
	table := New(Config{}, func(Info) Consumer { return &counter{&open} })
	packets := make([]packet.Packet, 10_000)
	for i := range packets {
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1000)
		packets[i] = packet.Packet{Src: ip.FromPort(src), Dst: ip.FromPort(server), Flags: packet.ACK, Payload: []byte("xy"), PayloadLen: 2}
		table.Packet(&packets[i])
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		p := &packets[i%len(packets)]
		i++
		p.Seq += 2
		p.Time += ms
		table.Packet(p)
	}
}
