package filter

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// value reads the value that the qualifiers are for.
func (p *parser) value(q qualifiers) (node, error) {
	t := p.next()
	switch t.text {
	case "":
		return nil, wrong(t, "%s needs a value", q.kind)
	case "(":
		return nil, wrong(t, "a list of values in parentheses is "+beyond)
	}
	switch q.kind {
	case "port", "portrange":
		return ports(t, q)
	case "proto":
		return protoNumber(t, q)
	case "net":
		return p.network(t, q)
	}
	a, err := netip.ParseAddr(t.text)
	if err != nil || a.Zone() != "" {
		return nil, wrong(t, "no address; names of hosts are not looked up")
	}
	return address(t, q, netip.PrefixFrom(a, a.BitLen()))
}

// network reads the value of net.
func (p *parser) network(t token, q qualifiers) (node, error) {
	text := t.text
	if p.accept("mask") {
		m := p.next()
		bits, ok := maskBits(m.text)
		if !ok || strings.Contains(text, ":") {
			return nil, wrong(m, "a mask of IPv4 is wanted, for a network of IPv4")
		}
		text += "/" + strconv.Itoa(bits)
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil, wrong(t, "no network; write it out, as in 192.0.2.0/24")
		}
		prefix = netip.PrefixFrom(a, a.BitLen())
	}
	if prefix != prefix.Masked() {
		return nil, wrong(t, "there are bits set behind the network: %v is meant?", prefix.Masked())
	}
	return address(t, q, prefix)
}

// maskBits returns the length of a mask such as 255.255.0.0.
func maskBits(text string) (int, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return 0, false
	}
	for bits := range 33 {
		if netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), bits).Masked().Addr() == a {
			return bits, true
		}
	}
	return 0, false
}

// address makes the node for a network, and refuses a family that does not fit.
func address(t token, q qualifiers, p netip.Prefix) (node, error) {
	switch {
	case p.Addr().Is4In6():
		return nil, wrong(t, "write it as an address of IPv4")
	case p.Addr().Is4() && q.proto == "ip6":
		return nil, wrong(t, "no address of IPv6")
	case p.Addr().Is6() && q.proto != "ip6" && q.proto != "":
		return nil, wrong(t, "no address of IPv4")
	}
	if p.Addr().Is6() {
		return inNet{q.dir, typeIPv6, p}, nil
	}
	switch q.proto {
	case "ip":
		return inNet{q.dir, typeIPv4, p}, nil
	case "arp":
		return inNet{q.dir, typeARP, p}, nil
	case "rarp":
		return inNet{q.dir, typeRARP, p}, nil
	}
	return or{inNet{q.dir, typeIPv4, p}, or{inNet{q.dir, typeARP, p}, inNet{q.dir, typeRARP, p}}}, nil
}

// ports makes the node for a port or a range of ports.
func ports(t token, q qualifiers) (node, error) {
	low, high, isRange := strings.Cut(t.text, "-")
	if !isRange {
		high = low
	}
	if isRange && q.kind != "portrange" {
		return nil, wrong(t, "a range needs portrange")
	}
	const otherwise = "no port number, 0 to 65535; names of services are not looked up"
	from, err := number(t, low, math.MaxUint16, otherwise)
	if err != nil {
		return nil, err
	}
	to, err := number(t, high, math.MaxUint16, otherwise)
	if err != nil {
		return nil, err
	}
	n := portIn{q.dir, min(from, to), max(from, to), 0}
	if q.proto != "" {
		n.proto = protoNumbers[q.proto]
	}
	return n, nil
}

// protoNumbers are numbers of the IANA protocol-numbers registry.
var protoNumbers = map[string]uint32{"icmp": 1, "tcp": 6, "udp": 17, "icmp6": 58, "sctp": 132} //nolint:gochecknoglobals // constant

// protoNumber makes the node for a protocol by number.
func protoNumber(t token, q qualifiers) (node, error) {
	name, isName := strings.CutPrefix(t.text, `\`)
	n, ok := protoNumbers[name]
	if !isName || !ok {
		var err error
		if n, err = number(t, t.text, math.MaxUint8, `no protocol: a number, or \icmp, \tcp, \udp, \icmp6, \sctp`); err != nil {
			return nil, err
		}
	}
	switch q.proto {
	case "ip":
		return protoIs{typeIPv4, n}, nil
	case "ip6":
		return protoIs{typeIPv6, n}, nil
	}
	return or{protoIs{typeIPv4, n}, protoIs{typeIPv6, n}}, nil
}

// protocol makes the node for a protocol alone.
func protocol(name string) node {
	switch name {
	case "ip":
		return typeIs{typeIPv4}
	case "ip6":
		return typeIs{typeIPv6}
	case "arp":
		return typeIs{typeARP}
	case "rarp":
		return typeIs{typeRARP}
	case "icmp":
		return protoIs{typeIPv4, protoNumbers[name]}
	case "icmp6":
		return protoIs{typeIPv6, protoNumbers[name]}
	}
	n := protoNumbers[name]
	return or{protoIs{typeIPv4, n}, protoIs{typeIPv6, n}}
}

// vlan reads what may follow vlan.
func (p *parser) vlan() (node, error) {
	const maxVLAN = 1<<12 - 1
	if !isValue(p.peek()) {
		return tagIs{anyTag}, nil
	}
	t := p.next()
	id, err := number(t, t.text, maxVLAN, "no VLAN, 0 to 4095")
	if err != nil {
		return nil, err
	}
	return tagIs{id}, nil
}

// length reads less and greater, which include the number.
func (p *parser) length() (node, error) {
	word, t := p.next(), p.next()
	n, err := number(t, t.text, math.MaxInt32, word.text+" needs a number of bytes")
	if err != nil {
		return nil, err
	}
	if word.text == "less" {
		return shorter{n}, nil
	}
	return longer{n}, nil
}

// number reads a word or a part of one as a number. otherwise is why it is
// refused where it is none.
func number(t token, text string, most uint32, otherwise string) (uint32, error) {
	if len(text) > 1 && text[0] == '0' { // which tcpdump takes for an octal or hexadecimal number
		return 0, wrong(t, "a number that begins with 0; write it out in decimal")
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > uint64(most) {
		return 0, &Error{t.text, t.at, otherwise}
	}
	return uint32(n), nil
}
