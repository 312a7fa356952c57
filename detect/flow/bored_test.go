package flow

import (
	"testing"

	"wormscope/capture/packet"
)

// TestBored: a consumer that is bored is spared segments that are dull, of the
// direction in which it is, until it was told something else.
func TestBored(t *testing.T) {
	var b *bench
	b = newBench(Config{
		Bored: func(c Consumer, dir Dir) bool { return c == b.opened[0] && dir == FromOrig },
		Dull:  func(b []byte) bool { return b[0] == '.' },
	})
	for i, step := range []struct {
		fromServer bool
		seq        uint32
		data       string
	}{
		{false, 100, ".1"}, // not known to be bored yet
		{false, 102, ".2"},
		{true, 500, ".3"},
		{true, 502, ".4"},
		{false, 104, "5"},
		{false, 105, ".6"},
		{false, 109, ".9"}, // out of order
		{false, 107, ".8"},
		{false, 107 + 1<<30, ".a"}, // far ahead: a gap
		{false, 109 + 1<<30, ".b"},
	} {
		b.send(step.fromServer, packet.ACK, step.seq, 0, step.data)
		if i == 8 {
			b.Tick(b.now + 10*second)
		}
	}
	b.Close()
	if got, want := b.transcript(), "0:.1@1 1:.3@3 1:.4@4 0:5@5 0:.8@8 0:.9@7 0:gap 1073741820 0:.a@9 close"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}
