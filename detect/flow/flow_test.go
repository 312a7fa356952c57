package flow

import (
	"net/netip"
	"testing"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// TestTranscripts sends the segments of connections in every order that a tap shows, and
// compares what the consumer is given.
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
		{"reset behind a FIN that was lost", "0:a@4 close", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(false, rst, 102, 500, "")
			b.wait(61 * second)
		}},
		{"reset two bytes on", "0:a@4 0:b@6", func(b *bench) {
			open(b)
			b.send(false, ack, 100, 500, "a")
			b.send(false, rst, 103, 500, "")
			b.wait(61 * second)
			b.send(false, ack, 101, 500, "b")
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

// TestClockSetBack sets the clock back by an hour behind a connection, and sends
// data of another one on the same ports: they are no longer of the first.
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
