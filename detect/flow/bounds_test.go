package flow

import (
	"net/netip"
	"testing"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// FuzzSegments takes any segments: nothing may break, and what comes out must
// be what was sent there. Each byte is the end of its sequence number.
func FuzzSegments(f *testing.F) {
	f.Add([]byte("\x00\x10\x00\x05\x01\x18\x00\x09"))
	f.Add([]byte("\x02\x00\x00\x00\x10\x10\xff\x05\x01\x18\x00\x09\x04\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, script []byte) {
		table := New(Config{MaxWait: 2000, MaxWaitAll: 3000, MaxFlows: 4}, func(Info) Consumer { return &bounded{t: t} })
		p := packet.Packet{Src: ip.FromPort(client), Dst: ip.FromPort(server)}
		stream := make([]byte, 512)
		for len(script) >= 4 {
			op := script[:4]
			script = script[4:]
			p.Flags = packet.Flags(op[0])
			p.Seq = uint32(int32(int8(op[1])))<<(op[0]>>6*8) + uint32(op[2])
			p.Ack = uint32(op[1]) * 3
			p.Payload = stream[:op[3]]
			for i := range p.Payload {
				p.Payload[i] = byte(p.Seq) + byte(i)
				if p.Flags.Has(packet.SYN) {
					p.Payload[i]++
				}
			}
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

// bounded checks the manners of a table: no empty data, nothing after Close, and each
// byte where it was sent.
type bounded struct {
	t      *testing.T
	closed bool
	known  [2]bool // what the next byte is
	next   [2]byte
}

func (c *bounded) Data(dir Dir, b []byte, _ Segment) {
	if len(b) == 0 || c.closed {
		c.t.Fatal("empty data, or data after Close")
	}
	for _, have := range b {
		if c.known[dir] && have != c.next[dir] {
			c.t.Fatalf("byte %d, want %d, from end %d", have, c.next[dir], dir)
		}
		c.known[dir], c.next[dir] = true, have+1
	}
}

func (c *bounded) Gap(dir Dir, n int) {
	if n < 0 || c.closed {
		c.t.Fatal("bad gap")
	}
	c.known[dir] = c.known[dir] && n > 0 // 0 says that it is not known how many are missing
	c.next[dir] += byte(n)
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

// TestWaitAll: however many connections have bytes that wait, all of them together
// stay within the bound.
func TestWaitAll(t *testing.T) {
	open := 0
	table := New(Config{MaxWaitAll: 10_000}, func(Info) Consumer { open++; return &counter{open: &open} })
	p := packet.Packet{Dst: ip.FromPort(server), Flags: packet.ACK, Payload: make([]byte, 300), PayloadLen: 300}
	for i := range uint32(100) {
		p.Src = ip.AddrPort{Addr: ip.From(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})), Port: 1000}
		for _, p.Seq = range []uint32{1, 1000} {
			table.Packet(&p)
		}
		if s := table.Stats(); s.Waiting > 10_000 {
			t.Fatalf("%d bytes wait", s.Waiting)
		}
	}
	if s := table.Stats(); s.Waiting == 0 || s.OverLimit == 0 {
		t.Errorf("the bound was not reached: %+v", s)
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
