package detect

import (
	"slices"
	"testing"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// recorder is a Detector that writes down what it was called with.
type recorder struct {
	wants    Interest
	seen     []packet.Proto
	times    []int64
	payloads []byte // the first byte of each
	ticks    []int64
	closed   int
}

func (r *recorder) Wants() Interest { return r.wants }
func (r *recorder) Tick(now int64)  { r.ticks = append(r.ticks, now) }
func (r *recorder) Close(int64)     { r.closed++ }
func (r *recorder) Packet(p *packet.Packet) {
	r.seen = append(r.seen, p.Proto)
	r.times = append(r.times, p.Time)
	r.payloads = append(r.payloads, append(p.Payload, 0)[0])
}

func TestEngineGivesEachDetectorWhatItWants(t *testing.T) {
	packets := []packet.Packet{
		{Proto: packet.ProtoTCP, Flags: packet.SYN},
		{Proto: packet.ProtoTCP, Flags: packet.ACK | packet.PSH},
		{Proto: packet.ProtoTCP, Flags: packet.RST | packet.ACK},
		{Proto: packet.ProtoUDP},
		{Proto: packet.ProtoICMP, ICMP: packet.ICMP{Type: 3}},
		{Proto: packet.ProtoICMPv6, ICMP: packet.ICMP{Type: 1}},
		{Proto: packet.ProtoICMP, ICMP: packet.ICMP{Type: 8}},
		{Proto: packet.ProtoTCP, Flags: packet.FIN | packet.ACK},
		{Proto: packet.ProtoTCP, Flags: packet.FIN},
		{Proto: packet.ProtoTCP},
		{Proto: 47},
	}
	tests := []struct {
		name  string
		wants Kind
		want  int
	}{
		{"all", AllKinds, 11},
		{"control", TCPControl, 4},
		{"close", TCPClose, 1},
		{"data", TCPData, 1},
		{"udp and icmp", UDP | ICMP, 3},
		{"other", Other, 2},
		{"nothing", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{wants: Interest{Kinds: tt.wants}}
			e := NewEngine(r)
			for i := range packets {
				e.Packet(&packets[i])
			}
			if len(r.seen) != tt.want {
				t.Errorf("saw %d packets (%v), want %d", len(r.seen), r.seen, tt.want)
			}
		})
	}
}

