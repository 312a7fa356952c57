package detect

import (
	"slices"
	"testing"

	"wormscope/capture/packet"
)

// recorder is a Detector that writes down what it was called with.
type recorder struct {
	wants  Kind
	seen   []packet.Proto
	ticks  []int64
	closed int
}

func (r *recorder) Wants() Kind             { return r.wants }
func (r *recorder) Packet(p *packet.Packet) { r.seen = append(r.seen, p.Proto) }
func (r *recorder) Tick(now int64)          { r.ticks = append(r.ticks, now) }
func (r *recorder) Close(int64)             { r.closed++ }

func TestEngineGivesEachDetectorWhatItWants(t *testing.T) {
	packets := []packet.Packet{
		{Proto: packet.ProtoTCP, Flags: packet.SYN},
		{Proto: packet.ProtoTCP, Flags: packet.ACK | packet.PSH},
		{Proto: packet.ProtoTCP, Flags: packet.RST | packet.ACK},
		{Proto: packet.ProtoUDP},
		{Proto: packet.ProtoICMP},
		{Proto: packet.ProtoICMPv6},
		{Proto: 47},
	}
	tests := []struct {
		name  string
		wants Kind
		want  int
	}{
		{"all", AllKinds, 7},
		{"control", TCPControl, 2},
		{"data", TCPData, 1},
		{"udp and icmp", UDP | ICMP, 3},
		{"other", Other, 1},
		{"nothing", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{wants: tt.wants}
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

func TestEngineTimeNeverGoesBack(t *testing.T) {
	const second = int64(1e9)
	r := &recorder{wants: AllKinds}
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

func TestEngineAllocatesNothing(t *testing.T) {
	e := NewEngine(&recorder{wants: 0})
	p := &packet.Packet{Proto: packet.ProtoTCP}
	if n := testing.AllocsPerRun(100, func() { p.Time += 5e8; e.Packet(p) }); n > 0.5 {
		t.Errorf("%v allocations a packet", n)
	}
}
