package packet

// Outcome is what became of one frame.
type Outcome uint8

// The outcomes. OK comes first, then what is not a failure, then the failures.
const (
	OK    Outcome = iota // the packet is filled: give it to the detectors
	NotIP                // nothing here is IP: ARP, LLDP, EAPOL, spanning tree, PPP control
	Held                 // a fragment, kept until its datagram is whole

	UnsupportedLink // the link type is one that the decoder does not read
	Truncated       // the capture ends inside a header
	BadLink         // a frame too short for its link header, or one that contradicts itself
	BadIPv4         // an IPv4 header that contradicts itself
	BadIPv6         // an IPv6 header, or an extension header, that contradicts itself
	BadTCP          // a TCP header that contradicts itself, or does not fit its packet
	BadUDP          // likewise UDP
	BadSCTP         // likewise SCTP
	BadICMP         // likewise ICMP and ICMPv6
	BadFragment     // a fragment that can't be part of a datagram
	CutFragment     // a fragment, not the first, that the capture cut: it can't be reassembled
	TooDeep         // more layers than the decoder follows
	Encrypted       // MACsec that hides what it carries

	NumOutcomes int = iota // how many there are
)

// Failure reports whether the frame should have been decoded and was not.
func (o Outcome) Failure() bool { return o > Held && int(o) < NumOutcomes }

// String returns the outcome as a short reason, the words of the scope
// document's "undecoded".
func (o Outcome) String() string {
	switch o {
	case OK:
		return "decoded"
	case NotIP:
		return "not IP"
	case Held:
		return "fragment held"
	case UnsupportedLink:
		return "unsupported link type"
	case Truncated:
		return "truncated header"
	case BadLink:
		return "bad link header"
	case BadIPv4:
		return "bad IPv4 header"
	case BadIPv6:
		return "bad IPv6 header"
	case BadTCP:
		return "bad TCP header"
	case BadUDP:
		return "bad UDP header"
	case BadSCTP:
		return "bad SCTP header"
	case BadICMP:
		return "bad ICMP header"
	case BadFragment:
		return "bad fragment"
	case CutFragment:
		return "truncated fragment"
	case TooDeep:
		return "too many layers"
	case Encrypted:
		return "encrypted (MACsec)"
	}
	return "unknown outcome"
}

// short is the outcome when a header of need bytes is not captured whole: the
// capture cut it, or the packet, wire bytes long, never had room for it.
func short(wire, need int, bad Outcome) Outcome {
	if wire >= need {
		return Truncated
	}
	return bad
}
