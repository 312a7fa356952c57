package kernelfilter

import (
	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// A Judge decides of decoded packets what the program in the kernel decides of
// frames. It is for several readers that decode, each with a Judge, and one
// detector to which they pass on what it may need. The Judge looks also at what the
// decoder found inside tunnels and behind extension headers, all of which the
// kernel lets through.
//
// It remembers handshakes, so that both directions of a connection must come
// to the same Judge. It is not safe for use by several goroutines.
type Judge struct {
	ports      [1 << 16 / 64]uint64
	handshakes []uint32
}

// handshakeSlots and handshakeCount are as in bpf/filter.c. So are the entries of
// Judge.handshakes: the upper bits are those of a hash of the connection, and the
// lowest (handshakeCount is their mask) say how many of its segments to keep yet.
const (
	handshakeSlots = 1 << 20
	handshakeCount = 7
)

// NewJudge returns a Judge with these ports, as in Config. It takes 4 MiB.
func NewJudge(ports []uint16) *Judge {
	j := &Judge{handshakes: make([]uint32, handshakeSlots)}
	for _, p := range ports {
		j.ports[p/64] |= 1 << (p % 64)
	}
	return j
}

// Keeps reports whether a detector may need a packet. Those from and to
// indicators are the caller's to keep; it need not ask about them.
func (j *Judge) Keeps(p *packet.Packet) bool {
	if p.Fragment || p.Reassembled {
		return true
	}
	switch p.Proto {
	case packet.ProtoTCP:
		return j.tcp(p)
	case packet.ProtoUDP:
		return j.reads(p)
	case packet.ProtoICMP:
		return p.ICMP.Type != 0 && p.ICMP.Type != 8
	case packet.ProtoICMPv6:
		return p.ICMP.Type < 128 // errors (RFC 4443)
	default:
		return false
	}
}

// reads reports whether a packet has a port of which everything is kept.
func (j *Judge) reads(p *packet.Packet) bool {
	src, dst := p.Src.Port, p.Dst.Port
	return (j.ports[src/64]>>(src%64)|j.ports[dst/64]>>(dst%64))&1 != 0
}

func (j *Judge) tcp(p *packet.Packet) bool {
	switch {
	case j.reads(p):
		return true
	case p.Flags.Has(packet.SYN | packet.ACK): // from the responder
		e, tag := j.handshake(p.Dst, p.Src)
		*e = tag | handshakeCount
		return true
	case p.Flags.Has(packet.SYN):
		e, tag := j.handshake(p.Src, p.Dst)
		*e = tag | handshakeCount
		return true
	case p.Flags&(packet.FIN|packet.RST) != 0:
		return true
	case !p.Flags.Has(packet.ACK):
		return false
	}
	e, tag := j.handshake(p.Src, p.Dst)
	if *e&^handshakeCount != tag || *e&handshakeCount == 0 {
		return false
	}
	*e--
	return true
}

// handshake returns the entry for a connection, and the upper bits that the entry
// has if it is that connection's and not another's.
func (j *Judge) handshake(orig, resp ip.AddrPort) (entry *uint32, tag uint32) {
	ports := uint64(orig.Port)<<16 | uint64(resp.Port)
	h := hash(number(orig.Addr)*3 + number(resp.Addr) + hash(ports))
	return &j.handshakes[h%handshakeSlots], uint32(h>>32) &^ handshakeCount
}

// number is an address of IPv4, or a hash of one of IPv6.
func number(a ip.Addr) uint64 {
	if a.Is4() {
		return uint64(a.Number4())
	}
	return hash6(a.Hi, a.Lo)
}
