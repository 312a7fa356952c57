package detail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line encodes a document as JSON on one line without a newline. Names stay as
// they are: <, > and & are not escaped. What a terminal obeys, or turns text
// around, is: who looks at events sees what strangers wrote, and JSON's own
// escapes end at the space.
func Line(document any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		return nil, err
	}
	line := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if !visible(line) && bytes.ContainsFunc(line, hidden) {
		line = escaped(line)
	}
	return line, nil
}

// visible reports whether a line has visible characters of ASCII alone, as nearly all
// have: to look at each character would take as long as a tenth of the rest.
func visible(line []byte) bool {
	for _, c := range line {
		if c > '~' {
			return false
		}
	}
	return true
}

// hidden reports whether a character can't be seen, or does something to others.
func hidden(r rune) bool { return r > '~' && !unicode.IsGraphic(r) }

// escaped writes hidden characters as JSON escapes them: in what json.Encoder
// wrote they stand in strings alone, never behind a backslash.
func escaped(line []byte) []byte {
	out := make([]byte, 0, len(line)+64)
	for _, r := range string(line) {
		switch {
		case !hidden(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
