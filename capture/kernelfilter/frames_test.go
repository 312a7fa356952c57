package kernelfilter_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Parts of frames. Checksums are left out: nobody looks at them.

func u16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

// ethernet is a frame of this EtherType.
func ethernet(kind uint16, payload ...[]byte) []byte {
	return slices.Concat(make([]byte, 12), u16(kind), slices.Concat(payload...), make([]byte, 18))
}

// tagged puts a VLAN tag into a frame.
func tagged(kind uint16, frame []byte) []byte {
	return slices.Concat(frame[:12], u16(kind), u16(42), frame[12:])
}

// ip is a packet of IPv4 or IPv6, as the addresses are.
func ip(src, dst string, proto byte, payload ...[]byte) []byte {
	b := slices.Concat(payload...)
	from, to := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if from.Is6() {
		return slices.Concat([]byte{0x60, 0, 0, 0}, u16(uint16(len(b))), []byte{proto, 64}, from.AsSlice(), to.AsSlice(), b)
	}
	return slices.Concat([]byte{0x45, 0}, u16(uint16(20+len(b))), []byte{0, 1, 0, 0, 64, proto, 0, 0}, from.AsSlice(), to.AsSlice(), b)
}

// withOptions gives a packet of IPv4 four bytes of options.
func withOptions(p []byte) []byte {
	p = slices.Insert(slices.Clone(p), 20, 1, 1, 1, 0)
	p[0]++
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	return p
}

// fragment makes a packet of IPv4 a fragment.
func fragment(p []byte, part uint16) []byte {
	p = slices.Clone(p)
	copy(p[6:], u16(part))
	return p
}

// packetOf is the frame of an IP packet.
func packetOf(p []byte) []byte {
	if p[0]>>4 == 6 {
		return ethernet(0x86dd, p)
	}
	return ethernet(0x0800, p)
}

const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
)

func tcp(src, dst uint16, flags byte) []byte {
	return slices.Concat(u16(src), u16(dst), make([]byte, 8), []byte{0x50, flags, 0, 0, 0, 0, 0, 0}, []byte("data"))
}

func udp(src, dst uint16) []byte {
	return slices.Concat(u16(src), u16(dst), u16(12), []byte{0, 0}, []byte("data"))
}

func icmp(kind byte) []byte {
	return slices.Concat([]byte{kind, 1, 0, 0, 0, 0, 0, 0}, make([]byte, 28))
}
