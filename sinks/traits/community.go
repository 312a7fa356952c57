package traits

import (
	"crypto/sha1" //nolint:gosec // what the specification asks for; it protects nothing
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers (IANA protocol-numbers registry).
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// CommunityID returns the Community ID of a flow, version 1 with seed 0
// (https://github.com/corelight/community-id-spec): the same for both
// directions, and the same as in Zeek, Suricata and Arkime. For ICMP the ports are
// the message's type and code. It returns an empty string if an end is not known, or
// a port is 0, which stands for many.
func CommunityID(proto uint8, orig, resp netip.AddrPort) string {
	if !orig.Addr().IsValid() || !resp.Addr().IsValid() || orig.Addr().Is4() != resp.Addr().Is4() {
		return ""
	}
	oneWay := false
	switch proto {
	case protoTCP, protoUDP, protoSCTP:
		if orig.Port() == 0 || resp.Port() == 0 {
			return ""
		}
	case protoICMP, protoICMPv6:
		var ok bool
		if orig, resp, oneWay, ok = icmpPorts(proto, orig, resp); !ok {
			return ""
		}
	default:
		return ""
	}
	if !oneWay && resp.Compare(orig) < 0 {
		orig, resp = resp, orig
	}
	b := make([]byte, 2, 2+16+16+2+4) // the seed, then the flow
	b = append(b, orig.Addr().AsSlice()...)
	b = append(b, resp.Addr().AsSlice()...)
	b = append(b, proto, 0)
	b = binary.BigEndian.AppendUint16(b, orig.Port())
	b = binary.BigEndian.AppendUint16(b, resp.Port())
	sum := sha1.Sum(b) //nolint:gosec // as above
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}

// icmpPorts returns what the specification hashes for ICMP instead of ports: the
// message's type, and the type of the message that answers it. For a message that
// nothing answers it returns type and code, and oneWay: such a flow has only one
// direction. It reports false for an echo reply, whose type 0 can't be told from an
// unknown type.
func icmpPorts(proto uint8, orig, resp netip.AddrPort) (o, r netip.AddrPort, oneWay, ok bool) {
	kind, code := orig.Port(), resp.Port()
	if kind == 0 && code == 0 || kind > 255 || code > 255 {
		return orig, resp, false, false
	}
	answer, answered := icmpAnswer(proto, kind)
	if !answered {
		return orig, resp, true, true
	}
	return netip.AddrPortFrom(orig.Addr(), kind), netip.AddrPortFrom(resp.Addr(), answer), false, true
}

// icmpAnswer returns the type of the message that answers a type, or that a message
// of the type answers.
func icmpAnswer(proto uint8, kind uint16) (uint16, bool) {
	pairs := [][2]uint16{{8, 0}, {10, 9}, {13, 14}, {15, 16}, {17, 18}}
	if proto == protoICMPv6 {
		pairs = [][2]uint16{{128, 129}, {133, 134}, {135, 136}, {130, 131}, {144, 145}, {139, 140}}
	}
	for _, p := range pairs {
		switch kind {
		case p[0]:
			return p[1], true
		case p[1]:
			return p[0], true
		}
	}
	return 0, false
}
