package smb1

import (
	"bytes"
	"encoding/binary"
)

// A view is what a Framer sees at the beginning of a window. It has few enough
// fields for the compiler to keep it in registers.
type view struct {
	head    int  // bytes wanted before going on, NetBIOS header included; 0 where no message may begin
	total   int  // bytes of the whole, NetBIOS header included; 0 while it is not known
	message bool // it is an SMB message, no other NetBIOS packet
}

// probe is how much of a message it takes to tell it from other bytes: the
// NetBIOS header, the SMB1 header and the word count.
const probe = frameHeader + HeaderSize + 1

// look says whether a NetBIOS packet may begin at w. In sync the framing is
// believed, whatever a sender put into it; otherwise what follows must be an
// SMB message that makes sense.
func look(w []byte, s state) view {
	strict := s != synced
	if s == hunting && len(w) > 0 && hunt(w) > 0 {
		return view{}
	}
	if len(w) < frameHeader {
		return viewIf(len(w) == 0 || isType(w[0]), view{head: frameHeader})
	}
	total := frameHeader + int(w[1])<<16 + int(binary.BigEndian.Uint16(w[2:]))
	if w[0] != 0 {
		// Session service packets (RFC 1002, 4.3.2 to 4.3.7) are short.
		return viewIf(isType(w[0]) && total <= frameHeader+256, view{head: min(total, probe), total: total})
	}
	if total == frameHeader { // an empty message keeps a session alive
		return viewIf(!strict, view{head: frameHeader, total: total})
	}
	const kindHead = frameHeader + 4
	if len(w) < kindHead {
		return viewIf(total >= kindHead && (len(w) == frameHeader || w[frameHeader] >= 0xFC), view{head: kindHead})
	}
	kind := kindOf(w[frameHeader:])
	if kind == KindNone || total < kindHead { // or what tells the kind is of the next packet
		return view{}
	}
	v := view{head: min(total, frameHeader+MaxHead), total: total, message: true}
	if !strict {
		return v
	}
	possible := total >= minTotal(kind)
	if len(w) < min(probe, total) {
		v.head = min(probe, total)
		return viewIf(possible, v)
	}
	return viewIf(possible && sensible(w[frameHeader:], kind, total-frameHeader), v)
}

// viewIf returns v if a message may begin.
func viewIf(may bool, v view) view {
	if !may {
		return view{}
	}
	return v
}

// isType reports whether t is the type of a NetBIOS session packet.
func isType(t byte) bool { return t == 0 || t >= 0x81 && t <= 0x85 }

// minTotal is the least length of a message of a kind, NetBIOS header
// included.
func minTotal(k Kind) int {
	switch k {
	case KindSMB1:
		return probe + 2 // and the byte count
	case KindSMB2:
		return frameHeader + Header2Size
	case KindEncrypted:
		return frameHeader + 52 // MS-SMB2 2.2.41
	default:
		return frameHeader + CompressedHeaderSize
	}
}

// sensible reports whether bytes that begin like a message have a header that
// fits its length.
func sensible(b []byte, k Kind, length int) bool {
	switch k {
	case KindSMB1:
		return HeaderSize+1+2*int(b[HeaderSize])+2 <= length
	case KindSMB2:
		return binary.LittleEndian.Uint16(b[4:]) == Header2Size
	default:
		return true
	}
}

// hunt returns the first place in w where an SMB1 or SMB2 message may begin, 0
// to len(w). Other kinds are too short to tell from other bytes.
func hunt(w []byte) int {
	// The identifier's second byte is looked for first: it is rare, and the
	// search for one byte is fast.
	const ahead = frameHeader + 1
	i := 0
	for ; i+ahead+2 < len(w); i++ {
		j := bytes.IndexByte(w[i+ahead:len(w)-2], 'S')
		if j < 0 {
			break
		}
		i += j
		if id := w[i+frameHeader:]; w[i] == 0 && id[0] >= 0xFE && id[2] == 'M' && id[3] == 'B' {
			return i
		}
	}
	return tail(w, max(i, len(w)-ahead-2))
}

// tail returns the first place from i on where a message may begin of which
// the identifier is not complete.
func tail(w []byte, i int) int {
	if n := len(w); n >= 8 && !hasZero(binary.LittleEndian.Uint64(w[n-8:])) {
		return n // as nearly always: i is behind n-8
	}
	for ; i < len(w); i++ {
		j := bytes.IndexByte(w[i:], 0)
		if j < 0 {
			break
		}
		if i += j; couldBe(w[min(i+frameHeader, len(w)):]) {
			return i
		}
	}
	return len(w)
}

// hasZero reports whether one of the bytes of a word is 0.
func hasZero(w uint64) bool {
	const low, high = 0x0101010101010101, 0x8080808080808080
	return (w-low)&^w&high != 0
}

// couldBe reports whether b, of less than four bytes, begins an identifier.
func couldBe(b []byte) bool {
	for i, c := range b {
		if i == 0 && c < 0xFE || i > 0 && c != "\xffSMB"[i] {
			return false
		}
	}
	return true
}
