package export

import (
	"strconv"
	"strings"
)

// maxLabel is how long a label can be, in bytes (RFC 1035, chapter 2.3.4).
const maxLabel = 63

// canonical writes a name as the guards compare names, and as name servers do that
// get it: documents, and what sensors send, come from elsewhere, too.
func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(unescaped(name), "."))
}

// unescaped writes the characters of host names without the escapes that they need not
// have: a name server reads \119 as w.
func unescaped(name string) string {
	if !strings.Contains(name, `\`) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		n := 0
		if name[i] == '\\' {
			n = escapeLength(name[i:])
		}
		if n == 0 {
			b.WriteByte(name[i])
			continue
		}
		c := name[i+1]
		if n > 2 {
			code, _ := strconv.ParseUint(name[i+1:i+n], 10, 8) // three digits up to 255
			c = byte(code)
		}
		if c == '-' || c == '_' || isDigit(c) || c|' ' >= 'a' && c|' ' <= 'z' {
			b.WriteByte(c)
		} else {
			b.WriteString(name[i : i+n])
		}
		i += n - 1
	}
	return b.String()
}

// isName reports whether a text is a name in presentation format. One that is none
// makes a name server refuse the zone with all the others in it, or gets past a
// guard and is then read as another.
func isName(text string) bool {
	label := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '.' {
			if label == 0 {
				return false
			}
			label = 0
			continue
		}
		if c == '\\' {
			n := escapeLength(text[i:])
			if n == 0 {
				return false
			}
			i += n - 1
		}
		if label++; label > maxLabel || c <= ' ' || c > '~' {
			return false
		}
	}
	return label > 0
}

// escapeLength returns how long the escape is that a text begins with: a backslash
// and three digits for a byte, or a backslash and any other character; 0 for none.
func escapeLength(text string) int {
	if len(text) < 2 || text[1] <= ' ' || text[1] > '~' {
		return 0
	}
	if !isDigit(text[1]) {
		return 2
	}
	if len(text) < 4 || !isDigit(text[2]) || !isDigit(text[3]) || text[1:4] > "255" {
		return 0
	}
	return 4
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
