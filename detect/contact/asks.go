package contact

import (
	"encoding/binary"

	"wormscope/capture/packet"
)

// asks is what a host's messages to a name server are, as far as they were seen.
type asks uint8

const (
	iteratively asks = 1 << iota // queries that desire no recursion, as resolvers ask
	otherwise                    // anything else
)

// asksOf returns what a packet to port 53 of a name server is. Over TCP, the
// length of a message may come before it, or alone.
func asksOf(p *packet.Packet) asks {
	const length = 2 // bytes (RFC 1035, 4.2.2)
	msg := p.Payload
	overTCP := p.Proto == packet.ProtoTCP
	switch {
	case p.PayloadLen == 0, p.Reassembled, overTCP && len(msg) == length: // a reassembled one's beginning was seen
		return 0
	case isIterative(msg), overTCP && len(msg) > length && isIterative(msg[length:]):
		return iteratively
	}
	return otherwise
}

// isIterative reports whether a message is a query that desires no recursion.
func isIterative(msg []byte) bool {
	const (
		header    = 12     // bytes (RFC 1035, 4.1.1)
		flags     = 0xff8f // all but AD, CD and the reserved one
		questions = 1
	)
	return len(msg) >= header &&
		binary.BigEndian.Uint16(msg[2:])&flags == 0 &&
		binary.BigEndian.Uint16(msg[4:]) == questions &&
		binary.BigEndian.Uint32(msg[6:]) == 0 // answers and authorities
}
