package scan

import (
	"slices"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// TestAhead tells a detector of all segments ahead, and of many that never come, and
// wants the same alerts and statistics as of one that is told of none.
func TestAhead(t *testing.T) {
	beds := [2]*bed{newBed(t, Config{}), newBed(t, Config{})}
	for told, b := range beds {
		for n := range 3000 {
			src, dst := nth("10.1.0.1", n%7), nth("10.2.0.1", n)
			if n%3 == 0 {
				src = nth("2001:db8::1", n%50) // outside
			}
			if told == 1 {
				for _, f := range []packet.Flags{packet.SYN, packet.SYN | packet.ACK, packet.RST} {
					b.d.Ahead(ip.FromPort(port(src, 40000)), ip.FromPort(port(dst, 445)), f)
					b.d.Ahead(ip.FromPort(port(dst, 445)), ip.FromPort(port(src, 40000)), f)
					b.d.Ahead(ip.FromPort(port(nth("fd00::1", n), 1)), ip.FromPort(port(nth("192.0.2.1", n), 2)), f)
				}
			}
			b.try(src, dst, 445, outcome(n%3))
			b.wait(20 * time.Millisecond)
		}
		b.engine.Close()
	}
	want, got := summaries(beds[0].rec.alerts), summaries(beds[1].rec.alerts)
	if len(want) < 7 || !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := beds[1].d.Stats(), beds[0].d.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	d := beds[0].d
	src, dst := ip.FromPort(port(ad("10.1.0.1"), 1)), ip.FromPort(port(ad("10.1.0.2"), 445))
	if n := testing.AllocsPerRun(100, func() { d.Ahead(src, dst, packet.SYN); d.Ahead(dst, src, packet.RST) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