func TestEngineKnowsPorts(t *testing.T) {
	const tcp, data = packet.ProtoTCP, TCPData
	tests := []struct {
		name     string
		wants    Interest
		src, dst uint16
		want     bool
	}{
		{"from", Interest{Kinds: data, From: []uint16{53}}, 53, 40000, true},
		{"from, and it is to", Interest{Kinds: data, From: []uint16{53}}, 40000, 53, false},
		{"to", Interest{Kinds: data, To: []uint16{445, 139}}, 40000, 139, true},
		{"to, and it is from", Interest{Kinds: data, To: []uint16{445, 139}}, 139, 40000, false},
		{"both", Interest{Kinds: data, From: []uint16{445}, To: []uint16{445}}, 445, 445, true},
		{"neither", Interest{Kinds: data, From: []uint16{445}, To: []uint16{445}}, 40000, 443, false},
		{"another kind", Interest{Kinds: UDP, From: []uint16{445}, To: []uint16{445}}, 445, 445, false},
		{"any", Interest{Kinds: data}, 1, 2, true},
		{"no port", Interest{Kinds: data, From: []uint16{}}, 1, 2, false},
		{"the highest", Interest{Kinds: data, To: []uint16{65535}}, 1, 65535, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{wants: tt.wants}
			p := packet.Packet{Proto: tcp, Flags: packet.ACK}
			p.Src.Port, p.Dst.Port = tt.src, tt.dst
			NewEngine(&recorder{}, r).Packet(&p)
			if got := len(r.seen) > 0; got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// fickle wants UDP until it gets some, and TCP from then on.
type fickle struct {
	recorder
	changed func()
}

func (f *fickle) OnChange(changed func()) { f.changed = changed }
func (f *fickle) Packet(p *packet.Packet) {
	f.recorder.Packet(p)
	f.wants.Kinds = TCPControl | TCPData
	f.changed()
}

func TestEngineAsksAgain(t *testing.T) {
	var order []packet.Proto
	f, last := &fickle{recorder: recorder{wants: Interest{Kinds: UDP}}}, &recorder{wants: Interest{Kinds: AllKinds}}
	e := NewEngine(f, last)
	for _, proto := range []packet.Proto{packet.ProtoTCP, packet.ProtoUDP, packet.ProtoUDP, packet.ProtoTCP} {
		order = append(order, proto)
		e.Packet(&packet.Packet{Proto: proto})
	}
	if want := []packet.Proto{packet.ProtoUDP, packet.ProtoTCP}; !slices.Equal(f.seen, want) {
		t.Errorf("saw %v, want %v", f.seen, want)
	}
	if !slices.Equal(last.seen, order) {
		t.Errorf("the one behind it saw %v, want %v", last.seen, order)
	}
}

func TestEngineTimeNeverGoesBack(t *testing.T) {
	const second = int64(1e9)
	r := &recorder{wants: Interest{Kinds: AllKinds}}
	e := NewEngine(r)
	for _, at := range []int64{100, 102, 90, 101, 103, 5000} {
		e.Packet(&packet.Packet{Time: at * second, Proto: packet.ProtoUDP})
	}
	e.Close()
	want := []int64{100 * second, 102 * second, 103 * second, 5000 * second, 5000 * second}
	if !slices.Equal(r.ticks, want) {
		t.Errorf("ticks = %v, want %v", r.ticks, want)
	}
	if got := e.TimeWentBack(); got != 1 {
		t.Errorf("TimeWentBack = %d, want 1: the packet 12 s old, not the one 1 s old", got)
	}
	if r.closed != 1 {
		t.Errorf("Close was called %d times", r.closed)
	}
}

// TestEngineFollowsClock sets the clock back by hours: once packets agree on that
// for a while, time goes on from there. One packet, or two clocks in turns, are
// not enough.
func TestEngineFollowsClock(t *testing.T) {
	const second = int64(1e9)
	r := &recorder{wants: Interest{Kinds: AllKinds}}
	e := NewEngine(r)
	packets := func(times ...int64) {
		for _, at := range times {
			e.Packet(&packet.Packet{Time: at * second, Proto: packet.ProtoUDP})
		}
	}
	packets(9000, 100, 101, 9001, 102, 105, 9001, 107, 111, 9000, 300, 9000, 112, 116)
	e.Pass(9001 * second)
	packets(117, 121)
	if want := []int64{9000 * second, 9001 * second}; !slices.Equal(r.ticks, want) || e.Now() != 9001*second {
		t.Errorf("at %d, ticks = %v, want %v", e.Now(), r.ticks, want)
	}
	packets(122)
	if want := []int64{9000 * second, 9001 * second, 122 * second}; !slices.Equal(r.ticks, want) || e.Now() != 122*second {
		t.Errorf("the clock is set back: at %d, ticks = %v, want %v", e.Now(), r.ticks, want)
	}
	packets(123, 124)
	if since, until := e.Second(); len(r.ticks) != 5 || since != 124*second || until != 125*second {
		t.Errorf("then from %d to %d, ticks = %v", since, until, r.ticks)
	}
	if got := e.TimeWentBack(); got != 4 {
		t.Errorf("TimeWentBack = %d, want 4: one for each row of late packets", got)
	}
}

// timesOf returns the times with which a detector is given packets of these seconds,
// and how many of them are not their own.
func timesOf(seconds ...int64) (got []int64, retimed uint64, twoClocks bool) {
	r := &recorder{wants: Interest{Kinds: AllKinds}}
	e := NewEngine(r)
	borrowed := make([]byte, 1)
	for i, at := range seconds {
		borrowed[0] = byte(i)
		e.Packet(&packet.Packet{Time: at * 1e9, Proto: packet.ProtoUDP, Payload: borrowed})
	}
	e.Close()
	for i, at := range r.times {
		got = append(got, at/1e9)
		if r.payloads[i] != byte(i) {
			return nil, 0, false // in another order, or another's
		}
	}
	retimed, twoClocks = e.Retimed()
	return got, retimed, twoClocks
}

// TestEngineDoubtsOne wants a time that no other packet has anything like not
// believed, and a gap in the traffic, and captures that were joined, left as they are.
func TestEngineDoubtsOne(t *testing.T) {
	for _, c := range []struct {
		name      string
		at, want  []int64
		retimed   uint64
		twoClocks bool
	}{
		{"ahead", []int64{100, 101, 4000, 102, 103}, []int64{100, 101, 101, 102, 103}, 1, false},
		{"behind", []int64{5000, 5001, 400, 5002}, []int64{5000, 5001, 5001, 5002}, 1, false},
		{"again and again", []int64{5000, 400, 5001, 9000, 5002, 400, 5003}, []int64{5000, 5000, 5001, 5001, 5002, 5002, 5003}, 3, false},
		{"a little", []int64{5000, 5060, 5001}, []int64{5000, 5060, 5001}, 0, false},
		{"the last", []int64{100, 101, 4000}, []int64{100, 101, 4000}, 0, false},
		{"gaps", []int64{100, 200, 300, 301, 90_000, 90_200}, []int64{100, 200, 300, 301, 90_000, 90_200}, 0, false},
		{"set back", []int64{5000, 5001, 400, 401, 402, 410, 411}, []int64{5000, 5001, 400, 401, 402, 410, 411}, 0, false},
		{"joined", []int64{
			5000, 5001, 400, 401, 5000, 5001, 300, 301, 5000, 5001, 400, 401, 5000, 5001, 300, 301, 5000, 5001, 400, 401,
		}, []int64{
			5000, 5001, 400, 401, 5000, 5001, 300, 301, 5000, 5001, 400, 401, 5000, 5001, 300, 301, 5000, 5001, 400, 401,
		}, 0, false},
		{"two clocks", []int64{
			5000, 5001, 400, 401, 5001, 401, 402, 5002, 402, 403, 5003, 403, 404, 5004, 404, 5005, 405, 406,
		}, []int64{
			5000, 5001, 400, 401, 5001, 401, 402, 5002, 402, 403, 5003, 5003, 5003, 5004, 5004, 5005, 5005, 5005,
		}, 5, true},
	} {
		got, retimed, twoClocks := timesOf(c.at...)
		if !slices.Equal(got, c.want) || retimed != c.retimed || twoClocks != c.twoClocks {
			t.Errorf("%s: %v, want %v; %d retimed, two clocks: %v", c.name, got, c.want, retimed, twoClocks)
		}
	}
}

// TestEngineDoubtEnds wants a packet whose time is in doubt given out when time is
// known to have gone on without another.
func TestEngineDoubtEnds(t *testing.T) {
	for name, end := range map[string]func(e *Engine){
		"idle":    func(e *Engine) { e.Idle(3998e9) },
		"settled": func(e *Engine) { e.Settle() },
	} {
		r := &recorder{wants: Interest{Kinds: AllKinds}}
		e := NewEngine(r)
		e.Packet(&packet.Packet{Time: 100e9, Proto: packet.ProtoUDP})
		e.Packet(&packet.Packet{Time: 4000e9, Proto: packet.ProtoUDP})
		end(e)
		if !slices.Equal(r.times, []int64{100e9, 4000e9}) || e.Now() != 4000e9 {
			t.Errorf("%s: %v, now %d", name, r.times, e.Now())
		}
	}
	r := &recorder{wants: Interest{Kinds: AllKinds}}
	e := NewEngine(r)
	e.Packet(&packet.Packet{Time: 100e9, Proto: packet.ProtoUDP})
	e.Packet(&packet.Packet{Time: 4000e9, Proto: packet.ProtoUDP})
	e.Pass(1005e8)
	if n, _ := e.Retimed(); n != 1 || !slices.Equal(r.times, []int64{100e9, 100e9}) || e.Now() != 1005e8 {
		t.Errorf("passed: %v, now %d", r.times, e.Now())
	}
}

func TestEngineAllocatesNothing(t *testing.T) {
	e := NewEngine(&recorder{})
	p := &packet.Packet{Proto: packet.ProtoTCP}
	if n := testing.AllocsPerRun(100, func() { p.Time += 5e8; e.Packet(p) }); n > 0.5 {
		t.Errorf("%v allocations a packet", n)
	}
}

func TestEngineKnowsWhoIsNear(t *testing.T) {
	blocks := ip.NewBlocks(1)
	blocks.Mark(ip.From4(0xc6336407))
	r, other := &recorder{wants: Interest{Kinds: ICMP, Near: blocks}}, &recorder{wants: Interest{Kinds: TCPData}}
	e := NewEngine(other, r)
	there, elsewhere := ip.AddrPort{Addr: ip.From4(0xc6336407)}, ip.AddrPort{Addr: ip.From4(0x0a000001)}
	for _, p := range []packet.Packet{
		{Proto: packet.ProtoUDP, Src: there, Dst: elsewhere},
		{Proto: packet.ProtoTCP, Flags: packet.ACK, Src: elsewhere, Dst: there},
		{Proto: packet.ProtoTCP, Flags: packet.ACK, Src: elsewhere, Dst: elsewhere},
		{Proto: 47, Src: there, Dst: there},
	} {
		e.Packet(&p)
	}
	if want := []packet.Proto{packet.ProtoUDP, packet.ProtoTCP, 47}; !slices.Equal(r.seen, want) {
		t.Errorf("saw %v, want %v", r.seen, want)
	}
	if want := []packet.Proto{packet.ProtoTCP, packet.ProtoTCP}; !slices.Equal(other.seen, want) {
		t.Errorf("the other one saw %v, want %v", other.seen, want)
	}
}

func TestEnginePassesTime(t *testing.T) {
	r := &recorder{wants: Interest{Kinds: UDP}}
	e := NewEngine(r)
	e.Packet(&packet.Packet{Time: 100e9, Proto: packet.ProtoUDP})
	if since, until := e.Second(); since != 100e9 || until != 101e9 {
		t.Errorf("from %d to %d", since, until)
	}
	e.Pass(1009e8)
	e.Pass(1001e8)
	if len(r.ticks) != 1 || e.Now() != 1009e8 {
		t.Errorf("ticks %v, now %d", r.ticks, e.Now())
	}
	e.Packet(&packet.Packet{Time: 999e8 - 1, Proto: packet.ProtoUDP})
	if e.TimeWentBack() != 1 {
		t.Error("what is a second older than what was passed has not gone back")
	}
}
