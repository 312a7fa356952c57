// Package visible writes text that strangers had a part in so that it can be looked at:
// what commands a terminal, can't be seen, or turns text around stands as JSON escapes it.
// encoding/json itself escapes only what is below the space.
package visible

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON returns what encoding/json wrote with hidden characters escaped. There they stand
// in strings alone, never behind a backslash, so that it says the same to programs.
func JSON(text []byte) []byte {
	if plain(text) || !bytes.ContainsFunc(text, hidden) {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for _, r := range string(text) {
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

// plain reports whether text has visible characters of ASCII and line ends alone, as
// nearly all has: to look at each character would take much longer.
func plain(text []byte) bool {
	for _, c := range text {
		if c > '~' {
			return false
		}
	}
	return true
}

// hidden reports whether a character can't be seen, or does something to others.
func hidden(r rune) bool { return r > '~' && !unicode.IsGraphic(r) }

// A Writer writes JSON as JSON returns it, whatever pieces it comes in.
type Writer struct {
	to   io.Writer
	rest []byte // the beginning of a character
}

// NewWriter makes a Writer.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	text := p
	if len(w.rest) > 0 {
		text = append(w.rest, p...)
	}
	whole := len(text)
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				whole = i
			}
			break
		}
	}
	_, err := w.to.Write(JSON(text[:whole]))
	w.rest = bytes.Clone(text[whole:])
	return len(p), err
}
