package feed

import "strings"

const (
	maxName  = 253 // bytes (RFC 1035, 2.3.4, as text)
	maxLabel = 63
)

// plainDot reports whether a text is a canonical name of several labels, of which the
// last begins with a letter, as nearly all names in feeds are. It is a fast check, and
// false for some texts that are names, too. dot is the index of the first dot.
func plainDot(text string) (dot int, ok bool) {
	if len(text) > maxName || !isPlainText(text) {
		return 0, false
	}
	dot = strings.IndexByte(text, '.')
	last := text
	for end := dot; end >= 0; end = strings.IndexByte(last, '.') {
		if end == 0 || end > maxLabel {
			return 0, false
		}
		last = last[end+1:]
	}
	return dot, dot > 0 && last != "" && len(last) <= maxLabel && last[0] >= 'a'
}

// isPlainText reports whether all bytes are those of names in canonical form.
// They are looked at eight at a time, the last ones with some of those before
// them.
func isPlainText(text string) bool {
	if len(text) < 8 {
		text += "aaaaaaaa"[len(text):]
	}
	odd := oddBytes(word(text[len(text)-8:]))
	for ; len(text) > 8; text = text[8:] {
		odd |= oddBytes(word(text))
	}
	return odd == 0
}

// word returns the first eight bytes of a text, the first the lowest.
func word(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

const each, tops = 0x0101010101010101, 0x8080808080808080

// oddBytes returns 0 if each of eight bytes is a lower-case letter, a digit, or one of
// . - and _. It returns something else if a byte is 0x80 or more; where none is, no
// addition carries into the next byte.
func oddBytes(x uint64) uint64 {
	plain := between(x, 'a', 'z') | between(x, '-', '9') | equal(x, '_')
	return (x | ^plain | equal(x, '/')) & tops
}

// between returns the upper bit of each byte from low to high.
func between(x uint64, low, high byte) uint64 {
	return (x + each*uint64(0x80-low)) &^ (x + each*uint64(0x80-high-1)) & tops
}

// equal returns the upper bit of each byte that is c.
func equal(x uint64, c byte) uint64 { return tops - (x ^ each*uint64(c)) }
