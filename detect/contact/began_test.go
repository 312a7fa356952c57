package contact

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
)

// TestLowPortOfTheHost has datagrams from a port below 1024 of the host, which
// may be an answer to a question that the capture lost, and may be a call.
func TestLowPortOfTheHost(t *testing.T) {
	ntp, far := ap("10.0.0.9:123"), ap("203.0.113.66:51820")
	for _, c := range []struct {
		what     string
		play     func(b *bench)
		want     string
		answered bool
	}{
		{"the host comes first, and again", func(b *bench) {
			b.udp(ntp, far, 50)
			b.udp(far, ntp, 500)
			b.now += 70 * second
			b.udp(ntp, far, 50)
		}, `
			start 10.0.0.9 attempted by unknown n=1 sev=25 10.0.0.9:123>203.0.113.66:51820 50/0 guessed
			update 10.0.0.9 established by unknown n=1 sev=75 10.0.0.9:123>203.0.113.66:51820 50/500 guessed
			end 10.0.0.9 established by unknown n=2 sev=75 10.0.0.9:123>203.0.113.66:51820 100/500 guessed`, false},
		{"the peer asked before", func(b *bench) {
			b.udp(far, ntp, 48)
			b.udp(ntp, far, 48)
			b.udp(ntp, ap("203.0.113.66:51821"), 48)
		}, `
			start 10.0.0.9 attempted by peer n=1 sev=25 203.0.113.66:51820>10.0.0.9:123 48/0
			update 10.0.0.9 established by peer n=1 sev=50 203.0.113.66:51820>10.0.0.9:123 48/48
			end 10.0.0.9 established by peer n=2 sev=50 203.0.113.66:51820>10.0.0.9:123 48/96`, true},
		{"the peer asked before, on another port", func(b *bench) {
			b.udp(far, ap("10.0.0.9:53"), 48)
			b.udp(ntp, far, 48)
		}, `
			start 10.0.0.9 attempted by peer n=1 sev=25 203.0.113.66:51820>10.0.0.9:53 48/0
			update 10.0.0.9 attempted by unknown n=2 sev=25 10.0.0.9:123>203.0.113.66:51820 48/48 guessed
			end 10.0.0.9 attempted by unknown n=2 sev=25 10.0.0.9:123>203.0.113.66:51820 48/48 guessed`, false},
		{"the peer called a high port before, and the host breaks the silence", func(b *bench) {
			tunnel := ap("10.0.0.9:51820")
			b.udp(far, tunnel, 148)
			b.udp(tunnel, far, 92)
			b.now += 70 * second
			b.udp(tunnel, far, 32)
			b.udp(far, tunnel, 32)
		}, `
			start 10.0.0.9 attempted by peer n=1 sev=25 203.0.113.66:51820>10.0.0.9:51820 148/0
			update 10.0.0.9 established by peer n=1 sev=50 203.0.113.66:51820>10.0.0.9:51820 148/92
			end 10.0.0.9 established by peer n=2 sev=50 203.0.113.66:51820>10.0.0.9:51820 180/124`, true},
		{"the peer calls a service from a low port", func(b *bench) {
			from, service := ap("203.0.113.66:443"), ap("10.0.0.9:1900")
			b.udp(from, service, 50)
			b.udp(service, from, 300)
		}, `
			start 10.0.0.9 attempted by peer n=1 sev=25 203.0.113.66:443>10.0.0.9:1900 50/0
			update 10.0.0.9 established by peer n=1 sev=50 203.0.113.66:443>10.0.0.9:1900 50/300
			end 10.0.0.9 established by peer n=1 sev=50 203.0.113.66:443>10.0.0.9:1900 50/300`, true},
		{"an echo reply alone", func(b *bench) { b.echo(us.Addr(), bad.Addr(), 0) }, `
			start 10.0.0.9 attempted by unknown n=1 sev=25 10.0.0.9:0>203.0.113.66:0 56/0 guessed
			end 10.0.0.9 attempted by unknown n=1 sev=25 10.0.0.9:0>203.0.113.66:0 56/0 guessed`, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			c.play(b)
			b.expect(c.want)
			if last := b.alerts[len(b.alerts)-1].Evidence.Contact; last.Answered != c.answered {
				t.Errorf("answered is %v", last.Answered)
			}
		})
	}
}

// TestAnswers has what a host says to a peer that calls, beside data.
func TestAnswers(t *testing.T) {
	from, to := ap("203.0.113.66:5555"), ap("10.0.0.9:445")
	for _, c := range []struct {
		flags             packet.Flags
		answered, refused bool
	}{{synAck, true, false}, {rst, false, true}, {ack, true, false}} {
		b := newBench(t, Config{})
		b.tcp(from, to, syn, 99, 0)
		b.tcp(to, from, c.flags, 499, 0)
		b.Close(b.now)
		last := b.alerts[len(b.alerts)-1]
		if e := last.Evidence.Contact; e.Answered != c.answered || e.Refused != c.refused || e.Initiator != "peer" {
			t.Errorf("flags %v: %s, answered %v", c.flags, line(last), e.Answered)
		}
	}
}

