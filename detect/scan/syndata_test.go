package scan

import (
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// synData lets the detector see a SYN that carries so many bytes, as that of
// TCP Fast Open does, or of nmap --data-length.
func (b *bed) synData(src, dst string, seq uint32, bytes int) {
	b.engine.Packet(&packet.Packet{
		Time: begin.Add(b.now).UnixNano(), Src: ip.FromPort(port(ad(src), 40000)), Dst: ip.FromPort(port(ad(dst), 445)),
		Proto: packet.ProtoTCP, Flags: packet.SYN, Seq: seq, PayloadLen: bytes,
	})
}

// TestSYNData shows which acknowledgements of a SYN with 100 bytes are answers
// to it: those of any part of the data.
func TestSYNData(t *testing.T) {
	const server = "10.9.0.1"
	synack, rst := packet.SYN|packet.ACK, packet.RST|packet.ACK
	for _, c := range []struct {
		name  string
		seq   uint32
		bytes int // of the SYN
		flags packet.Flags
		ack   uint32
		want  outcome
	}{
		{"all of it, SYN-ACK", isn, 100, synack, isn + 101, answered},
		{"all of it, RST", isn, 100, rst, isn + 101, refused},
		{"none of it", isn, 100, synack, isn + 1, answered},
		{"numbers that wrap", 1<<32 - 50, 100, synack, 51, answered},
		{"what comes before", isn, 100, synack, isn, silent},
		{"more than any frame", isn, 100, synack, isn + 1 + maxData + 1, silent},
		{"a SYN without data", isn, 0, synack, isn + 101, silent},
	} {
		b := newBed(t, Config{})
		b.whole()
		b.synData(worm, server, c.seq, c.bytes)
		b.send(port(ad(server), 445), port(ad(worm), 40000), c.flags, 0, c.ack)
		b.wait(6 * time.Second)
		if got := b.outcomeOf(worm, server, 445); got != c.want {
			t.Errorf("%s: outcome %d, want %d", c.name, got, c.want)
		}
	}
	t.Run("a later SYN", func(t *testing.T) {
		b := newBed(t, Config{})
		b.whole()
		b.synData(worm, server, isn, 0)
		b.synData(worm, server, isn+7777, 100)
		b.send(port(ad(server), 445), port(ad(worm), 40000), synack, 0, isn+7777+101)
		if got := b.outcomeOf(worm, server, 445); got != answered {
			t.Errorf("outcome %d, want answered", got)
		}
	})
	t.Run("answered before", func(t *testing.T) {
		for bytes, want := range map[int]outcome{100: answered, 99: silent} {
			b := newBed(t, Config{})
			b.whole()
			b.send(port(ad(server), 445), port(ad(worm), 40000), synack, 0, isn+101)
			b.synData(worm, server, isn, bytes)
			b.wait(6 * time.Second)
			if got := b.outcomeOf(worm, server, 445); got != want {
				t.Errorf("%d bytes: outcome %d, want %d", bytes, got, want)
			}
		}
	})
}
