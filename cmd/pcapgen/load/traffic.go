package load

import (
	"net/netip"

	"wormscope/cmd/pcapgen/wire"
)

// flow is one TCP connection.
type flow struct {
	client, server netip.AddrPort
	seq, ack       uint32
	left           int // data packets until it ends
	tags           uint8
	smb            bool   // a file transfer by SMB1
	rest           [2]int // of the message under way, from client and server
}

// event is a TCP control packet that waits for its turn.
type event struct {
	flow   flow
	flags  uint8
	answer bool // from the server
	opens  bool // the flow carries data from now on
}

// newFlow draws a connection: an inside client, and a server on the internet or
// inside. Now and then the server is one that the feed has.
func (g *generator) newFlow() flow {
	k := g.rand.Uint64N(60_000)
	v6 := k%11 == 0
	client := inside(k, v6)
	server := inside(g.rand.Uint64N(300)+1<<20, v6)
	if g.rand.IntN(10) < 7 {
		server = g.outside(v6)
	}
	if g.opened++; g.opened%50 == 0 && g.opened/50 <= Planted {
		if bad := badAddress(plantedIndex(g.opened/50 - 1)); bad.Is4() == client.Is4() {
			server = bad
		} else {
			client, server = inside(k, bad.Is6()), bad
		}
	}
	ports := [...]uint16{443, 443, 443, 80, 443, 8080, 993, 445, 25, 1433}
	port := ports[g.rand.IntN(len(ports))]
	transfer := g.mix.smb > 0 && g.rand.IntN(10) < g.mix.smb
	if transfer {
		port = 445
	}
	return flow{
		smb:    transfer,
		client: netip.AddrPortFrom(client, uint16(32768+g.rand.UintN(28000))),
		server: netip.AddrPortFrom(server, port),
		seq:    g.rand.Uint32(), ack: g.rand.Uint32(),
		left: 1 + int(g.rand.ExpFloat64()*40),
		tags: tagsOf(client),
	}
}

// outside draws a host of the ordinary internet.
func (g *generator) outside(v6 bool) netip.Addr {
	k := g.rand.Uint64N(20_000)
	if v6 {
		return address6(k, 1)
	}
	return cleanAddress(k*20 + 1)
}

// data writes a data segment, or an acknowledgement, of some flow.
func (g *generator) data() {
	k := g.rand.IntN(len(g.flows))
	f := &g.flows[k]
	size := g.mix.size(g.rand)
	payload, answer := g.payload(size), g.rand.IntN(3) > 0
	if f.smb {
		payload = g.transfer(f, answer, size)
	}
	g.segment(f, wire.ACK|wire.PSH, answer, payload)
	if f.left--; f.left > 0 {
		return
	}
	g.control.push(event{flow: *f, flags: wire.FIN | wire.ACK})
	g.control.push(event{flow: *f, flags: wire.FIN | wire.ACK, answer: true})
	next := g.newFlow()
	g.control.push(event{flow: next, flags: wire.SYN})
	g.control.push(event{flow: next, flags: wire.SYN | wire.ACK, answer: true, opens: true})
	g.flows[k] = g.flows[len(g.flows)-1]
	g.flows = g.flows[:len(g.flows)-1]
}

// Sizes of an SMB1 message, and what a client of its time reads or writes at once.
const (
	smbHeads   = 4 + 32 + 27 // NetBIOS, header, words of READ_ANDX and WRITE_ANDX
	smbPortion = 60 << 10
)

// transfer is the next part of a file that is read or written by SMB1: messages
// of 60 KB over many segments, each with its heads (MS-CIFS 2.2.4.42 and 43).
func (g *generator) transfer(f *flow, answer bool, size int) []byte {
	side, command, flags := 0, byte(0x2f), byte(0x18)
	if answer {
		side, command, flags = 1, 0x2e, 0x98
	}
	if size < smbHeads {
		return nil
	}
	if f.rest[side] > 0 {
		size = min(size, f.rest[side])
		f.rest[side] -= size
		return g.payload(size)
	}
	b := append([]byte(nil), g.payload(size)...)
	total := smbHeads - 4 + smbPortion
	copy(b, []byte{0, byte(total >> 16), byte(total >> 8), byte(total & 0xff), 0xff, 'S', 'M', 'B', command, 0, 0, 0, 0, flags, 0x07, 0xc8})
	clear(b[16:smbHeads])
	b[36] = 12 // words
	f.rest[side] = total + 4 - size
	return b
}

// handshake writes a control packet.
func (g *generator) handshake(e event) {
	g.segment(&e.flow, e.flags, e.answer, nil)
	if e.opens {
		e.flow.seq++
		e.flow.ack++
		g.flows = append(g.flows, e.flow)
	}
}