// TestClosingIsNoByte closes connections: a FIN has a sequence number, which
// what is acknowledged or sent after it counts.
func TestClosingIsNoByte(t *testing.T) {
	b := newBench(t, Config{})
	fin := packet.FIN | packet.ACK
	b.tcp(us, bad, syn, 99, 0)
	b.tcp(bad, us, synAck, 499, 0)
	b.tcp(us, bad, ack, 100, 0)
	b.tcp(us, bad, ack, 100, 10)
	b.tcp(bad, us, fin, 500, 0)
	b.tcp(us, bad, fin, 110, 5) // with the last data
	b.tcp(us, bad, fin, 110, 5) // retransmitted
	b.tcp(bad, us, ack, 501, 0)
	b.tcp(us, bad, ack, 116, 0)
	b.Close(b.now)
	if c := b.alerts[len(b.alerts)-1].Evidence.Contact; c.BytesOrig != 15 || c.BytesResp != 0 {
		t.Errorf("%d and %d bytes, want 15 and 0", c.BytesOrig, c.BytesResp)
	}
}

// TestOnBehalf has hosts that are not known as resolvers and ask a name server
// that is an indicator.
func TestOnBehalf(t *testing.T) {
	const desired = 0x0100
	query := func(flags uint16) []byte {
		m := binary.BigEndian.AppendUint16([]byte{0xbe, 0xef}, flags)
		m = append(m, 0, 1, 0, 0, 0, 0, 0, 1) // a question and EDNS
		return append(m, "\x03bad\x07example\x00\x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"...)
	}
	overTCP := func(m []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...) }
	server := ap("203.0.113.66:53")
	for _, c := range []struct {
		what string
		udp  [][]byte
		tcp  [][]byte
		want bool
	}{
		{"iterative", [][]byte{query(0), query(0x10)}, nil, true},
		{"iterative, then over TCP", [][]byte{query(0)}, [][]byte{overTCP(query(0))}, true},
		{"the length in a segment of its own", nil, [][]byte{{0, 40}, query(0)}, true},
		{"recursion desired", [][]byte{query(desired)}, nil, false},
		{"both", [][]byte{query(0), query(desired)}, nil, false},
		{"no question", [][]byte{make([]byte, 40)}, nil, false},
		{"an answer", [][]byte{query(0x8000)}, nil, false},
		{"no DNS", [][]byte{query(0)}, [][]byte{[]byte("\x01\x00hello, this is no message")}, false},
		{"a SYN alone", nil, [][]byte{nil}, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			for i, m := range c.udp {
				p := b.packet(packet.ProtoUDP, netip.AddrPortFrom(us.Addr(), uint16(40000+i)), server, len(m))
				p.Payload = m
				b.Packet(p)
			}
			if c.tcp != nil {
				b.tcp(us, server, syn, 99, 0)
			}
			for _, m := range c.tcp {
				p := b.packet(packet.ProtoTCP, us, server, len(m))
				p.Flags, p.Seq, p.Payload = ack, 100, m
				b.Packet(p)
			}
			b.Close(b.now)
			if got := b.alerts[len(b.alerts)-1].Evidence.Contact.OnBehalf; got != c.want {
				t.Errorf("on behalf is %v, want %v", got, c.want)
			}
		})
	}
}

// TestMiddleOfAConnection has connections whose beginning was not captured, at ports
// that are known to be served, or not.
func TestMiddleOfAConnection(t *testing.T) {
	for _, c := range []struct {
		host, peer string
		want       string
	}{
		{"10.0.0.9:8443", "203.0.113.66:51000", "peer"},
		{"10.0.0.9:3389", "203.0.113.66:1300", "peer"},
		{"10.0.0.9:51000", "203.0.113.66:8080", "host"},
		{"10.0.0.9:8443", "203.0.113.66:443", "unknown"},
		{"10.0.0.9:4444", "203.0.113.66:51000", "unknown"},
	} {
		for _, first := range []end{host, peer} {
			b := newBench(t, Config{})
			ends := [2]netip.AddrPort{ap(c.host), ap(c.peer)}
			for i := range 4 {
				from := (int(first) + i) % 2
				b.tcp(ends[from], ends[1-from], ack, uint32(100+i*50), 50)
			}
			b.Close(b.now)
			last := b.alerts[len(b.alerts)-1]
			if e := last.Evidence.Contact; e.Initiator != c.want || !e.TransportGuess || e.State != alert.ContactEstablished {
				t.Errorf("%s and %s: %s, want by %s", c.host, c.peer, line(last), c.want)
			}
		}
	}
}
