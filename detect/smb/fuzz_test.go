package smb

import (
	"reflect"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
)

// FuzzCuts: a conversation of any bytes says the same, of the same frames, however
// its segments are cut.
func FuzzCuts(f *testing.F) {
	f.Add(frame(order(65, ping)), frame(implantSays(65, 0x10, 0x50)), []byte{255, 255}, []byte{3})
	f.Add(frame(ntTrans(64, 0, 66512, 900)), frame(fail(0x32, 64, 0xC000000D)), []byte{9, 200}, []byte{6, 1, 200})
	f.Add(frame(pipe(7, 0x23, 0)), frame(fail(0x25, 7, 0xC0000205)), []byte{100}, []byte{0, 1})
	f.Add(append(frame(pipe(7, 0x23, 0)), frame(order(9, ping))...), append(frame(fail(0x25, 7, 0xC0000205)), frame(implantSays(9, 0x10, 0x50))...), []byte{12, 12, 30}, []byte{2})
	f.Fuzz(func(t *testing.T, client, server, turns, cuts []byte) {
		if len(turns) == 0 || len(turns) > 64 || len(cuts) == 0 {
			return
		}
		say := func(cut bool) (*recorder, Stats) {
			rec := &recorder{}
			d := New(rec, Config{})
			e := detect.NewEngine(d)
			for _, p := range exchange(client, server, turns, cuts, cut) {
				e.Packet(&p)
			}
			e.Close()
			return rec, d.Stats()
		}
		want, whole := say(false)
		got, pieces := say(true)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("in pieces it says\n%+v\nin whole segments\n%+v", *got, *want)
		}
		if !reflect.DeepEqual(pieces, whole) {
			t.Errorf("in pieces it counts\n%+v\nin whole segments\n%+v", pieces, whole)
		}
	})
}

// exchange makes packets of two streams, of which the ends send so much in turn.
// Pieces of a segment come at its time, with its number.
func exchange(client, server, turns, cuts []byte, cut bool) []packet.Packet {
	k := newTalk(2000).open()
	piece := 0
	for i := 0; len(client)+len(server) > 0; i++ {
		rest := &client
		if i&1 == 1 {
			rest = &server
		}
		turn := min(len(*rest), 1+8*int(turns[i%len(turns)]))
		now, number := k.now, uint64(4+i)
		for b := (*rest)[:turn]; len(b) > 0; {
			n := len(b)
			if cut {
				n = min(n, 1+int(cuts[piece%len(cuts)]))
				piece++
			}
			k.now = now
			k.send(i&1, packet.ACK, b[:n])
			k.packets[len(k.packets)-1].Number = number
			b = b[n:]
		}
		*rest = (*rest)[turn:]
	}
	return k.packets
}

// FuzzConversation: no bytes make the detector panic, from either end, and
// what it says is complete.
func FuzzConversation(f *testing.F) {
	f.Add(frame(order(65, ping)), frame(implantSays(65, 0x10, 0x50)), uint16(100))
	f.Add(frame(ntTrans(64, 0, 66512, 900)), frame(fail(0x32, 64, 0xC000000D)), uint16(7))
	f.Add(frame(pipe(7, 0x23, 0)), frame(fail(0x25, 7, 0xC0000205)), uint16(1))
	f.Fuzz(func(t *testing.T, client, server []byte, chunk uint16) {
		k := newTalk(2000)
		for n := int(chunk)%1400 + 1; len(client)+len(server) > 0; {
			a, b := min(n, len(client)), min(n, len(server))
			k.send(0, packet.ACK, client[:a])
			k.send(1, packet.ACK, server[:b])
			client, server = client[a:], server[b:]
		}
		rec := run(k.packets)
		open := map[string]bool{}
		for _, a := range rec.alerts {
			if !a.Host.IsValid() || a.Evidence.SMB == nil || a.ID == "" || open[a.ID] == (a.Phase == alert.PhaseStart) {
				t.Fatalf("an alert without a host, evidence or ID, or not in its turn: %+v", a)
			}
			open[a.ID] = a.Phase != alert.PhaseEnd
		}
	})
}
