package dnsmsg

// Limits of names.
const (
	// maxWire is the length of the longest name on the wire, in bytes, with
	// the root's zero (RFC 1035, chapter 2.3.4).
	maxWire = 255
	// maxLabels is more than the longest name has: 127 of one byte.
	maxLabels = 128
	// maxText is more than the longest name is long as text: 250 bytes of
	// four labels, each written as \DDD, and three dots.
	maxText = 1024
	// maxPointers is how many compression pointers one name may use: as many
	// as there can be labels of one byte, as miekg/dns has it.
	maxPointers = (maxWire+1)/2 - 2
)

// Name is a domain name in a message. It keeps where its labels are, and is
// written as text only when that is asked for. It aliases the message.
//
// As text it is in lower case, with labels separated by dots and no dot at the
// end. The root is ".". A byte that would be misread is written as miekg/dns
// does: `\.` for one of . space ' @ ; ( ) " \ within a label, and `\DDD`, in
// decimal, for one that is not printable ASCII.
type Name struct {
	msg     []byte
	labels  [maxLabels]int // where in msg each begins, with its length before it
	n       int            // labels
	lengths uint64         // bit i is set for a label of i bytes

	text    [maxText]byte
	written int // length of the text, 0 before it is written
}

// Wire returns the message that the name is in, where its labels begin there,
// each with its length before it, and a set of these lengths: bit i is for i
// bytes. The labels are as they were sent. It is valid until n is read into
// again.
func (n *Name) Wire() (msg []byte, labels []int, lengths uint64) {
	return n.msg, n.labels[:n.n], n.lengths
}

// Bytes returns the name as text. It aliases n and is valid until n is read
// into again.
func (n *Name) Bytes() []byte {
	if n.written == 0 {
		n.write()
	}
	return n.text[:n.written]
}

// String returns a copy of the name as text.
func (n *Name) String() string { return string(n.Bytes()) }

// write writes the name as text.
func (n *Name) write() {
	text := n.text[:0]
	for _, at := range n.labels[:n.n] {
		text = appendLabel(text, n.msg[at+1:at+1+int(n.msg[at])])
	}
	if len(text) == 0 {
		text = append(text, ".."...)
	}
	n.written = len(text) - 1 // without the last dot
}

// name finds the labels of the name at off, following compression pointers. It
// returns the offset behind the name's own bytes.
func (p *Parser) name(n *Name, off int) (next int, fault Fault) {
	msg := p.msg
	n.msg, n.n, n.written = msg, 0, 0
	labels, lengths := 0, uint64(0)
	budget, pointers := maxWire, 0
	for off < len(msg) {
		c := int(msg[off])
		switch {
		case 0 < c && c < 0x40:
			n.labels[labels&(maxLabels-1)] = off // the budget ends before the room
			labels++
			lengths |= 1 << (c & 63)
			off += 1 + c
			if budget -= 1 + c; budget <= 0 {
				return 0, LongName
			}
		case c == 0:
			n.n, n.lengths = labels, lengths
			if pointers == 0 {
				next = off + 1
			}
			return next, OK
		default:
			target, f := pointer(msg, off)
			if f != OK {
				return 0, f
			}
			if pointers == 0 {
				next = off + 2
			}
			pointers++
			if p.jumps--; pointers > maxPointers || p.jumps < 0 {
				return 0, PointerLoop
			}
			off = target
		}
	}
	return 0, ShortName
}

// pointer returns where the compression pointer at off leads.
func pointer(msg []byte, off int) (target int, fault Fault) {
	c := int(msg[off])
	if c < 0xc0 { // 0x40 and 0x80 are reserved (RFC 6891, chapter 5)
		return 0, BadName
	}
	if off+1 >= len(msg) {
		return 0, ShortName
	}
	return (c&0x3f)<<8 | int(msg[off+1]), OK
}

// appendLabel appends a label and a dot to text, which has room for it.
func appendLabel(text, label []byte) []byte {
	start := len(text)
	text = append(text, label...)
	for i, c := range label {
		l := fold[c]
		if l == 0 {
			return appendOdd(text[:start+i], label[i:])
		}
		text[start+i] = l
	}
	return append(text, '.')
}

// appendOdd appends what is left of a label that holds bytes to be escaped.
func appendOdd(text, label []byte) []byte {
	for _, c := range label {
		switch l := fold[c]; {
		case l != 0:
			text = append(text, l)
		case ' ' <= c && c <= '~':
			text = append(text, '\\', c)
		default:
			text = append(text, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		}
	}
	return append(text, '.')
}

// skipName returns the offset behind the name at off, without following
// pointers.
func skipName(msg []byte, off int) (next int, fault Fault) {
	for budget := maxWire; off < len(msg); {
		c := int(msg[off])
		switch {
		case c == 0:
			return off + 1, OK
		case c < 0x40:
			if budget -= c + 1; budget <= 0 {
				return 0, LongName
			}
			off += 1 + c
		default:
			_, fault = pointer(msg, off)
			return off + 2, fault
		}
	}
	return 0, ShortName
}

// fold maps a byte of a label to how it is written: letters in lower case,
// 0 for what must be escaped. A constant string is a table that can't change.
const fold = "" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00!\x00#$%&\x00\x00\x00*+,-\x00/0123456789:\x00<=>?" +
	"\x00abcdefghijklmnopqrstuvwxyz[\x00]^_" +
	"`abcdefghijklmnopqrstuvwxyz{|}~\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
