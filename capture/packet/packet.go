// Package packet decodes one captured frame into one Packet, by hand and
// without allocating. It follows tags and tunnels to the innermost IP packet,
// so that what a tunnel carries is seen once and never counted twice.
//
// Begin with Packet (this file) and Decoder.Decode (decoder.go): that reads the
// usual frames itself, and hands all others to the stages, one method a protocol,
// in ethernet.go, link.go, ip.go, transport.go, tunnel.go and udptunnel.go.
// Fragments go through fragment.go and reassemble.go. A Sieve (sieve.go, sift.go)
// tells from the headers of whole runs which frames need no decoding at all.
package packet

import "wormscope/internal/ip"

// Packet is the part of a frame that detection needs. Payload aliases the
// frame, or the Decoder's buffer when the packet was reassembled from
// fragments: it is valid only until the next frame is asked for.
type Packet struct {
	Time     int64       // nanoseconds since the Unix epoch, UTC
	Src, Dst ip.AddrPort // innermost addresses, IPv4 always as IPv4; ports 0 where the protocol has none
	Proto    Proto       // innermost transport protocol
	Flags    Flags       // TCP flags
	TTL      uint8       // IPv4 time to live, IPv6 hop limit
	// Truncated says that the snapshot length, or the end of what was
	// captured, cut the payload short.
	Truncated bool
	// Fragment says that this is the first fragment of a datagram whose other
	// fragments are not here: ports are right, the payload is only its beginning,
	// and PayloadLen is the length of this part.
	Fragment bool
	// Reassembled says that this is the whole of a datagram whose beginning was
	// given out before as a Fragment: what reads messages wants it, what counts
	// packets or attempts has seen it. A datagram whose beginning was not given
	// out, because it came last or was too short, is whole and not Reassembled.
	// Both are set for a first fragment that a tunnel carried in fragments of its
	// own: there is more of it than was given out before, but not all.
	Reassembled bool
	VLAN        uint16 // outermost VLAN identifier, 0 where there is no tag
	Seq, Ack    uint32 // TCP sequence and acknowledgement numbers
	IPID        uint32 // IPv4 identification, IPv6 flow label

	Payload []byte // what follows the transport header, as captured; borrowed
	// PayloadLen is the payload's length on the wire, in bytes. It is more
	// than len(Payload) when Truncated.
	PayloadLen int

	File   int    // of the frame, see capture.Frame
	Number uint64 // of the frame, see capture.Frame
	ICMP   ICMP   // valid when Proto is ICMP or ICMPv6
}

// ICMP is what detection needs of an ICMP or ICMPv6 message.
type ICMP struct {
	Type, Code uint8
	// Inner is the packet that an error message quotes (RFC 792, RFC 4443):
	// who sent it, to whom. HasInner is false when the message is not an error,
	// or quotes too little.
	HasInner           bool
	InnerProto         Proto
	InnerSrc, InnerDst ip.AddrPort
	InnerSeq           uint32 // TCP sequence number, 0 when not quoted
}

// Unreachable reports whether the message says that a destination, or its
// port, can't be reached: ICMP type 3, ICMPv6 type 1. One that asks for smaller
// packets (ICMP code 4) says that it can.
func (p *Packet) Unreachable() bool {
	const fragmentationNeeded = 4
	return p.Proto == ProtoICMP && p.ICMP.Type == 3 && p.ICMP.Code != fragmentationNeeded ||
		p.Proto == ProtoICMPv6 && p.ICMP.Type == 1
}

// Proto is an IP protocol number (IANA protocol-numbers registry).
type Proto uint8

// The protocols that the decoder reads itself.
const (
	ProtoICMP   Proto = 1
	ProtoTCP    Proto = 6
	ProtoUDP    Proto = 17
	ProtoICMPv6 Proto = 58
	ProtoSCTP   Proto = 132
)

// The protocols that the decoder looks into, or over, for one of the above.
const (
	protoHopByHop    Proto = 0
	protoIPv4        Proto = 4
	protoIPv6        Proto = 41
	protoRouting     Proto = 43
	protoFragment    Proto = 44
	protoGRE         Proto = 47
	protoESP         Proto = 50
	protoAH          Proto = 51
	protoNoNext      Proto = 59
	protoDestination Proto = 60
	protoEtherIP     Proto = 97
	protoMobility    Proto = 135
	protoMPLS        Proto = 137
	protoHIP         Proto = 139
	protoShim6       Proto = 140
	protoEthernet    Proto = 143
)

// hasPorts reports whether a protocol's header begins with two port numbers
// that the decoder reads.
func (p Proto) hasPorts() bool { return p == ProtoTCP || p == ProtoUDP || p == ProtoSCTP }

// Flags are the TCP flags (RFC 9293, chapter 3.1).
type Flags uint8

// The TCP flags.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Has reports whether every flag of want is set.
func (f Flags) Has(want Flags) bool { return f&want == want }

// IsSYN reports whether the flags open a connection: SYN and no ACK, RST or FIN.
func (f Flags) IsSYN() bool { return f&(SYN|ACK|RST|FIN) == SYN }

// IsSYNACK reports whether the flags accept a connection: SYN and ACK, no RST or FIN.
func (f Flags) IsSYNACK() bool { return f&(SYN|ACK|RST|FIN) == SYN|ACK }
