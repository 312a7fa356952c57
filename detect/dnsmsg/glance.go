package dnsmsg

import "encoding/binary"

// A Tail is the end of a name that is in one piece: all that is needed to
// tell that most names are of no interest.
type Tail struct {
	Start, End int    // of the last two labels in the message, each with its length before it
	Lengths    uint64 // of all labels: bit i is for one of i bytes
}

// Glance reports whether a message that was started is as nearly all are: it
// has one question, for a name of two labels or more without a pointer, and
// when it is a response, no alias among its answers. Such a message is sound
// up to the first record behind the answers. The parser stays where it is.
func (p *Parser) Glance() (name Tail, ok bool) {
	if p.Questions != 1 {
		return name, false
	}
	msg, off := p.msg, headerLen
	last, start, lengths := 0, 0, uint64(0)
	for most := min(len(msg), headerLen+maxWire); off < most; {
		c := msg[off]
		if c-1 >= 0x3f { // the root, or a pointer
			break
		}
		start, last = last, off
		lengths |= 1 << (c & 63)
		off += 1 + int(c)
	}
	next := off + 1 + questionLen
	if start == 0 || off >= headerLen+maxWire || next > len(msg) || msg[off] != 0 {
		return name, false
	}
	return Tail{start, off, lengths}, !p.Response() || p.onlyPlainAnswers(next)
}

// onlyPlainAnswers reports whether the records from off on are sound and no
// aliases, as far as Glance says.
func (p *Parser) onlyPlainAnswers(off int) bool {
	for range p.Records[Answer] {
		fixed, end, fault := recordAt(p.msg, off)
		if fault != OK {
			return false
		}
		if _, alias := target(Type(binary.BigEndian.Uint16(p.msg[fixed:])), p.msg, fixed+recordLen, end); alias {
			return false
		}
		off = end
	}
	if p.Records[Authority]|p.Records[Additional] == 0 {
		return true
	}
	_, _, fault := recordAt(p.msg, off)
	return fault == OK
}

// recordAt returns where in the record at off its fixed part begins, behind
// the owner's name, and where it ends.
func recordAt(msg []byte, off int) (fixed, end int, fault Fault) {
	fixed, fault = skipName(msg, off)
	if fault != OK {
		return 0, 0, fault
	}
	data := fixed + recordLen
	if data > len(msg) {
		return 0, 0, ShortRecord
	}
	end = data + int(binary.BigEndian.Uint16(msg[data-2:]))
	if end > len(msg) {
		return 0, 0, ShortRecord
	}
	return fixed, end, OK
}
