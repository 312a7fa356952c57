package ioc

import (
	"bytes"
	"encoding/binary"
)

// An arena keeps names end to end in chunks, each as a record of
//
//	length    1 byte
//	name      length bytes
//	note      unsigned varint, as in encoding/binary
//	line      unsigned varint
//
// A record that was replaced has a name that begins with byte 0. A name costs
// its length and about five bytes, none of which the garbage collector looks
// at. The zero value is empty.
type arena struct {
	chunks [][]byte
}

// A ref is the place of a record: chunk in the upper half, offset in the lower.
type ref uint32

const (
	chunkSize = 1 << 16
	// maxName bounds a name: RFC 1035 has 255 octets on the wire, of which
	// the text form drops two; escapes are not for indicators.
	maxName   = 253
	maxRecord = 1 + maxName + 2*binary.MaxVarintLen32
	// maxChunks bounds an arena to 4 GB, about 150 million names.
	maxChunks = 1 << 16
)

// full reports whether there is no room for one more record.
func (a *arena) full() bool {
	return len(a.chunks) == maxChunks && chunkSize-len(a.chunks[maxChunks-1]) < maxRecord
}

// add appends a record.
func (a *arena) add(name []byte, e entry) ref {
	last := len(a.chunks) - 1
	if last < 0 || chunkSize-len(a.chunks[last]) < maxRecord {
		a.chunks = append(a.chunks, make([]byte, 0, chunkSize))
		last++
	}
	chunk := a.chunks[last]
	b := append(chunk, byte(len(name))) //nolint:gosec // at most maxName
	b = append(b, name...)
	a.chunks[last] = appendEntry(b, e)
	return ref(last<<16 | len(chunk)) //nolint:gosec // full was asked
}

// setEntry replaces a record's note and line in place, or where they do not
// fit, by a new record. It returns where the record is now.
func (a *arena) setEntry(r ref, e entry) ref {
	name, rest := a.split(r)
	_, n := binary.Uvarint(rest)
	_, m := binary.Uvarint(rest[n:])
	var buf [2 * binary.MaxVarintLen32]byte
	b := appendEntry(buf[:0], e)
	if len(b) == n+m {
		copy(rest, b)
		return r
	}
	moved := a.add(name, e)
	name[0] = 0
	return moved
}

// each calls do for every record that was not replaced, in the order added.
func (a *arena) each(do func(r ref, name []byte)) {
	a.walk(func(_ int, r ref, name []byte) { do(r, name) })
}

// walk is each with the number of the record, counted from 0 with those that
// were replaced.
func (a *arena) walk(do func(nth int, r ref, name []byte)) {
	nth := 0
	for i, chunk := range a.chunks {
		for at := 0; at < len(chunk); nth++ {
			end := at + 1 + int(chunk[at])
			if name := chunk[at+1 : end : end]; name[0] != 0 {
				do(nth, ref(i<<16|at), name) //nolint:gosec // as add made it
			}
			at = skipVarint(chunk, skipVarint(chunk, end))
		}
	}
}

// skipVarint returns where the varint at a place of b ends.
func skipVarint(b []byte, at int) int {
	for b[at] >= 0x80 {
		at++
	}
	return at + 1
}

// replaced reports whether a record was replaced.
func (a *arena) replaced(r ref) bool { return a.name(r)[0] == 0 }

func appendEntry(b []byte, e entry) []byte {
	b = binary.AppendUvarint(b, uint64(e.note))
	return binary.AppendUvarint(b, uint64(e.line))
}

// split returns the name of a record, and the chunk from behind it.
func (a *arena) split(r ref) (name, rest []byte) {
	b := a.chunks[r>>16][r&(chunkSize-1):]
	end := 1 + int(b[0])
	return b[1:end:end], b[end:]
}

// name returns the name of a record.
func (a *arena) name(r ref) []byte {
	name, _ := a.split(r)
	return name
}

// length returns the length of a record's name.
func (a *arena) length(r ref) int { return int(a.chunks[r>>16][r&(chunkSize-1)]) }

// is reports whether a record is of this name.
func (a *arena) is(r ref, name []byte) bool {
	b := a.chunks[r>>16][r&(chunkSize-1):]
	return int(b[0]) == len(name) && bytes.Equal(b[1:1+len(name)], name)
}

// entry returns the note and line of a record.
func (a *arena) entry(r ref) entry {
	_, rest := a.split(r)
	note, n := binary.Uvarint(rest)
	line, _ := binary.Uvarint(rest[n:])
	return entry{uint32(note), uint32(line)} //nolint:gosec // as they were put in
}
