package dnsmsg

// Limits of names.
const (
	// maxWire is the length of the longest name on the wire, in bytes, with
	// the root's zero (RFC 1035, chapter 2.3.4).
	maxWire = 255
	// maxText is more than the longest name is long as text: 250 bytes of
	// four labels, each written as \DDD, and three dots.
	maxText = 1024
	// maxPointers is how many compression pointers one name may use: as many
	// as there can be labels of one byte, as miekg/dns has it.
	maxPointers = (maxWire+1)/2 - 2
)

// Name is a domain name as text: lower case, labels separated by dots, no dot
// at the end. The root is ".". A byte that would be misread is written as
// miekg/dns does: `\.` for one of . space ' @ ; ( ) " \ within a label, and
// `\DDD`, in decimal, for one that is not printable ASCII.
type Name struct {
	text [maxText]byte
	n    int
}

// Bytes returns the name. It aliases n and is valid until n is read into again.
func (n *Name) Bytes() []byte { return n.text[:n.n] }

// String returns a copy of the name.
func (n *Name) String() string { return string(n.Bytes()) }

// unpack reads the name at off, following compression pointers and taking
// them from jumps. It returns the offset behind the name's own bytes.
func (n *Name) unpack(msg []byte, off int, jumps *int) (next int, fault Fault) {
	text := n.text[:0]
	n.n = 0
	budget, pointers := maxWire, 0
	for off < len(msg) {
		c := int(msg[off])
		off++
		switch {
		case c == 0:
			n.finish(text)
			if pointers == 0 {
				next = off
			}
			return next, OK
		case c < 0x40:
			budget -= c + 1
			if f := fits(msg, off+c, budget); f != OK {
				return 0, f
			}
			text = appendLabel(text, msg[off:off+c])
			off += c
		default:
			target, f := pointer(msg, off-1)
			if f != OK {
				return 0, f
			}
			if pointers == 0 {
				next = off + 1
			}
			pointers++
			if *jumps--; pointers > maxPointers || *jumps < 0 {
				return 0, PointerLoop
			}
			off = target
		}
	}
	return 0, ShortName
}

// fits reports what is wrong with a label that ends at end and leaves budget.
func fits(msg []byte, end, budget int) Fault {
	switch {
	case budget <= 0:
		return LongName
	case end > len(msg):
		return ShortName
	default:
		return OK
	}
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

// finish takes the labels, each with its dot, as the name.
func (n *Name) finish(text []byte) {
	if len(text) == 0 {
		n.text[0] = '.'
		n.n = 1
		return
	}
	n.n = len(text) - 1
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
