package dns

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"wormscope/capture/packet"

	"github.com/miekg/dns"
)

// framed returns messages as they stand in a TCP stream.
func framed(messages ...[]byte) (b []byte) {
	for _, m := range messages {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
	}
	return b
}

// tcp sends pieces of a stream.
func (b *bench) tcp(src, dst netip.AddrPort, seq uint32, pieces ...[]byte) {
	for _, piece := range pieces {
		p := b.packet(src, dst, piece)
		p.Proto, p.Flags, p.Seq = packet.ProtoTCP, packet.ACK, seq
		b.Packet(p)
		seq += uint32(len(piece))
	}
}

func (b *bench) syn(src, dst netip.AddrPort, seq uint32) {
	p := b.packet(src, dst, nil)
	p.Proto, p.Flags, p.Seq = packet.ProtoTCP, packet.SYN, seq
	b.Packet(p)
}

// TestTCPAnyCut cuts a stream of three messages at every two places.
func TestTCPAnyCut(t *testing.T) {
	stream := framed(wire(t, query(1, "bad.example", dns.TypeA)), wire(t, query(2, "good.example", dns.TypeA)), wire(t, query(3, "tor.example", dns.TypeA)))
	b := newBench(t, Config{})
	for i := 0; i <= len(stream); i++ {
		for j := i; j <= len(stream); j++ {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i), byte(j)}), 40000)
			queries, alerts := b.Stats().Queries, len(b.alerts)
			b.syn(from, resolver, 99)
			b.tcp(from, resolver, 100, stream[:i], stream[i:j], stream[j:])
			queries, alerts = b.Stats().Queries-queries, len(b.alerts)-alerts
			if queries != 3 || alerts != 2 || b.buffered != 0 {
				t.Fatalf("cut at %d and %d: %d queries, %d alerts, %d bytes held", i, j, queries, alerts, b.buffered)
			}
		}
	}
}

func TestTCPLosses(t *testing.T) {
	first := framed(wire(t, reply(t, query(1, "good.example", dns.TypeA), 0, "good.example. 1 TXT "+strings.Repeat("x", 200))))
	second := framed(wire(t, query(2, "bad.example", dns.TypeA)))
	b := newBench(t, Config{})
	b.syn(client, resolver, 99)
	b.tcp(client, resolver, 100, first[:100])
	b.tcp(client, resolver, 100+150, first[150:], second) // 50 bytes lost within a message
	b.Close(b.now)
	if len(b.alerts) != 2 || b.Stats().Flows.Gaps != 1 {
		t.Errorf("loss within a message: %d alerts, %+v", len(b.alerts), b.Stats())
	}

	b = newBench(t, Config{})
	b.tcp(client, resolver, 100, first[150:], second)
	if len(b.alerts) != 1 {
		t.Errorf("begun in the middle: %d alerts", len(b.alerts))
	}

	b = newBench(t, Config{})
	b.syn(client, resolver, 99)
	b.tcp(client, resolver, 100, first[:100])
	b.tcp(client, resolver, 100+uint32(len(first))+17, second) // more lost than the message
	b.Close(b.now)
	if len(b.alerts) != 2 {
		t.Errorf("loss of a boundary: %d alerts", len(b.alerts))
	}
}

func TestTCPLargeMessage(t *testing.T) {
	q := query(1, "bad.example", dns.TypeAXFR)
	large := wire(t, q)
	large = append(large, make([]byte, 60_000-len(large))...)
	binary.BigEndian.PutUint16(large[6:], 5000)
	stream := framed(large, wire(t, query(2, "tor.example", dns.TypeA)))
	b := newBench(t, Config{})
	b.syn(client, resolver, 99)
	for i := 0; i < len(stream); i += 1400 {
		b.tcp(client, resolver, 100+uint32(i), stream[i:min(i+1400, len(stream))])
		if b.buffered > maxHeld {
			t.Fatalf("%d bytes held", b.buffered)
		}
	}
	if len(b.alerts) != 2 || b.buffered != 0 {
		t.Errorf("%d alerts, %d bytes held", len(b.alerts), b.buffered)
	}
}

