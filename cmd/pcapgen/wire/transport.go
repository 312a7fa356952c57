package wire

import (
	"encoding/binary"
	"net/netip"
)

// TCP flags.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// TCP is a TCP header; the ports come with the addresses.
type TCP struct {
	Flags    uint8
	Seq, Ack uint32
	Window   uint16
	Options  []byte // a multiple of 4 bytes
}

// Append adds a TCP segment (RFC 9293).
func (t TCP) Append(b []byte, src, dst netip.AddrPort, payload []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, t.Seq)
	b = binary.BigEndian.AppendUint32(b, t.Ack)
	b = append(b, uint8(20+len(t.Options))/4<<4, t.Flags)
	b = binary.BigEndian.AppendUint16(b, t.Window)
	b = append(b, 0, 0, 0, 0)
	b = append(b, t.Options...)
	b = append(b, payload...)
	seg := b[start:]
	acc := pseudo(src.Addr(), dst.Addr(), ProtoTCP, len(seg))
	binary.BigEndian.PutUint16(seg[16:], ^fold(sum(seg, acc)))
	return b
}

// AppendUDP adds a UDP datagram (RFC 768).
func AppendUDP(b []byte, src, dst netip.AddrPort, payload []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, 0, 0)
	b = append(b, payload...)
	dgram := b[start:]
	check := ^fold(sum(dgram, pseudo(src.Addr(), dst.Addr(), ProtoUDP, len(dgram))))
	if check == 0 {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(dgram[6:], check)
	return b
}

// ICMP types used here (RFC 792, RFC 4443).
const (
	EchoReply       = 0
	Unreachable     = 3
	EchoRequest     = 8
	Unreachable6    = 1
	EchoRequest6    = 128
	EchoReply6      = 129
	CodeHost        = 1 // of Unreachable
	CodeAddress6    = 3 // of Unreachable6
	icmpHeader      = 8
	quotedTransport = 8
	maxQuoted6Bytes = 1232
)

// AppendICMP adds an ICMP or ICMPv6 message; which of them, the addresses
// say. rest is the second half of its header.
func AppendICMP(b []byte, src, dst netip.Addr, typ, code uint8, rest uint32, payload []byte) []byte {
	start := len(b)
	b = append(b, typ, code, 0, 0)
	b = binary.BigEndian.AppendUint32(b, rest)
	b = append(b, payload...)
	msg := b[start:]
	acc := uint64(0)
	if !src.Is4() {
		acc = pseudo(src, dst, ProtoICMPv6, len(msg))
	}
	binary.BigEndian.PutUint16(msg[2:], ^fold(sum(msg, acc)))
	return b
}

// Quote returns the part of a packet that an ICMP error quotes: the IPv4
// header and 8 bytes (RFC 792), or as much as fits (RFC 4443).
func Quote(packet []byte) []byte {
	if packet[0]>>4 == 4 {
		return packet[:min(len(packet), int(packet[0]&15)*4+quotedTransport)]
	}
	return packet[:min(len(packet), maxQuoted6Bytes)]
}

// Envelope is what a packet needs besides its ends and its content.
type Envelope struct {
	TTL uint8
	ID  uint16
}

// AppendTCPPacket adds an IP packet with a TCP segment.
func AppendTCPPacket(b []byte, src, dst netip.AddrPort, e Envelope, t TCP, payload []byte) []byte {
	h := IP{Src: src.Addr(), Dst: dst.Addr(), Proto: ProtoTCP, TTL: e.TTL, ID: e.ID, DF: true}
	b = h.Append(b, 20+len(t.Options)+len(payload))
	return t.Append(b, src, dst, payload)
}

// AppendUDPPacket adds an IP packet with a UDP datagram.
func AppendUDPPacket(b []byte, src, dst netip.AddrPort, e Envelope, payload []byte) []byte {
	h := IP{Src: src.Addr(), Dst: dst.Addr(), Proto: ProtoUDP, TTL: e.TTL, ID: e.ID}
	b = h.Append(b, 8+len(payload))
	return AppendUDP(b, src, dst, payload)
}

// A Message is an ICMP or ICMPv6 message.
type Message struct {
	Type, Code uint8
	Rest       uint32
	Payload    []byte
}

// AppendICMPPacket adds an IP packet with an ICMP or ICMPv6 message.
func AppendICMPPacket(b []byte, src, dst netip.Addr, e Envelope, m Message) []byte {
	proto := uint8(ProtoICMP)
	if !src.Is4() {
		proto = ProtoICMPv6
	}
	h := IP{Src: src, Dst: dst, Proto: proto, TTL: e.TTL, ID: e.ID}
	b = h.Append(b, icmpHeader+len(m.Payload))
	return AppendICMP(b, src, dst, m.Type, m.Code, m.Rest, m.Payload)
}
