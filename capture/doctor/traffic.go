package doctor

import (
	"bytes"
	"hash/maphash"
	"net"
	"net/netip"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// Traffic collects from some seconds of traffic what shows how well a mirror copies
// it. Its memory is bounded. It is used from one goroutine.
type Traffic struct {
	mac    net.HardwareAddr
	inside func(netip.Addr) bool
	seed   maphash.Seed

	frames, bytes, truncated uint64
	first, last              int64 // packet times
	largest                  int
	foreign                  uint64 // frames between others: what a mirror shows
	group                    uint64 // frames to a broadcast or multicast address
	vlans                    map[vlan]uint64
	untagged                 uint64
	insiders, packets        uint64 // decoded packets with an end inside, and all decoded packets
	flows                    map[flowKey]*flowSeen
	copies                   copies
	decoder                  *packet.Decoder
	packet                   packet.Packet
}

// NewTraffic returns a Traffic that has seen nothing. mac is the address of the
// interface itself; inside says which IP addresses are inside ones.
func NewTraffic(mac net.HardwareAddr, inside func(netip.Addr) bool) *Traffic {
	return &Traffic{
		mac: mac, inside: inside, seed: maphash.MakeSeed(),
		vlans: map[vlan]uint64{}, flows: map[flowKey]*flowSeen{}, copies: newCopies(), decoder: packet.NewDecoder(),
	}
}

// maxFlows is how many connections are told apart; later ones are not looked
// at.
const maxFlows = 1 << 16

// flowKey names a connection, whichever end a packet is from.
type flowKey struct{ low, high ip.AddrPort }

// flowSeen is which ends of a connection were heard.
type flowSeen struct {
	segments uint32
	low      bool
	high     bool
}

// Frame takes the next frame, of which it keeps nothing.
func (t *Traffic) Frame(f *capture.Frame) {
	if t.frames == 0 {
		t.first = f.Time
	}
	t.frames++
	t.bytes += uint64(f.Len) //nolint:gosec // never negative
	t.last = max(t.last, f.Time)
	t.largest = max(t.largest, f.Len)
	if len(f.Data) < f.Len {
		t.truncated++
	}
	t.ethernet(f)
	p := &t.packet
	if t.decoder.Decode(f, p) != packet.OK {
		return
	}
	t.packets++
	t.tag(vlanOf(f, p))
	if t.inside(p.Src.Addr.Netip()) || t.inside(p.Dst.Addr.Netip()) {
		t.insiders++
	}
	if !p.Reassembled {
		t.copies.packet(f, p, t.identity(p), maphash.Bytes(t.seed, f.Data))
	}
	if p.Proto == packet.ProtoTCP {
		t.segment(p)
	}
}

// ethernet notes whether a frame is for all, or between others.
func (t *Traffic) ethernet(f *capture.Frame) {
	const hardware = 6
	if f.Link != capture.LinkEthernet || len(f.Data) < 2*hardware {
		return
	}
	to, from := f.Data[:hardware], f.Data[hardware:2*hardware]
	switch {
	case to[0]&1 != 0:
		t.group++
	case !bytes.Equal(to, t.mac) && !bytes.Equal(from, t.mac):
		t.foreign++
	}
}

// segment notes which end of a connection speaks. Segments that open or refuse a
// connection do not count: if a scan gets no answer, it is no fault of the tap.
func (t *Traffic) segment(p *packet.Packet) {
	if p.Flags&packet.ACK == 0 || p.Flags&packet.RST != 0 {
		return
	}
	k, fromLow := flowKey{p.Src, p.Dst}, true
	if p.Dst.Less(p.Src) {
		k, fromLow = flowKey{p.Dst, p.Src}, false
	}
	s := t.flows[k]
	if s == nil {
		if len(t.flows) >= maxFlows {
			return
		}
		s = &flowSeen{}
		t.flows[k] = s
	}
	s.segments++
	s.low, s.high = s.low || fromLow, s.high || !fromLow
}

// identity hashes what copies of one packet have in common, which excludes time to
// live and VLAN tag: they differ behind a router.
func (t *Traffic) identity(p *packet.Packet) uint64 {
	const enough = 64 // bytes of payload
	var h maphash.Hash
	h.SetSeed(t.seed)
	maphash.WriteComparable(&h, struct {
		src, dst     ip.AddrPort
		proto        packet.Proto
		flags        packet.Flags
		seq, ack, id uint32
		length       int
		kind         uint8
		code         uint8
	}{p.Src, p.Dst, p.Proto, p.Flags, p.Seq, p.Ack, p.IPID, p.PayloadLen, p.ICMP.Type, p.ICMP.Code})
	_, _ = h.Write(p.Payload[:min(len(p.Payload), enough)]) // never fails
	return h.Sum64()
}

// copies finds packets that come twice within a moment.
type copies struct {
	recent, older map[uint64]sight
	turned        int64 // packet time at which recent was emptied

	same   uint64 // the very same frame
	routed uint64 // the same packet with another time to live: before and behind a router
	moved  uint64 // the same packet in another frame: other Ethernet addresses or tag
}

// sight is what is remembered of a packet.
type sight struct {
	time  int64
	frame uint64 // hash
	ttl   uint8
}

const (
	// copyWindow is how far apart copies may be, in nanoseconds. A TCP
	// retransmission takes 200 ms at least (RFC 6298 says a second).
	copyWindow = int64(50e6)
	maxRecent  = 1 << 16
)

func newCopies() copies { return copies{recent: map[uint64]sight{}, older: map[uint64]sight{}} }

// packet compares a packet with those of the last moment.
func (c *copies) packet(f *capture.Frame, p *packet.Packet, identity, frame uint64) {
	if f.Time-c.turned > copyWindow || len(c.recent) >= maxRecent {
		c.recent, c.older = c.older, c.recent
		clear(c.recent)
		c.turned = f.Time
	}
	s, seen := c.recent[identity]
	if !seen {
		s, seen = c.older[identity]
	}
	c.recent[identity] = sight{f.Time, frame, p.TTL}
	if !seen || f.Time-s.time > copyWindow {
		return
	}
	switch {
	case s.ttl != p.TTL:
		c.routed++
	case s.frame != frame:
		c.moved++
	default:
		c.same++
	}
}
