package dns

import (
	"reflect"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect/flow"

	"github.com/miekg/dns"
)

// FuzzCuts: connections of any bytes say the same, of the same frames, however
// their segments are cut.
func FuzzCuts(f *testing.F) {
	q := query(1, "bad.example", dns.TypeA)
	asked, told := framed(wire(f, q)), framed(wire(f, reply(f, q, 0, "bad.example. 60 CNAME c.example.", "c.example. 60 A 203.0.113.66")))
	f.Add(asked, told, []byte{255}, []byte{0})
	f.Add(append(asked, asked...), append(told, told...), []byte{20, 9, 7}, []byte{3, 0, 200})
	f.Fuzz(func(t *testing.T, client, server, turns, cuts []byte) {
		// Of a longer message that is cut, only the beginning is read.
		if len(turns) == 0 || len(cuts) == 0 || max(len(client), len(server)) > maxHeld {
			return
		}
		want, whole := converse(t, client, server, turns, nil)
		got, pieces := converse(t, client, server, turns, cuts)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("in pieces it says\n%s\n%+v\nin whole segments\n%s\n%+v", got.lines(), got.facts, want.lines(), want.facts)
		}
		if pieces != whole {
			t.Errorf("in pieces it counts\n%+v\nin whole segments\n%+v", pieces, whole)
		}
	})
}

// converse gives a detector two streams, of which the ends send so much in turn, in
// pieces if there are cuts. Pieces of a segment come at its time, with its number.
func converse(t *testing.T, toServer, toClient, turns, cuts []byte) (recorder, Stats) {
	t.Helper()
	b := newBench(t, Config{})
	b.syn(client, resolver, 99)
	accepts := b.packet(resolver, client, nil)
	accepts.Proto, accepts.Flags, accepts.Seq, accepts.Ack = packet.ProtoTCP, packet.SYN|packet.ACK, 99, 100
	b.Packet(accepts)
	streams, seq, piece := [2][]byte{toServer, toClient}, [2]uint32{100, 100}, 0
	for i := 0; len(streams[0])+len(streams[1]) > 0; i++ {
		side := i & 1
		src, dst := client, resolver
		if side == 1 {
			src, dst = dst, src
		}
		turn := min(len(streams[side]), 1+8*int(turns[i%len(turns)]))
		now, number := b.now, b.number
		for said := streams[side][:turn]; len(said) > 0; {
			n := len(said)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[piece%len(cuts)]))
				piece++
			}
			b.now, b.number = now, number
			b.tcp(src, dst, seq[side], said[:n])
			seq[side] += uint32(n)
			said = said[n:]
		}
		streams[side] = streams[side][turn:]
	}
	b.Close(b.now)
	s := b.Stats()
	s.Flows = flow.Stats{}
	return b.recorder, s
}
