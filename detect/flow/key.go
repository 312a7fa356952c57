package flow

import (
	"bytes"
	"net/netip"
)

// side is one of the two ends of a connection, in the order of its key.
type side uint8

// key names a connection whichever end sends: the lower end stands first. It
// is smaller than two netip.AddrPort and free of pointers.
type key struct{ ends [2]end }

// end is an address, IPv4 in its IPv6-mapped form, and a port.
type end struct {
	addr [16]byte
	port uint16
}

// keyOf returns the key of a packet's connection and who sent the packet.
func keyOf(src, dst netip.AddrPort) (k key, from side) {
	a := end{src.Addr().As16(), src.Port()}
	b := end{dst.Addr().As16(), dst.Port()}
	if c := bytes.Compare(a.addr[:], b.addr[:]); c < 0 || c == 0 && a.port <= b.port {
		return key{[2]end{a, b}}, 0
	}
	return key{[2]end{b, a}}, 1
}

// end returns one end as the packet had it.
func (k *key) end(s side) netip.AddrPort {
	e := &k.ends[s]
	return netip.AddrPortFrom(netip.AddrFrom16(e.addr).Unmap(), e.port)
}
