// Package dnsmsg reads DNS messages from the wire (RFC 1035, RFC 6891), no
// further than detection needs: header, questions, where the records are, the
// addresses and alias targets in them, and the EDNS Client Subnet. It does not
// allocate, and takes any bytes without harm.
//
// It is liberal where a resolver would not be: it reads as far as it can, so
// that the question of a message that is cut short or broken further on is
// still seen. Multicast DNS and LLMNR (ports 5353 and 5355) have the same
// format but other rules of who asks whom; nothing here knows of them.
package dnsmsg

import (
	"encoding/binary"
	"net/netip"
)

// Header is the fixed beginning of a message (RFC 1035, chapter 4.1.1).
type Header struct {
	ID        uint16
	Bits      uint16 // QR, Opcode, AA, TC, RD, RA, Z, AD, CD, RCODE
	Questions uint16
	Records   [3]uint16 // how many there are, by Section
}

// Lengths on the wire, in bytes.
const (
	headerLen   = 12
	questionLen = 4  // without the name
	recordLen   = 10 // without the name and the data
	priorityLen = 2  // of an SVCB record
)

// Response reports whether the message is an answer and not a query.
func (h *Header) Response() bool { return h.Bits&0x8000 != 0 }

// Opcode returns the kind of query, 0 to 15; 0 is an ordinary lookup.
func (h *Header) Opcode() uint8 { return uint8(h.Bits >> 11 & 0xf) }

// Truncated reports whether the answer did not fit, and is to be asked for over
// TCP.
func (h *Header) Truncated() bool { return h.Bits&0x0200 != 0 }

// RecursionDesired reports whether the asker wants the whole answer, as a stub
// or a forwarder does; a resolver that asks authoritative servers does not.
func (h *Header) RecursionDesired() bool { return h.Bits&0x0100 != 0 }

// RecursionAvailable reports whether the one who answers is a resolver.
func (h *Header) RecursionAvailable() bool { return h.Bits&0x0080 != 0 }

// RCode returns the lower four bits of the response code.
func (h *Header) RCode() RCode { return RCode(h.Bits & 0xf) }

// Section is a part of a message that holds records.
type Section uint8

// The sections, in their order.
const (
	Answer Section = iota
	Authority
	Additional
)

// A Question is what was asked.
type Question struct {
	Name  Name
	Type  Type
	Class uint16
}

// A Record is one resource record. Data aliases the message.
type Record struct {
	Section Section
	Type    Type
	Class   uint16
	TTL     uint32
	Data    []byte

	owner, data int // offsets of the owner's name and of Data
}

// A Parser walks through one message: first Start, then Question until it
// returns false, then Record until it returns false; Fault says whether the end
// was reached. It is made to be used again for the next message.
type Parser struct {
	Header
	msg   []byte
	off   int
	left  uint16 // questions or records of this section still to come
	state state
	fault Fault
	jumps int // compression pointers that may still be followed, in this message
}

// state is what a Parser reads next.
type state uint8

const (
	questions state = iota
	answers         // and then the section above this one
	authorities
	additionals
	end
)

// Start begins with a message and reads its header. It returns false when
// there is not even that. The parser keeps msg until it is started again.
func (p *Parser) Start(msg []byte) bool {
	p.msg, p.off, p.state, p.fault = msg, headerLen, questions, OK
	// Names repeat, but no more than twice a record: more pointers than that
	// only waste time.
	p.jumps = maxPointers + len(msg)/2
	if len(msg) < headerLen {
		p.Header, p.left, p.state = Header{}, 0, end
		return p.fail(ShortHeader)
	}
	p.ID = binary.BigEndian.Uint16(msg)
	p.Bits = binary.BigEndian.Uint16(msg[2:])
	p.Questions = binary.BigEndian.Uint16(msg[4:])
	p.Records[Answer] = binary.BigEndian.Uint16(msg[6:])
	p.Records[Authority] = binary.BigEndian.Uint16(msg[8:])
	p.Records[Additional] = binary.BigEndian.Uint16(msg[10:])
	p.left = p.Questions
	return true
}

// Fault returns what is wrong with the message, as far as it was read.
func (p *Parser) Fault() Fault { return p.fault }

