package filter

import (
	"encoding/binary"
	"net/netip"

	"wormscope/capture"
)

// A node is a part of an expression. It says twice what it matches, in a frame in
// memory and as a program: tests compare the two.
type node interface {
	match(v *view) bool
	// generate adds the instructions that jump to yes where the node matches,
	// and to no where it does not.
	generate(c *compiler, yes, no label)
}

// The nodes.
type (
	and     struct{ left, right node }
	or      struct{ left, right node }
	not     struct{ node node }
	typeIs  struct{ kind uint32 }        // EtherType behind the tags
	protoIs struct{ kind, proto uint32 } // EtherType, and protocol in it
	inNet   struct {
		dir    direction
		kind   uint32 // EtherType
		prefix netip.Prefix
	}
	portIn struct {
		dir      direction
		from, to uint32
		proto    uint32 // 0 for any with ports
	}
	tagIs   struct{ id uint32 } // of any tag
	shorter struct{ n uint32 }  // or as long
	longer  struct{ n uint32 }  // or as long
)

// direction says which end is meant.
type direction uint8

const (
	either direction = iota
	source
	destination
	both
)

// EtherTypes.
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeRARP = 0x8035
	typeIPv6 = 0x86dd
)

// anyTag stands for any VLAN, noTag for none.
const (
	anyTag = 1<<16 + 1
	noTag  = 1 << 16
)

// A view is what an expression may ask of a frame.
type view struct {
	data     []byte
	wire     uint32    // length on the wire
	network  int       // where the network header begins
	kind     uint32    // EtherType
	tags     [3]uint32 // in the frame, noTag for none
	proto    uint32    // of IPv4 and IPv6, behind a fragment header too
	header   uint32    // what the IPv6 header itself says
	hasPorts bool
	ports    [2]uint32 // source, destination
}

// isTag reports whether an EtherType is that of a VLAN tag.
func isTag(t uint32) bool { return t == 0x8100 || t == 0x88a8 || t == 0x9100 }

// read looks into a frame. It reports false where the frame is too short for
// what it says it holds: no expression matches that, as in tcpdump.
func (v *view) read(f *capture.Frame) bool {
	v.data, v.wire = f.Data, uint32(max(f.Len, len(f.Data))) //nolint:gosec // a frame is no longer than a few 100 KB
	v.tags = [3]uint32{noTag, noTag, noTag}
	if !v.link(f.Link) {
		return false
	}
	for i := 0; i < len(v.tags) && isTag(v.kind); i++ {
		if !v.has(v.network, 4) {
			return false
		}
		v.tags[i] = v.u16(v.network) & 0xfff
		v.kind = v.u16(v.network + 2)
		v.network += 4
	}
	switch v.kind {
	case typeIPv4:
		return v.ipv4()
	case typeIPv6:
		return v.ipv6()
	case typeARP, typeRARP:
		return v.has(v.network, 28)
	}
	return true
}

// supports reports whether frames of a link type can match.
func supports(l capture.LinkType) bool {
	switch l {
	case capture.LinkEthernet, capture.LinkSLL, capture.LinkSLL2, capture.LinkRaw, capture.LinkRawBSD,
		capture.LinkRawOBSD, capture.LinkIPv4, capture.LinkIPv6, capture.LinkNull, capture.LinkLoop:
		return true
	}
	return false
}

// link finds the EtherType and the network header.
func (v *view) link(l capture.LinkType) bool {
	at := 12 // of the EtherType
	switch l {
	case capture.LinkEthernet:
		v.network = 14
	case capture.LinkSLL:
		at, v.network = 14, 16
	case capture.LinkSLL2:
		at, v.network = 0, 20
	case capture.LinkNull, capture.LinkLoop:
		v.network = 4
		return v.version()
	default:
		v.network = 0
		return supports(l) && v.version()
	}
	if !v.has(at, 2) {
		return false
	}
	v.kind = v.u16(at)
	return true
}