// TestTCPHeldInAll: however many connections leave a message unfinished, what is held
// of all of them stays bounded. Beyond, of a message that is read what is at hand.
func TestTCPHeldInAll(t *testing.T) {
	b := newBench(t, Config{})
	large := append(wire(t, query(1, "bad.example", dns.TypeAXFR)), make([]byte, 60_000)...)
	stream := framed(large[:60_000])[:maxHeld]
	for i := range maxHeldAll/maxHeld + 10 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 4000)
		b.syn(from, resolver, 99)
		b.tcp(from, resolver, 100, stream)
		if b.buffered > maxHeldAll {
			t.Fatalf("%d bytes held", b.buffered)
		}
	}
	if n := b.Stats().Queries; n != 10 {
		t.Errorf("%d messages were read, want the 10 beyond the bound", n)
	}
}

func TestTCPOtherProtocol(t *testing.T) {
	b := newBench(t, Config{})
	b.syn(client, resolver, 99)
	for i := range 100 {
		b.tcp(client, resolver, 100+uint32(i*15), []byte("\x00\x0dSSH-2.0-Go-ab"))
	}
	if s := b.Stats(); s.NotDNS != 1 || s.Queries+s.Responses > 3 {
		t.Errorf("a stream of something else is not given up: %+v", s)
	}
}

// FuzzStream takes any bytes as both directions of a connection and as
// datagrams.
func FuzzStream(f *testing.F) {
	f.Add(framed(wire(f, query(1, "bad.example", dns.TypeA))), uint8(7), true)
	f.Add(wire(f, reply(f, query(1, "bad.example", dns.TypeA), 0, "bad.example. 60 A 203.0.113.5")), uint8(200), false)
	f.Fuzz(func(t *testing.T, stream []byte, cut uint8, opened bool) {
		b := newBench(t, Config{})
		if opened {
			b.syn(client, resolver, 99)
		}
		n := 1 + int(cut)
		for at := 0; at < len(stream); at += n {
			piece := stream[at:min(at+n, len(stream))]
			switch {
			case at%5 == 4:
				continue
			case at%3 == 1:
				b.tcp(resolver, client, uint32(100+at), piece)
			default:
				b.tcp(client, resolver, uint32(100+at), piece)
			}
		}
		b.Packet(b.packet(client, resolver, stream))
		b.Close(b.now)
		if b.buffered != 0 || b.findings.Len() != 0 || len(b.perHost) != 0 {
			t.Fatalf("after Close: %d bytes, %d findings", b.buffered, b.findings.Len())
		}
	})
}

// TestTCPNoRoom: where connections that stop in the middle of a message have taken
// all the room for such, what comes behind its length is read as far as one segment
// has it.
func TestTCPNoRoom(t *testing.T) {
	b := newBench(t, Config{})
	b.buffered = maxHeldAll
	b.syn(client, resolver, 99)
	asked := framed(wire(t, query(1, "bad.example", dns.TypeA)))
	answer := framed(wire(t, reply(t, query(2, "good.example", dns.TypeA), 0, "good.example. 1 CNAME tor.example.", "good.example. 1 TXT "+strings.Repeat("x", 200))))
	stream := slices.Concat(asked, answer)
	b.tcp(client, resolver, 100, stream[:1], stream[1:2], stream[2:len(asked)], stream[len(asked):len(asked)+2], stream[len(asked)+2:len(asked)+100], stream[len(asked)+100:], asked)
	if got := b.Stats(); got.Queries != 2 || got.Responses != 1 || got.CutShort != 1 || got.Matches != 3 {
		t.Errorf("%d queries, %d responses, %d cut short, %d matches", got.Queries, got.Responses, got.CutShort, got.Matches)
	}
	if b.buffered != maxHeldAll {
		t.Errorf("%d bytes held, want those of before", b.buffered)
	}
	b.buffered = 0
}
