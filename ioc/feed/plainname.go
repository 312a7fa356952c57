package feed

const (
	maxName  = 253 // bytes (RFC 1035, 2.3.4, as text)
	maxLabel = 63
)

// isPlain reports whether a text is a name as nearly all in feeds are, and
// nothing but that: canonical, of several labels, the last of which begins
// with a letter, so that it is no number. It says no to some that are names.
func isPlain(text string) bool {
	start := 0
	for i := range len(text) {
		switch nameBytes[text[i]] {
		case '.':
			if i == start || i-start > maxLabel {
				return false
			}
			start = i + 1
		case 0:
			return false
		}
	}
	last := text[start:]
	return start > 0 && len(text) <= maxName && last != "" && len(last) <= maxLabel && last[0] >= 'a'
}

// nameBytes maps the bytes of names in canonical form to themselves, others to
// 0. A constant string is a table that can't change.
const nameBytes = zeros16 + zeros16 +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00-.\x00" +
	"0123456789\x00\x00\x00\x00\x00\x00" +
	zeros16 +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00_" +
	"\x00abcdefghijklmno" + "pqrstuvwxyz\x00\x00\x00\x00\x00" +
	zeros16 + zeros16 + zeros16 + zeros16 + zeros16 + zeros16 + zeros16 + zeros16

const zeros16 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
