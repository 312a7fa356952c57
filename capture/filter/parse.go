package filter

import (
	"fmt"
	"slices"
	"strings"
)

// A parser reads an expression from left to right. As in tcpdump, not binds
// closest, and and or bind alike and to the left.
type parser struct {
	tokens []token
	depth  int
	last   qualifiers // of the primitive before, for a value without any: port 80 or 443
}

// qualifiers say what a value is compared with.
type qualifiers struct {
	proto string // ip, ip6, arp, rarp, tcp, udp, sctp, icmp, icmp6 or empty
	dir   direction
	said  bool   // src or dst was written
	kind  string // host, net, port, portrange, proto or empty
}

// An Error says which word of an expression is not taken, and why.
type Error struct {
	Word     string // empty at the end of the expression
	Position int    // counted in bytes from 1
	Reason   string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Word == "" {
		return "at the end of the expression: " + e.Reason
	}
	return fmt.Sprintf("%q at position %d: %s", e.Word, e.Position, e.Reason)
}

// beyond ends the reason why an expression is refused that tcpdump takes.
const beyond = "not taken here (live --libpcap takes all of tcpdump's syntax, in a build with -tags libpcap)"

func (p *parser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0].text
}

func (p *parser) next() token {
	if len(p.tokens) == 0 {
		return token{}
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

// accept takes the next word if it is one of these.
func (p *parser) accept(words ...string) bool {
	if len(p.tokens) > 0 && slices.Contains(words, p.tokens[0].text) {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

// wrong returns the error that a word is wrong, and why.
func wrong(t token, format string, args ...any) error {
	return &Error{t.text, t.at, fmt.Sprintf(format, args...)}
}

// here returns the next word without taking it, for an error.
func (p *parser) here() token {
	if len(p.tokens) == 0 {
		return token{}
	}
	return p.tokens[0]
}

func (p *parser) parse() (node, error) {
	if len(p.tokens) == 0 {
		return nil, nil //nolint:nilnil // the empty expression is one
	}
	n, err := p.chain()
	if err == nil && len(p.tokens) > 0 {
		err = p.unexpected()
	}
	return n, err
}

// unexpected returns the error that the expression goes on where it can't.
func (p *parser) unexpected() error {
	t := p.here()
	if slices.Contains([]string{"[", "=", "==", "!=", "<", ">", "<=", ">=", "&", "|", "+", "*", "%", "^"}, t.text) {
		return wrong(t, "comparisons of bytes are "+beyond)
	}
	return wrong(t, "want and, or, or the end")
}

// chain reads terms joined by and and or.
func (p *parser) chain() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, wrong(p.here(), "more than %d levels", maxDepth)
	}
	defer func() { p.depth-- }()
	left, err := p.term()
	for err == nil {
		var right node
		switch {
		case p.accept("and", "&&"):
			right, err = p.term()
			left = and{left, right}
		case p.accept("or", "||"):
			right, err = p.term()
			left = or{left, right}
		default:
			return left, nil
		}
	}
	return nil, err
}

// term reads a negation, a parenthesis or a primitive.
func (p *parser) term() (node, error) {
	negated := false
	for p.accept("not", "!") {
		negated = !negated
	}
	n, err := p.plain()
	if err == nil && negated {
		n = not{n}
	}
	return n, err
}

func (p *parser) plain() (node, error) {
	if !p.accept("(") {
		return p.primitive()
	}
	n, err := p.chain()
	if err == nil && !p.accept(")") {
		if len(p.tokens) > 0 {
			return nil, p.unexpected()
		}
		err = wrong(p.here(), "a parenthesis is not closed")
	}
	return n, err
}

// primitive reads one primitive.
func (p *parser) primitive() (node, error) {
	switch {
	case len(p.tokens) == 0:
		return nil, wrong(token{}, "want a primitive such as host 192.0.2.1")
	case isValue(p.peek()) && p.last.kind != "":
		return p.value(p.last)
	}
	p.last = qualifiers{} // a value takes the words of the primitive right before it
	switch {
	case p.accept("vlan"):
		return p.vlan()
	case p.peek() == "less" || p.peek() == "greater":
		return p.length()
	}
	first := p.here()
	q, err := p.qualifiers()
	if err != nil {
		return nil, err
	}
	if q.kind != "" {
		p.last = q
		return p.value(q)
	}
	switch {
	case !q.said && q.proto == "":
		return nil, p.unknown(first)
	case !q.said:
		return protocol(q.proto), nil
	case !isValue(p.peek()):
		return nil, wrong(p.here(), "want host, net, port or portrange")
	}
	q.kind = "host"
	if err := q.check(p.here()); err != nil {
		return nil, err
	}
	p.last = q
	return p.value(q)
}

// unknown returns the error that no primitive begins with a word.
func (p *parser) unknown(t token) error {
	switch t.text {
	case "and", "or", "&&", "||", ")", "not", "!":
		return wrong(t, "want a primitive such as host 192.0.2.1")
	}
	if isValue(t.text) {
		return wrong(t, "a value alone: say before it what it is, as in host 192.0.2.1 or port 53")
	}
	const others = " ether gateway broadcast multicast mpls pppoes pppoed geneve vxlan inbound outbound ifindex ip6mask protochain " +
		"decnet iso stp ipx netbeui igmp pim ah esp vrrp carp igrp llc wlan type subtype rnr rset len ether byte on action link ppp slip fddi tr "
	if strings.Contains(others, " "+t.text+" ") {
		return wrong(t, beyond)
	}
	if strings.Contains(signs, t.text) {
		return wrong(t, "comparisons of bytes are "+beyond)
	}
	return wrong(t, "no word of a filter: host, net, port, portrange, proto, src, dst, ip, ip6, tcp, udp, sctp, icmp, icmp6, arp, rarp, vlan, less, greater, and, or, not; names of hosts and services are not looked up")
}

var protocols = []string{"ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6"} //nolint:gochecknoglobals // constant

// qualifiers reads the words before a value.
func (p *parser) qualifiers() (q qualifiers, err error) {
	if slices.Contains(protocols, p.peek()) {
		q.proto = p.next().text
	}
	switch q.said = true; {
	case p.accept("src"):
		q.dir = source
		if p.follows("or", "dst") {
			q.dir = either
		} else if p.follows("and", "dst") {
			q.dir = both
		}
	case p.accept("dst"):
		q.dir = destination
		if p.follows("or", "src") {
			q.dir = either
		} else if p.follows("and", "src") {
			q.dir = both
		}
	default:
		q.said = false
	}
	kind := p.here()
	if !p.accept("host", "net", "port", "portrange", "proto") {
		return q, nil
	}
	q.kind = kind.text
	return q, q.check(kind)
}

// check refuses qualifiers that do not go together.
func (q *qualifiers) check(kind token) error {
	transport := q.proto == "" || q.proto == "tcp" || q.proto == "udp" || q.proto == "sctp"
	network := q.proto == "" || q.proto == "ip" || q.proto == "ip6"
	switch q.kind {
	case "port", "portrange":
		if !transport {
			return wrong(kind, "%s has no ports", q.proto)
		}
	case "proto":
		if !network || q.said {
			return wrong(kind, "it goes with ip and ip6 only")
		}
	default:
		if !network && q.proto != "arp" && q.proto != "rarp" {
			return wrong(kind, "%s has no addresses: say ip or ip6", q.proto)
		}
	}
	return nil
}

// follows takes two words if they come next.
func (p *parser) follows(first, second string) bool {
	if len(p.tokens) > 1 && p.tokens[0].text == first && p.tokens[1].text == second {
		p.tokens = p.tokens[2:]
		return true
	}
	return false
}

// isValue reports whether a word is a number or an address.
func isValue(word string) bool {
	return word != "" && (word[0] >= '0' && word[0] <= '9' || strings.Contains(word, ":"))
}