// segment writes a TCP segment of a flow and moves its sequence numbers.
func (g *generator) segment(f *flow, flags uint8, answer bool, payload []byte) {
	src, dst := f.client, f.server
	t := wire.TCP{Flags: flags, Seq: f.seq, Ack: f.ack, Window: 501}
	if answer {
		src, dst = dst, src
		t.Seq, t.Ack = f.ack, f.seq
		f.ack += uint32(len(payload))
	} else {
		f.seq += uint32(len(payload))
	}
	switch flags {
	case wire.SYN:
		t.Ack = 0
		t.Options = synOptions[:]
	case wire.SYN | wire.ACK:
		t.Ack++
		t.Options = synOptions[:]
	}
	g.frame(src.Addr(), dst.Addr(), f.tags)
	g.buf = wire.AppendTCPPacket(g.buf, src, dst, g.envelope(), t, payload)
	g.done()
}

// synOptions are a maximum segment size, a window scale and selective
// acknowledgements.
var synOptions = [...]byte{2, 4, 5, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2} //nolint:gochecknoglobals // a constant

// sweep writes a SYN to port 445 from one of a few hundred hosts. One in five
// is accepted, one in ten refused.
func (g *generator) sweep() {
	k := g.rand.IntN(len(g.scanners))
	src := g.scanners[k]
	f := flow{client: netip.AddrPortFrom(src, uint16(32768+g.rand.UintN(28000))), seq: g.rand.Uint32(), ack: g.rand.Uint32(), tags: tagsOf(src)}
	target := inside(g.rand.Uint64N(1<<20), !src.Is4())
	if k%2 == 1 {
		target = g.outside(!src.Is4())
	}
	f.server = netip.AddrPortFrom(target, 445)
	g.segment(&f, wire.SYN, false, nil)
	switch f.seq++; g.rand.IntN(10) {
	case 0, 1:
		f.seq--
		g.control.push(event{flow: f, flags: wire.SYN | wire.ACK, answer: true})
	case 2:
		g.control.push(event{flow: f, flags: wire.RST | wire.ACK, answer: true})
	}
}

// answer is a DNS answer that waits for its turn.
type answer struct {
	client, resolver netip.AddrPort
	message          wire.DNS
	tags             uint8
}

// answersWaiting is about how many DNS answers wait at a time.
const answersWaiting = 8

// dns writes a query or an answer.
func (g *generator) dns() {
	if g.answers.len() > answersWaiting && g.rand.IntN(16) > 0 || g.answers.len() > 0 && g.rand.IntN(2) == 0 {
		a := g.answers.pop()
		g.datagram(a.resolver, a.client, a.tags, a.message.Append(nil))
		return
	}
	k := g.rand.Uint64N(60_000)
	v6 := k%11 == 0
	client := inside(k, v6)
	name := cleanName(g.names.Uint64())
	if g.queries++; g.queries%g.every == 0 && g.queries/g.every <= Planted {
		name = badName(plantedIndex(g.queries/g.every - 1))
	}
	a := answer{
		client:   netip.AddrPortFrom(client, uint16(32768+g.rand.UintN(28000))),
		resolver: netip.AddrPortFrom(inside(g.rand.Uint64N(4)+1<<21, v6), 53),
		tags:     tagsOf(client),
		message:  wire.DNS{ID: uint16(g.rand.Uint32()), Flags: wire.RD, Name: name, Type: wire.TypeA},
	}
	g.datagram(a.client, a.resolver, a.tags, a.message.Append(nil))
	a.message.Flags |= wire.QR | wire.RA
	if g.rand.IntN(10) == 0 {
		a.message.Flags |= wire.NXDomain
	} else {
		a.message.Answers = []wire.Record{{Type: wire.TypeA, TTL: 300, Addr: cleanAddress(g.rand.Uint64N(20_000)*20 + 1)}}
	}
	g.answers.push(a)
}

// datagram writes a UDP packet.
func (g *generator) datagram(src, dst netip.AddrPort, tags uint8, payload []byte) {
	g.frame(src.Addr(), dst.Addr(), tags)
	g.buf = wire.AppendUDPPacket(g.buf, src, dst, g.envelope(), payload)
	g.done()
}

// other writes UDP that is no DNS, or an echo.
func (g *generator) other() {
	k := g.rand.Uint64N(60_000)
	v6 := k%11 == 0
	client, server := inside(k, v6), g.outside(v6)
	tags := tagsOf(client)
	if g.rand.IntN(4) == 0 {
		m := wire.Message{Type: wire.EchoRequest, Rest: g.rand.Uint32(), Payload: g.payload(48)}
		if v6 {
			m.Type = wire.EchoRequest6
		}
		g.frame(client, server, tags)
		g.buf = wire.AppendICMPPacket(g.buf, client, server, g.envelope(), m)
		g.done()
		return
	}
	src := netip.AddrPortFrom(client, uint16(32768+g.rand.UintN(28000)))
	dst := netip.AddrPortFrom(server, [...]uint16{443, 443, 123, 161, 3478}[g.rand.IntN(5)])
	if g.rand.IntN(2) == 0 {
		src, dst = dst, src
	}
	g.datagram(src, dst, tags, g.payload(20+g.rand.IntN(g.mix.datagram)))
}
