package smb

import (
	"net/netip"
	"testing"

	"wormscope/detect/alert"
)

// TestWordOfOneEnd: what one end says is not held against the other, from which nothing of
// the kind is in the capture, where that would show it: anyone can answer what nobody
// asked, and send orders to a host that has no implant, or is not there at all.
func TestWordOfOneEnd(t *testing.T) {
	client, server := netip.MustParseAddr(clientIP), netip.MustParseAddr(serverIP)
	exploited := func(k *talk) {
		k.tell(fail(0xA0, 64, 0))
		k.tell(fail(0x32, 64, 0xC000000D))
	}
	implanted := func(k *talk) {
		k.tell(implantSays(65, 0x10, 0x50))
		for range payloadParts {
			k.tell(implantSays(66, 0x10, 0))
		}
	}
	orders := func(k *talk) {
		for range payloadParts {
			k.ask(order(66, 0xC8))
		}
	}
	for _, c := range []struct {
		name    string
		accused netip.Addr
		play    func(*talk)
	}{
		{"replies to a client that asked nothing", client, exploited},
		{"replies to a client that asked for something else", client, func(k *talk) {
			k.ask(trans(0x32, 3, 0, 0, 0, 5))
			exploited(k)
		}},
		{"replies of an implant to a client that asked nothing", client, implanted},
		{"orders to a server that does not answer", server, orders},
		{"orders to a server that has no implant", server, func(k *talk) {
			for range payloadParts {
				k.ask(order(66, 0xC8))
				k.tell(fail(0x32, 66, 0xC0000002))
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(2000).open()
			c.play(k)
			k.now += 2 * replyWait
			k.send(0, 0, nil) // so that time passes
			rec := &recorder{}
			d := New(rec, Config{BothWays: func() bool { return true }})
			for i := range k.packets {
				d.Packet(&k.packets[i])
				d.Tick(k.packets[i].Time)
			}
			d.Close(k.now)
			for _, f := range rec.facts {
				switch f.Kind {
				case alert.FactExploitSent, alert.FactImplanted:
					if f.Host == c.accused {
						t.Errorf("%s of %v is believed", f.Kind, f.Host)
					}
				case alert.FactExecuted, alert.FactPayload: // the peer sent it
					if f.Host == c.accused || f.Peer == c.accused {
						t.Errorf("%s of %v, by %v, is believed", f.Kind, f.Host, f.Peer)
					}
				default:
				}
			}
			if len(rec.alerts) == 0 {
				t.Error("it is not told at all")
			}
		})
	}
}