// version sets the EtherType by the version in the IP header, where no link layer
// says it.
func (v *view) version() bool {
	if !v.has(v.network, 1) {
		return false
	}
	v.kind = typeIPv4
	if v.data[v.network]>>4 == 6 {
		v.kind = typeIPv6
	}
	return true
}

func (v *view) has(at, n int) bool   { return len(v.data) >= at+n }
func (v *view) u16(at int) uint32    { return uint32(binary.BigEndian.Uint16(v.data[at:])) }
func carriesPorts(proto uint32) bool { return proto == 6 || proto == 17 || proto == 132 }

func (v *view) ipv4() bool {
	if !v.has(v.network, 20) {
		return false
	}
	v.proto = uint32(v.data[v.network+9])
	if v.u16(v.network+6)&0x1fff != 0 {
		return true
	}
	return v.readPorts(v.network + int(v.data[v.network]&0xf)*4)
}

func (v *view) ipv6() bool {
	const fragment = 44
	if !v.has(v.network, 40) {
		return false
	}
	v.header = uint32(v.data[v.network+6])
	v.proto = v.header
	if v.header != fragment {
		return v.readPorts(v.network + 40)
	}
	if !v.has(v.network+40, 1) {
		return false
	}
	v.proto = uint32(v.data[v.network+40])
	return true
}

func (v *view) readPorts(at int) bool {
	if !carriesPorts(v.proto) {
		return true
	}
	if !v.has(at, 4) {
		return false
	}
	v.hasPorts, v.ports = true, [2]uint32{v.u16(at), v.u16(at + 2)}
	return true
}

func (n and) match(v *view) bool     { return n.left.match(v) && n.right.match(v) }
func (n or) match(v *view) bool      { return n.left.match(v) || n.right.match(v) }
func (n not) match(v *view) bool     { return !n.node.match(v) }
func (n typeIs) match(v *view) bool  { return v.kind == n.kind }
func (n shorter) match(v *view) bool { return v.wire <= n.n }
func (n longer) match(v *view) bool  { return v.wire >= n.n }

func (n protoIs) match(v *view) bool {
	return v.kind == n.kind && (v.proto == n.proto || v.kind == typeIPv6 && v.header == n.proto)
}

func (n tagIs) match(v *view) bool {
	for _, t := range v.tags {
		if t == n.id || n.id == anyTag && t != noTag {
			return true
		}
	}
	return false
}

// of reports whether the direction matches, where src and dst say whether each end
// does.
func (d direction) of(src, dst bool) bool {
	switch d {
	case source:
		return src
	case destination:
		return dst
	case both:
		return src && dst
	default:
		return src || dst
	}
}

func (n inNet) match(v *view) bool {
	if v.kind != n.kind {
		return false
	}
	src, dst := n.offsets()
	return n.dir.of(n.holds(v.data[v.network+src:]), n.holds(v.data[v.network+dst:]))
}

// offsets are those of the two addresses in the network header.
func (n inNet) offsets() (src, dst int) {
	switch n.kind {
	case typeIPv4:
		return 12, 16
	case typeIPv6:
		return 8, 24
	default: // ARP for Ethernet and IPv4 (RFC 826)
		return 14, 24
	}
}

func (n inNet) holds(b []byte) bool {
	a, _ := netip.AddrFromSlice(b[:n.prefix.Addr().BitLen()/8])
	if a.Is4In6() { // which a prefix of IPv6 does not hold
		return n.prefix.Contains(a) || netip.PrefixFrom(a, n.prefix.Bits()).Masked() == n.prefix
	}
	return n.prefix.Contains(a)
}

func (n portIn) match(v *view) bool {
	if !v.hasPorts || n.proto != 0 && v.proto != n.proto {
		return false
	}
	in := func(p uint32) bool { return p >= n.from && p <= n.to }
	return n.dir.of(in(v.ports[0]), in(v.ports[1]))
}
