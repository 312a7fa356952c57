package smb1

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxText is the most characters that Text returns.
const MaxText = 256

// Text returns a string of the wire as valid UTF-8: from UTF-16LE where
// wide, else from an OEM character set, of which only ASCII is sure. What is not printable
// becomes U+FFFD, so that no control character reaches a terminal or log.
func Text(b []byte, wide bool) string {
	var out strings.Builder
	for n := 0; n < MaxText && len(b) > 0; n++ {
		r, size := rune(b[0]), 1
		if wide {
			r, size = rune16(b)
		} else if r >= utf8.RuneSelf {
			r = utf8.RuneError
		}
		if !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		out.WriteRune(r)
		b = b[size:]
	}
	return out.String()
}

// rune16 returns the first rune of UTF-16LE text and its length in bytes. b
// is not empty.
func rune16(b []byte) (r rune, size int) {
	if len(b) < 2 {
		return utf8.RuneError, len(b)
	}
	r = rune(binary.LittleEndian.Uint16(b))
	if !utf16.IsSurrogate(r) {
		return r, 2
	}
	if len(b) < 4 {
		return utf8.RuneError, 2
	}
	if r = utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(b[2:]))); r == utf8.RuneError {
		return r, 2
	}
	return r, 4
}
