package contact

import (
	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/internal/ip"
	"wormscope/ioc"
)

// end is one of the two ends of a contact.
type end uint8

const (
	host end = iota
	peer     // the indicator address
)

// connKey names a connection, or what goes for one without TCP.
type connKey struct {
	host, peer ip.AddrPort
	proto      packet.Proto
}

// began is what is known of who began, in the order of what it says about the
// host: of several connections, the highest stands for all.
type began uint8

const (
	peerGuessed began = iota
	peerBegan
	unknown
	hostGuessed
	hostBegan
)

// initiator returns who began, as alert.Contact has it.
func (b began) initiator() string {
	switch b {
	case peerGuessed, peerBegan:
		return alert.InitiatorPeer
	case hostGuessed, hostBegan:
		return alert.InitiatorHost
	case unknown:
	}
	return alert.InitiatorUnknown
}

// conn is what is kept of a connection.
type conn struct {
	match       ioc.Match
	last        int64 // packet time of the last packet
	streams     [2]stream
	began       began
	known       bool // began was decided
	called      bool // the peer is known to call upon this port of the host
	orig        end  // who began, be it a guess
	opened      bool // a SYN or SYN-ACK was seen
	established bool
	sent        [2]bool // sent anything but refusals
	spoke       [2]bool // acknowledged something, other than by a SYN-ACK
	segments    uint8   // with new data from the peer, up to enoughSegments
	fragment    int     // bytes of a datagram's beginning, counted until it is whole
}

// enoughSegments is how many segments with data must come from the peer when
// nothing of the host is seen, on a tap of one direction: fewer may be a
// reflection, or forged.
const enoughSegments = 3

// says returns who began, as far as it may be held against the host: what only
// claims to be an answer, from an end that anyone may pretend to be, does not
// show that the host asked.
func (c *conn) says() began {
	if c.began >= hostGuessed && !c.sent[host] && !c.established {
		return unknown
	}
	return c.began
}

// passive reports whether the host did nothing but answer, or nothing at all.
func (c *conn) passive() bool {
	return !c.established && (c.began <= peerBegan || !c.sent[host])
}

// answered reports whether the host sent anything but refusals to a peer that
// began.
func (c *conn) answered() bool { return c.orig == peer && c.sent[host] }

// stream counts the bytes of one direction of a TCP connection.
type stream struct {
	first, next uint32 // sequence numbers
	started     bool
}

// change says what a packet tells.
type change struct {
	established bool // the contact is established from now on
	answered    bool // the host answers a peer that began from now on
	refused     bool
	bytes       uint64 // new payload bytes
}

// over reports whether a packet begins another connection with the same ports:
// a SYN with another sequence number, or, without TCP, anything after a pause.
func (c *conn) over(p *packet.Packet, from end) bool {
	if p.Proto == packet.ProtoTCP {
		s := &c.streams[from]
		return p.Flags.IsSYN() && s.started && s.first != p.Seq+1
	}
	return p.Time-c.last > udpBin
}

// take takes the next packet of a connection.
func (c *conn) take(p *packet.Packet, from end) change {
	c.last = max(c.last, p.Time)
	established, answered := c.established, c.answered()
	var ch change
	switch p.Proto {
	case packet.ProtoTCP:
		ch = c.segment(p, from)
	default:
		ch.bytes = c.datagram(p, from)
	}
	ch.established = c.established && !established
	ch.answered = c.answered() && !answered
	return ch
}

// segment takes a TCP segment.
func (c *conn) segment(p *packet.Packet, from end) (ch change) {
	s := &c.streams[from]
	switch {
	case p.Flags.IsSYN():
		c.decide(from, false)
		c.opened = true
		s.start(p.Seq + 1)
	case p.Flags.IsSYNACK():
		c.decide(1-from, false)
		c.opened = true
		s.start(p.Seq + 1)
	case !c.known:
		c.guess(p, from)
	}
	if p.Flags.Has(packet.RST) {
		ch.refused = from != c.orig && !c.established
		return ch
	}
	c.sent[from] = true
	if p.Flags.Has(packet.SYN) {
		return ch // bytes with a SYN come again, or are acknowledged
	}
	ch.bytes = s.add(p.Seq, p.PayloadLen, p.Flags.Has(packet.FIN))
	if ch.bytes > 0 && from == peer && c.segments < enoughSegments {
		c.segments++
	}
	ack := p.Flags.Has(packet.ACK)
	c.spoke[from] = c.spoke[from] || ack
	c.established = c.established ||
		c.spoke[host] && c.spoke[peer] ||
		c.opened && from == c.orig && c.sent[host] && ack ||
		ch.bytes > 0 && from == host ||
		c.segments == enoughSegments
	return ch
}

