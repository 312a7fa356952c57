package flow

import (
	"testing"

	"wormscope/capture/packet"
)

// TestKeptAlive: a byte that keeps a connection alive is no part of a stream,
// whether its beginning was seen or not.
func TestKeptAlive(t *testing.T) {
	const ack, push = packet.ACK, packet.ACK | packet.PSH
	for _, c := range []struct {
		what, want string
		play       func(b *bench)
	}{
		{"before the first data", "0:ab@2", func(b *bench) {
			b.send(false, ack, 99, 500, "\x00")
			b.send(false, push, 100, 500, "ab")
		}},
		{"from both ends", "0:ab@3 1:xy@4", func(b *bench) {
			b.send(false, ack, 99, 500, "\x00")
			b.send(true, ack, 499, 100, "\x00")
			b.send(false, push, 100, 500, "ab")
			b.send(true, push, 500, 102, "xy")
		}},
		{"again and again", "0:ab@3 0:cd@5", func(b *bench) {
			for range 2 {
				b.send(false, ack, 99, 500, "\x00")
			}
			b.send(false, push, 100, 500, "ab")
			b.send(false, ack, 101, 500, "\x00")
			b.send(false, push, 102, 500, "cd")
		}},
		{"after the opening", "0:ab@4", func(b *bench) {
			b.send(false, packet.SYN, 99, 0, "")
			b.send(true, packet.SYN|ack, 499, 100, "")
			b.send(false, ack, 99, 500, "\x00")
			b.send(false, push, 100, 500, "ab")
		}},
		{"a byte that is meant", "0:a@1 0:b@2", func(b *bench) {
			b.send(false, push, 100, 500, "a")
			b.send(false, ack, 101, 500, "b")
		}},
	} {
		b := newBench(Config{})
		c.play(b)
		if got := b.transcript(); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
