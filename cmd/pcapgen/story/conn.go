package story

import (
	"net/netip"
	"time"

	"wormscope/cmd/pcapgen/wire"
)

// A Conn is a TCP connection while it is told of. Its methods move its clock.
type Conn struct {
	n              *Net
	Client, Server netip.AddrPort
	seq, ack       uint32 // next of the client and of the server
	At             time.Duration
}

// segmentSize is the largest payload of a segment that fits IPv6, too.
const segmentSize = 1440

// synOptions are those of Windows 7: MSS, window scale, selective
// acknowledgements. The MSS fits the address family.
func synOptions(a netip.Addr) []byte {
	mss := byte(0xb4) // 1460
	if !a.Is4() {
		mss = 0xa0 // 1440
	}
	return []byte{2, 4, 5, mss, 1, 3, 3, 8, 1, 1, 4, 2}
}

// attempt has a client send a SYN and returns the connection as far as it got.
func (n *Net) attempt(at time.Duration, client netip.Addr, server netip.AddrPort) *Conn {
	c := &Conn{n: n, Client: n.Port(client), Server: server, At: at, seq: n.Rand.Uint32(), ack: n.Rand.Uint32()}
	c.syn(at)
	c.seq++
	return c
}

func (c *Conn) syn(at time.Duration) {
	c.n.segmentOut(at, c.Client, c.Server, wire.TCP{Flags: wire.SYN, Seq: c.seq, Window: 8192, Options: synOptions(c.Client.Addr())}, nil)
}

func (n *Net) segmentOut(at time.Duration, src, dst netip.AddrPort, t wire.TCP, payload []byte) {
	n.Send(at, src.Addr(), dst.Addr(), wire.AppendTCPPacket(nil, src, dst, n.envelope(src.Addr()), t, payload))
}

// Dial opens a connection that the server accepts.
func (n *Net) Dial(at time.Duration, client netip.Addr, server netip.AddrPort) *Conn {
	c := n.attempt(at, client, server)
	c.wait()
	n.segmentOut(c.At, server, c.Client, wire.TCP{Flags: wire.SYN | wire.ACK, Seq: c.ack, Ack: c.seq, Window: 8192, Options: synOptions(client)}, nil)
	c.ack++
	c.wait()
	c.fromClient(wire.ACK, nil)
	return c
}

// Refuse is an attempt that the server answers with a reset. As often as
// Windows does, the client tries again half a second later.
func (n *Net) Refuse(at time.Duration, client netip.Addr, server netip.AddrPort, tries int) {
	c := n.attempt(at, client, server)
	for try := range tries {
		if try > 0 {
			c.At += 500 * time.Millisecond
			c.seq--
			c.syn(c.At)
			c.seq++
		}
		c.wait()
		n.segmentOut(c.At, server, c.Client, wire.TCP{Flags: wire.RST | wire.ACK, Ack: c.seq}, nil)
	}
}

// Silent is an attempt that nothing answers, tried up to three times after 0,
// 3 and 9 seconds as Windows does.
func (n *Net) Silent(at time.Duration, client netip.Addr, server netip.AddrPort, tries int) {
	c := n.attempt(at, client, server)
	c.seq--
	for try := 1; try < tries; try++ {
		c.syn(at + []time.Duration{0, 3 * time.Second, 9 * time.Second}[try])
	}
}

// Unreachable is an attempt that a router answers with an ICMP error after
// it looked for the host in vain.
func (n *Net) Unreachable(at time.Duration, client netip.Addr, server netip.AddrPort, router netip.Addr) {
	c := n.attempt(at, client, server)
	t := wire.TCP{Flags: wire.SYN, Seq: c.seq - 1, Window: 8192, Options: synOptions(client)}
	quoted := wire.AppendTCPPacket(nil, c.Client, server, wire.Envelope{TTL: 127, ID: n.host(client).id}, t, nil)
	m := wire.Message{Type: wire.Unreachable, Code: wire.CodeHost, Payload: wire.Quote(quoted)}
	if !client.Is4() {
		m.Type, m.Code = wire.Unreachable6, wire.CodeAddress6
	}
	n.ICMP(at+3*time.Second+n.delay(client, router), router, client, m)
}

// Send has the client send data, which the server acknowledges.
func (c *Conn) Send(data []byte) { c.stream(data, c.fromClient, c.fromServer) }

// Recv has the server send data, which the client acknowledges.
func (c *Conn) Recv(data []byte) { c.stream(data, c.fromServer, c.fromClient) }

// Exchange has the client ask and the server reply, for each pair.
func (c *Conn) Exchange(xs []wire.Exchange) {
	for _, x := range xs {
		c.wait()
		c.fromClient(wire.PSH|wire.ACK, x.Request)
		c.wait()
		c.pieces(x.Reply, c.fromServer)
	}
	c.wait()
	c.fromClient(wire.ACK, nil)
}

// Close closes the connection from the client's side.
func (c *Conn) Close() {
	c.wait()
	c.fromClient(wire.FIN|wire.ACK, nil)
	c.seq++
	c.wait()
	c.fromServer(wire.FIN|wire.ACK, nil)
	c.ack++
	c.wait()
	c.fromClient(wire.ACK, nil)
}

// Reset has the client break the connection off.
func (c *Conn) Reset() {
	c.wait()
	c.fromClient(wire.RST|wire.ACK, nil)
}

func (c *Conn) stream(data []byte, from, to func(uint8, []byte)) {
	c.wait()
	c.pieces(data, from)
	c.wait()
	to(wire.ACK, nil)
}

func (c *Conn) pieces(data []byte, from func(uint8, []byte)) {
	for len(data) > segmentSize {
		from(wire.ACK, data[:segmentSize])
		data = data[segmentSize:]
		c.At += 12 * time.Microsecond
	}
	from(wire.PSH|wire.ACK, data)
}

func (c *Conn) wait() { c.At += c.n.delay(c.Client.Addr(), c.Server.Addr()) }

func (c *Conn) fromClient(flags uint8, data []byte) {
	c.n.segmentOut(c.At, c.Client, c.Server, wire.TCP{Flags: flags, Seq: c.seq, Ack: c.ack, Window: 256}, data)
	c.seq += uint32(len(data))
}

func (c *Conn) fromServer(flags uint8, data []byte) {
	c.n.segmentOut(c.At, c.Server, c.Client, wire.TCP{Flags: flags, Seq: c.ack, Ack: c.seq, Window: 256}, data)
	c.ack += uint32(len(data))
}
