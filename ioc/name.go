package ioc

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// What a name must be to be canonical, and is not.
var (
	errNameLength = errors.New("not a name of 1 to 253 bytes")
	errNameByte   = errors.New("a name with a byte that is not lower-case ASCII")
	errLabel      = errors.New("a name with a label that is empty or longer than 63 bytes")
	errNoDot      = errors.New("a name without a dot")
)

// A wireName is a name as it is in DNS messages, each label with its length
// before it. That is what is hashed.
type wireName struct {
	text   [8 + 1 + maxName]byte // ends with the name
	labels [maxLabels]uint8      // where in the name each label begins
	n      int                   // labels
}

const (
	maxLabel  = 63
	maxLabels = (maxName + 1) / 2
)

// checkName reports what keeps a name from being canonical: lower-case ASCII
// labels of 1 to 63 bytes, two at least, without a dot at the end.
func checkName(name []byte) error { return new(wireName).set(name) }

// set takes a name, or reports what keeps it from being canonical.
func (w *wireName) set(name []byte) error {
	if len(name) == 0 || len(name) > maxName {
		return errNameLength
	}
	if !lowerASCII(name) {
		return errNameByte
	}
	w.n = 0
	text := w.text[len(w.text)-len(name)-1:]
	copy(text[1:], name)
	for start := 0; start <= len(name); {
		size := bytes.IndexByte(name[start:], '.')
		if size < 0 {
			size = len(name) - start
		}
		if size == 0 || size > maxLabel {
			return errLabel
		}
		text[start] = byte(size)     //nolint:gosec // at most maxLabel
		w.labels[w.n] = uint8(start) //nolint:gosec // less than maxName
		w.n++
		start += size + 1
	}
	if w.n < 2 {
		return errNoDot
	}
	return nil
}

// hash returns the hash of the name from a label on, of so many bytes in all.
func (w *wireName) hash(k *secret, size, label int) uint64 {
	return k.text(w.text[:], size+1-int(w.labels[label]))
}

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