// fail notes what is wrong, and returns false.
func (p *Parser) fail(f Fault) bool {
	p.fault, p.state, p.left = f, end, 0
	return false
}

// Question reads the next question into q and returns true, or returns false
// when there is none or its name is broken. Of a message that ends right after
// a name, the name is a question of type 0, and the fault ShortQuestion.
func (p *Parser) Question(q *Question) bool {
	if p.state != questions || p.left == 0 {
		return false
	}
	next, fault := p.name(&q.Name, p.off)
	if fault != OK {
		return p.fail(fault)
	}
	rest := p.msg[next:]
	if len(rest) < questionLen {
		q.Type, q.Class = 0, 0
		p.fail(ShortQuestion)
		return true
	}
	q.Type = Type(binary.BigEndian.Uint16(rest))
	q.Class = binary.BigEndian.Uint16(rest[2:])
	p.off = next + questionLen
	p.left--
	return true
}

// Record reads the next record into r and returns true, or returns false when
// there is none or it is broken. Questions that were not read are passed over.
func (p *Parser) Record(r *Record) bool {
	if (p.left == 0 || p.state == questions) && !p.advance() {
		return false
	}
	at, end, fault := recordAt(p.msg, p.off)
	if fault != OK {
		return p.fail(fault)
	}
	data := at + recordLen
	fixed := p.msg[at:data]
	r.Section = Section(p.state - answers)
	r.Type = Type(binary.BigEndian.Uint16(fixed))
	r.Class = binary.BigEndian.Uint16(fixed[2:])
	r.TTL = binary.BigEndian.Uint32(fixed[4:])
	r.Data = p.msg[data:end]
	r.owner, r.data = p.off, data
	p.off = end
	p.left--
	return true
}

// advance goes on to the next section that has records, and returns false
// after the last.
func (p *Parser) advance() bool {
	for ; p.state == questions && p.left > 0; p.left-- {
		next, fault := skipName(p.msg, p.off)
		if fault != OK {
			return p.fail(fault)
		}
		if p.off = next + questionLen; p.off > len(p.msg) {
			return p.fail(ShortQuestion)
		}
	}
	for p.state < additionals {
		p.left = p.Records[p.state]
		if p.state++; p.left > 0 {
			return true
		}
	}
	p.state = end
	return false
}

// Owner reads the name of a record of this message into n. It returns false
// when that is broken.
func (p *Parser) Owner(r *Record, n *Name) bool {
	_, fault := p.name(n, r.owner)
	if fault != OK {
		p.fault = fault
	}
	return fault == OK
}

// Target reads the name that a record of this message leads to into n: that of
// a CNAME or DNAME, or of an SVCB or HTTPS record which names another host. It
// returns false for another type of record, and when the name is broken or
// longer than the record.
func (p *Parser) Target(r *Record, n *Name) bool {
	at, ok := target(r.Type, p.msg, r.data, r.data+len(r.Data))
	if !ok {
		return false
	}
	next, fault := p.name(n, at)
	if fault == OK && next > r.data+len(r.Data) {
		fault = BadName
	}
	if fault != OK {
		p.fault = fault
	}
	return fault == OK
}

// target returns where in a record's data, msg[data:end], the name stands that
// it leads to. An SVCB record has its priority before it (RFC 9460, chapter
// 2.2), and the root stands for its own name.
func target(t Type, msg []byte, data, end int) (at int, ok bool) {
	switch t {
	case TypeCNAME, TypeDNAME:
		return data, true
	case TypeSVCB, TypeHTTPS:
		at = data + priorityLen
		return at, at < end && msg[at] != 0
	default:
		return 0, false
	}
}

// Addr returns the address of an A or AAAA record of class IN, an IPv4-mapped
// one as IPv4. It returns false for any other record.
func (r *Record) Addr() (netip.Addr, bool) {
	switch {
	case r.Class != ClassIN:
	case r.Type == TypeA && len(r.Data) == 4:
		return netip.AddrFrom4([4]byte(r.Data)), true
	case r.Type == TypeAAAA && len(r.Data) == 16:
		return netip.AddrFrom16([16]byte(r.Data)).Unmap(), true
	}
	return netip.Addr{}, false
}
