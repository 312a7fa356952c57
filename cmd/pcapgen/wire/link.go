package wire

import (
	"encoding/binary"
	"net/netip"
)

// EtherTypes (IEEE 802 numbers).
const (
	TypeIPv4   = 0x0800
	TypeARP    = 0x0806
	TypeTEB    = 0x6558 // transparent Ethernet bridging
	TypeVLAN   = 0x8100
	TypeIPv6   = 0x86dd
	TypeMPLS   = 0x8847
	TypePPPoE  = 0x8864
	TypeERSPAN = 0x88be
	TypeERSP3  = 0x22eb
	TypeSVLAN  = 0x88a8
	TypeQinQ   = 0x9100
)

// A MAC is an Ethernet address.
type MAC [6]byte

// Broadcast is every station.
func Broadcast() MAC { return MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// MACOf derives a locally administered address from an IP address, so that a
// host always has the same.
func MACOf(a netip.Addr) MAC {
	b := a.As16()
	return MAC{0x02, b[11] ^ b[1], b[12] ^ b[7], b[13], b[14], b[15]}
}

// AppendEthernet adds an Ethernet header.
func AppendEthernet(b []byte, dst, src MAC, etherType uint16) []byte {
	b = append(b, dst[:]...)
	b = append(b, src[:]...)
	return binary.BigEndian.AppendUint16(b, etherType)
}

// AppendTag adds the rest of a VLAN tag whose TPID was the EtherType before
// it: the VLAN identifier and the EtherType that follows.
func AppendTag(b []byte, vlan, etherType uint16) []byte {
	b = binary.BigEndian.AppendUint16(b, vlan)
	return binary.BigEndian.AppendUint16(b, etherType)
}

// TypeOf returns the EtherType of an IP packet.
func TypeOf(packet []byte) uint16 {
	if packet[0]>>4 == 6 {
		return TypeIPv6
	}
	return TypeIPv4
}

// AppendARPRequest adds an ARP request for an IPv4 address (RFC 826).
func AppendARPRequest(b []byte, mac MAC, from, wanted netip.Addr) []byte {
	b = append(b, 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(b, mac[:]...)
	f, w := from.As4(), wanted.As4()
	b = append(b, f[:]...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	return append(b, w[:]...)
}