// datagram takes a packet of another protocol, and returns the new bytes.
func (c *conn) datagram(p *packet.Packet, from end) uint64 {
	if !c.known {
		c.guess(p, from)
	}
	c.sent[from] = true
	c.established = c.sent[host] && c.sent[peer]
	n := p.PayloadLen
	if p.Reassembled {
		n = max(0, n-c.fragment)
		c.fragment = 0
	}
	if p.Fragment {
		c.fragment = p.PayloadLen
	}
	return uint64(n)
}

// decide notes who began.
func (c *conn) decide(orig end, guessed bool) {
	c.orig, c.known = orig, true
	switch {
	case orig == host && guessed:
		c.began = hostGuessed
	case orig == host:
		c.began = hostBegan
	case guessed:
		c.began = peerGuessed
	default:
		c.began = peerBegan
	}
}

// guess says who began a connection whose beginning may not have been captured.
func (c *conn) guess(p *packet.Packet, from end) {
	src, dst := p.Src.Port, p.Dst.Port
	served := src < ip.SystemPorts && dst >= ip.SystemPorts && !answersAnyone(dst)
	switch {
	case p.Proto == packet.ProtoICMP || p.Proto == packet.ProtoICMPv6:
		served = p.ICMP.Type == echoReply4 && p.Proto == packet.ProtoICMP || p.ICMP.Type == echoReply6 && p.Proto == packet.ProtoICMPv6
		fallthrough
	case p.Proto != packet.ProtoTCP:
		c.decide(from, false)
		switch { // an answer, or what pretends to be one, or more of what the peer began
		case served && from == peer, from == host && c.called:
			c.decide(1-from, true)
		case served:
			c.began = unknown // the question may be lost, or there was none
		}
	case serves(src) && !serves(dst):
		c.decide(1-from, true)
	case serves(dst) && !serves(src):
		c.decide(from, true)
	default:
		c.decide(from, true)
		if src < dst {
			c.orig = 1 - from
		}
		c.began = unknown
	}
}

// serves reports whether a TCP port is known to be served: one of the system's, or
// one beyond of a service that the internet reaches, or is called upon at, so
// often that a client's own port is hardly ever the same by accident.
func serves(port uint16) bool {
	switch port {
	case 1194, 1433, 1521, 1723, 3306, 3389, 5060, 5061, 5432, 5900, 5985, 5986, 8080, 8443:
		return true
	default:
		return port < ip.SystemPorts
	}
}

// answersAnyone reports whether a UDP port beyond those of the system is one of a service
// that answers whoever sends it a datagram, from whatever port, and which no client has by
// accident: a forged one is no answer that the host asked for.
func answersAnyone(port uint16) bool {
	switch port {
	case 1194, 1434, 1701, 1812, 1813, 1900, 3478, 3702, 5060, 5353, 5683, 11211:
		return true
	default:
		return false
	}
}

// The ICMP types of echo replies (RFC 792, RFC 4443).
const (
	echoReply4 = 0
	echoReply6 = 129
)

// start notes where a direction begins, the first time.
func (s *stream) start(seq uint32) {
	if !s.started {
		*s = stream{first: seq, next: seq, started: true}
	}
}

// add returns how many bytes a segment goes beyond those before it: copies and
// retransmissions add nothing, and what the capture lost counts as sent. A FIN
// has a sequence number and is not a byte.
func (s *stream) add(seq uint32, n int, fin bool) uint64 {
	const farthest = 1 << 24 // beyond, a sequence number is forged or of another connection
	s.start(seq)
	end := seq + uint32(n) //nolint:gosec // a payload is shorter than 4 GiB
	if fin {
		end++
	}
	ahead := int32(end - s.next) //nolint:gosec // sequence numbers wrap
	if ahead <= 0 {
		return 0
	}
	s.next = end
	if fin {
		ahead--
	}
	if int(ahead) > n+farthest {
		return uint64(n) //nolint:gosec // never negative
	}
	return uint64(ahead)
}
