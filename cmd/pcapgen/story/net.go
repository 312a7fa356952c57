package story

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"wormscope/cmd/pcapgen/wire"
)

// A Segment is a part of the network behind one leg of the core router.
type Segment struct {
	Prefix netip.Prefix
	VLAN   uint16 // of the frames that its hosts send; 0 for untagged
}

// A Net is the network whose span port is told of. The span shows each frame
// once, as it came in to the router or switch. A Net is not safe for use by
// several goroutines.
type Net struct {
	Trace    Trace
	Rand     *rand.Rand
	segments []Segment
	hosts    map[netip.Addr]*host
}

// host is what a host's network stack remembers.
type host struct {
	ttl  uint8
	id   uint16
	port uint16
	rtt  time.Duration // between the host and the span
}

// NewNet makes a network; what is in none of the segments is outside.
func NewNet(seed uint64, segments ...Segment) *Net {
	return &Net{
		Rand:     rand.New(rand.NewPCG(seed, seed^0x5eed)), //nolint:gosec // reproducible traffic, no secret
		segments: segments,
		hosts:    map[netip.Addr]*host{},
	}
}

func (n *Net) segment(a netip.Addr) *Segment {
	for i := range n.segments {
		if n.segments[i].Prefix.Contains(a) {
			return &n.segments[i]
		}
	}
	return nil
}

// host returns the state of a host, which begins at its first packet.
func (n *Net) host(a netip.Addr) *host {
	h, ok := n.hosts[a]
	if ok {
		return h
	}
	h = &host{ttl: 128, id: uint16(n.Rand.UintN(1 << 16)), port: uint16(49152 + n.Rand.UintN(4000))}
	h.rtt = 150*time.Microsecond + time.Duration(n.Rand.Int64N(int64(200*time.Microsecond)))
	if n.segment(a) == nil {
		h.ttl = uint8(44 + n.Rand.UintN(12))
		h.rtt = 8*time.Millisecond + time.Duration(n.Rand.Int64N(int64(60*time.Millisecond)))
	}
	n.hosts[a] = h
	return h
}

// Unix says that a host's packets begin with a time to live of 64.
func (n *Net) Unix(addrs ...netip.Addr) {
	for _, a := range addrs {
		n.host(a).ttl = 64
	}
}

// envelope takes the next IP identification of a host.
func (n *Net) envelope(a netip.Addr) wire.Envelope {
	h := n.host(a)
	h.id++
	return wire.Envelope{TTL: h.ttl, ID: h.id}
}

// Port takes the next ephemeral port of a host.
func (n *Net) Port(a netip.Addr) netip.AddrPort {
	h := n.host(a)
	h.port++
	if h.port == 0 {
		h.port = 49152
	}
	return netip.AddrPortFrom(a, h.port)
}

// delay is the time a packet takes from one host by the span to the other,
// with some jitter.
func (n *Net) delay(a, b netip.Addr) time.Duration {
	d := (n.host(a).rtt + n.host(b).rtt) / 2
	return d + time.Duration(n.Rand.Int64N(int64(d)/4))
}

// gateway is the router's address on the outside or on a segment's side.
func gateway(vlan uint16) wire.MAC {
	return wire.MAC{0x00, 0x00, 0x0c, 0x9f, byte(vlan >> 8), byte(vlan)}
}

// uplink is the provider's router.
func uplink() wire.MAC { return wire.MAC{0x00, 0x1b, 0x17, 0x00, 0x01, 0x30} }

// Send puts an IP packet on the wire at an offset from the start: on the leg
// on which the router receives it.
func (n *Net) Send(at time.Duration, src, dst netip.Addr, packet []byte) {
	n.Trace.Add(Start().UnixNano()+int64(at), padded(n.frame(src, dst, packet)))
}

// minFrame is the shortest Ethernet frame, without its check sequence.
const minFrame = 60

// padded fills a frame up as Ethernet does.
func padded(frame []byte) []byte {
	for len(frame) < minFrame {
		frame = append(frame, 0)
	}
	return frame
}

func (n *Net) frame(src, dst netip.Addr, packet []byte) []byte {
	from := n.segment(src)
	if from == nil {
		b := wire.AppendEthernet(nil, gateway(0), uplink(), wire.TypeOf(packet))
		return append(b, packet...)
	}
	to := gateway(from.VLAN)
	if n.segment(dst) == from {
		to = wire.MACOf(dst)
	}
	if from.VLAN == 0 {
		b := wire.AppendEthernet(nil, to, wire.MACOf(src), wire.TypeOf(packet))
		return append(b, packet...)
	}
	b := wire.AppendEthernet(nil, to, wire.MACOf(src), wire.TypeVLAN)
	return append(wire.AppendTag(b, from.VLAN, wire.TypeOf(packet)), packet...)
}

// ARP has a host ask for an address of its own segment; nobody answers.
func (n *Net) ARP(at time.Duration, src, wanted netip.Addr) {
	mac := wire.MACOf(src)
	b := wire.AppendEthernet(nil, wire.Broadcast(), mac, wire.TypeVLAN)
	b = wire.AppendTag(b, n.segment(src).VLAN, wire.TypeARP)
	n.Trace.Add(Start().UnixNano()+int64(at), padded(wire.AppendARPRequest(b, mac, src, wanted)))
}

// UDP has a host send a datagram.
func (n *Net) UDP(at time.Duration, src, dst netip.AddrPort, payload []byte) {
	n.Send(at, src.Addr(), dst.Addr(), wire.AppendUDPPacket(nil, src, dst, n.envelope(src.Addr()), payload))
}

// ICMP has a host send an ICMP or ICMPv6 message.
func (n *Net) ICMP(at time.Duration, src, dst netip.Addr, m wire.Message) {
	n.Send(at, src, dst, wire.AppendICMPPacket(nil, src, dst, n.envelope(src), m))
}

// Ping has a host ask another for an echo, and the other answer if it is up.
func (n *Net) Ping(at time.Duration, src, dst netip.Addr, seq uint16, up bool) {
	m := wire.Message{Type: wire.EchoRequest, Rest: 1<<16 | uint32(seq), Payload: []byte("abcdefghijklmnopqrstuvwabcdefghi")}
	answer := uint8(wire.EchoReply)
	if !src.Is4() {
		m.Type, answer = wire.EchoRequest6, wire.EchoReply6
	}
	n.ICMP(at, src, dst, m)
	if up {
		m.Type = answer
		n.ICMP(at+n.delay(src, dst), dst, src, m)
	}
}
