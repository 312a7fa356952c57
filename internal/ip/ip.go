// Package ip has the type of IP addresses for what is done for every packet: two
// 64-bit words, without a pointer. netip.Addr, which everything else uses, costs
// several times as much to compare, to hash and to copy into a table.
package ip

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Addr is an IP address, IPv4 in its IPv4-mapped form (RFC 4291, chapter
// 2.5.5.2). The zero value is the unspecified address of IPv6, and stands for
// an address that is not known.
type Addr struct{ Hi, Lo uint64 }

// What the lower word of an IPv4 address begins with, and how much of it.
const (
	mapped     = 0xffff << 32
	mappedMask = 0xffffffff << 32
)

// From returns an address in this form, without its zone.
func From(a netip.Addr) Addr {
	if a.Is4() { // As16 costs several times as much
		b := a.As4()
		return From4(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return From16(b[:])
}

// From4 returns the IPv4 address with this number.
func From4(n uint32) Addr { return Addr{0, mapped | uint64(n)} }

// From16 returns the IPv6 address that b begins with, in network byte order,
// and an IPv4 address where it stands for one.
func From16(b []byte) Addr {
	return Addr{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// Netip returns the address in the form of the standard library.
func (a Addr) Netip() netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(make([]byte, 0, 4), a.Number4())))
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), a.Hi)
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(b, a.Lo)))
}

// String returns the address as text.
func (a Addr) String() string { return a.Netip().String() }

// Is4 reports whether the address is one of IPv4.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo&mappedMask == mapped }

// Number4 returns the number of an IPv4 address. Of another one it means
// nothing.
func (a Addr) Number4() uint32 { return uint32(a.Lo) } //nolint:gosec // G115: the low half

// Less reports whether an address comes before another, IPv4 before most of
// IPv6.
func (a Addr) Less(b Addr) bool { return a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo }

// Single reports whether the address can be one host: not multicast,
// broadcast, unspecified or loopback.
func (a Addr) Single() bool {
	if a.Is4() {
		n := a.Number4()
		return n>>28 != 0xe && n != 0xffffffff && n>>24 != 127 && n>>24 != 0
	}
	return a.Hi>>56 != 0xff && (a.Hi != 0 || a.Lo > 1)
}

// Multicast reports whether the address is one of a group of hosts.
func (a Addr) Multicast() bool {
	if a.Is4() {
		return a.Number4()>>28 == 0xe
	}
	return a.Hi>>56 == 0xff
}

// Constants of wyhash.
const (
	seedA = 0xa0761d6478bd642f
	seedB = 0xe7037ed1a0b428db
)

// Hash returns a hash of the address, all of whose bits are good: wyhash's
// multiply and fold. It is no secret: whoever chooses addresses can make them
// collide.
func (a Addr) Hash() uint64 {
	hi, lo := bits.Mul64(a.Hi^seedA, a.Lo^seedB)
	return hi ^ lo
}

// SystemPorts is where the system ports end (RFC 6335, chapter 6): below, servers
// are called, and hardly anybody calls from there.
const SystemPorts = 1024

// AddrPort is an address and a port, 0 where the protocol has none.
type AddrPort struct {
	Addr Addr
	Port uint16
}

// FromPort returns an address and port in this form.
func FromPort(a netip.AddrPort) AddrPort { return AddrPort{From(a.Addr()), a.Port()} }

// Netip returns the address and port in the form of the standard library.
func (a AddrPort) Netip() netip.AddrPort { return netip.AddrPortFrom(a.Addr.Netip(), a.Port) }

// String returns the address and port as text.
func (a AddrPort) String() string { return a.Netip().String() }

// Less reports whether one comes before another, by address and then by port.
func (a AddrPort) Less(b AddrPort) bool {
	return a.Addr.Less(b.Addr) || a.Addr == b.Addr && a.Port < b.Port
}
