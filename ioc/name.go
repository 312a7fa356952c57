package ioc

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// checkName reports what keeps a name from being canonical: lower-case ASCII
// labels of 1 to 63 bytes, two at least, without a dot at the end.
func checkName(name []byte) error {
	if len(name) == 0 || len(name) > maxName {
		return errors.New("not a name of 1 to 253 bytes")
	}
	if !lowerASCII(name) {
		return errors.New("a name with a byte that is not lower-case ASCII")
	}
	labels := 0
	for rest, more := name, true; more; labels++ {
		end := bytes.IndexByte(rest, '.')
		if more = end >= 0; !more {
			end = len(rest)
		}
		if end == 0 || end > 63 {
			return errLabel
		}
		rest = rest[min(end+1, len(rest)):]
	}
	if labels < 2 {
		return errors.New("a name without a dot")
	}
	return nil
}

var errLabel = errors.New("a name with a label that is empty or longer than 63 bytes")

// lowerASCII reports whether all bytes are printable ASCII, but no blanks or
// upper-case letters. They are looked at eight at a time, the last ones with
// some of those before them.
func lowerASCII(text []byte) bool {
	if len(text) < 8 {
		padded := [8]byte{'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a'}
		copy(padded[:], text)
		text = padded[:]
	}
	odd := oddBytes(binary.LittleEndian.Uint64(text[len(text)-8:]))
	for ; len(text) > 8; text = text[8:] {
		odd |= oddBytes(binary.LittleEndian.Uint64(text))
	}
	return odd == 0
}

// oddBytes returns 0 if each of eight bytes is between '!' and '~' and no
// upper-case letter. Where all are below 0x80, which the first term sees to,
// adding to one does not carry into the next.
func oddBytes(x uint64) uint64 {
	const each, tops = 0x0101010101010101, 0x8080808080808080
	high := (x + each*(0x80-0x7f)) | x
	low := ^(x + each*(0x80-'!'))
	upper := (x + each*(0x80-'A')) &^ (x + each*(0x80-'Z'-1))
	return (high | low | upper) & tops
}
