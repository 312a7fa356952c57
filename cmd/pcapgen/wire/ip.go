// Package wire builds packets byte by byte: Ethernet, IP, TCP, UDP, ICMP, DNS
// and a little SMB2, with right lengths and checksums. Every Append function
// adds to the slice it is given and returns the longer slice, so that a
// generator of millions of packets allocates nothing.
package wire

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers (IANA protocol-numbers registry).
const (
	ProtoICMP   = 1
	ProtoIPv4   = 4
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoIPv6   = 41
	ProtoGRE    = 47
	ProtoICMPv6 = 58
)

// IP is an IPv4 or IPv6 header; which of them, the addresses say.
type IP struct {
	Src, Dst netip.Addr
	Proto    uint8
	TTL      uint8
	ID       uint16 // IPv4 identification
	DF       bool   // IPv4 don't fragment
	More     bool   // IPv4 more fragments
	Offset   int    // IPv4 fragment offset in bytes, a multiple of 8
}

// Append adds the header of a packet that carries length bytes.
func (h IP) Append(b []byte, length int) []byte {
	if h.Src.Is4() {
		return h.append4(b, length)
	}
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, h.Proto, h.TTL)
	src, dst := h.Src.As16(), h.Dst.As16()
	b = append(b, src[:]...)
	return append(b, dst[:]...)
}

func (h IP) append4(b []byte, length int) []byte {
	start := len(b)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(20+length))
	b = binary.BigEndian.AppendUint16(b, h.ID)
	frag := uint16(h.Offset / 8)
	if h.DF {
		frag |= 0x4000
	}
	if h.More {
		frag |= 0x2000
	}
	b = binary.BigEndian.AppendUint16(b, frag)
	b = append(b, h.TTL, h.Proto, 0, 0)
	src, dst := h.Src.As4(), h.Dst.As4()
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	FixIPv4(b[start:])
	return b
}

// Fragments cuts an IP packet that has no fragment header yet into fragments
// that carry at most size bytes each, a multiple of 8. The id is the
// datagram's identification.
func Fragments(packet []byte, size int, id uint32) [][]byte {
	var out [][]byte
	v6 := packet[0]>>4 == 6
	head := 20
	if v6 {
		head = 40
	}
	body := packet[head:]
	for off := 0; off < len(body); off += size {
		part := body[off:min(off+size, len(body))]
		more := off+size < len(body)
		f := append([]byte(nil), packet[:head]...)
		if v6 {
			f = fragment6(f, packet[6], off, len(part), more, id)
		} else {
			fragment4(f, off, len(part), more, uint16(id))
		}
		out = append(out, append(f, part...))
	}
	return out
}

// fragment6 makes a copied IPv6 header that of a fragment (RFC 8200, 4.5).
func fragment6(f []byte, next uint8, off, length int, more bool, id uint32) []byte {
	binary.BigEndian.PutUint16(f[4:], uint16(8+length))
	f[6] = 44
	field := uint16(off)
	if more {
		field |= 1
	}
	f = append(f, next, 0)
	f = binary.BigEndian.AppendUint16(f, field)
	return binary.BigEndian.AppendUint32(f, id)
}

// fragment4 makes a copied IPv4 header that of a fragment (RFC 791, 2.3).
func fragment4(f []byte, off, length int, more bool, id uint16) {
	binary.BigEndian.PutUint16(f[2:], uint16(20+length))
	binary.BigEndian.PutUint16(f[4:], id)
	field := uint16(off / 8)
	if more {
		field |= 0x2000
	}
	binary.BigEndian.PutUint16(f[6:], field)
	FixIPv4(f)
}

// FixIPv4 puts the right checksum into the IPv4 header that p begins with.
func FixIPv4(p []byte) {
	p[10], p[11] = 0, 0
	binary.BigEndian.PutUint16(p[10:], ^fold(sum(p[:int(p[0]&15)*4], 0)))
}

// sum adds b up in 16-bit words, on to acc (RFC 1071), eight bytes at a time.
func sum(b []byte, acc uint64) uint64 {
	for len(b) >= 8 {
		v := binary.BigEndian.Uint64(b)
		acc += v>>32 + v&0xffffffff
		b = b[8:]
	}
	if len(b) >= 4 {
		acc += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		acc += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		acc += uint64(b[0]) << 8
	}
	return acc
}

// fold brings a sum down to 16 bits.
func fold(acc uint64) uint16 {
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc)
}

// pseudo sums the pseudo-header of a transport checksum (RFC 9293, 3.1; RFC 8200, 8.1).
func pseudo(src, dst netip.Addr, proto uint8, length int) uint64 {
	acc := uint64(proto) + uint64(length)
	if src.Is4() {
		s, d := src.As4(), dst.As4()
		return sum(d[:], sum(s[:], acc))
	}
	s, d := src.As16(), dst.As16()
	return sum(d[:], sum(s[:], acc))
}
