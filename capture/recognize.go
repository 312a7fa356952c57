package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// headSize is how many bytes of a stream are enough to recognise it.
const headSize = 264

// A kind says what a stream is, as far as the reader cares.
type kind uint8

const (
	kindOther kind = iota
	kindPcap
	kindPcapng
	kindGzip
	kindZstd
	kindLZ4
)

// packed reports whether the stream has to be unpacked first.
func (k kind) packed() bool { return k >= kindGzip }

// String returns the name of the format or packing.
func (k kind) String() string {
	switch k {
	case kindPcap:
		return "pcap"
	case kindPcapng:
		return "pcapng"
	case kindGzip:
		return "gzip"
	case kindZstd:
		return "zstd"
	case kindLZ4:
		return "lz4"
	default:
		return "unknown"
	}
}

// The first four bytes of what the reader reads, as big-endian numbers. A pcap
// file has the same in the reverse order when written by the other sort of
// machine.
const (
	magicMicro    = 0xa1b2c3d4 // pcap, microseconds
	magicNano     = 0xa1b23c4d // pcap, nanoseconds
	magicModified = 0xa1b2cd34 // pcap with longer record headers, by A. Kuznetzov
	magicSection  = 0x0a0d0d0a // pcapng, the type of the section header block
	magicZstd     = 0x28b52ffd // RFC 8878
	magicLZ4      = 0x04224d18
	magicOldLZ4   = 0x02214c18
	magicGzip     = 0x1f8b08 // RFC 1952, with the only method there is
	magicSkip     = 0x2a4d18 // frames that zstd and lz4 skip: 0x50 to 0x5f, then this
)

// Recognized reports whether what begins with head is a capture, or is packed as
// captures are.
func Recognized(head []byte) bool { return recognize(head) != kindOther }

// recognize tells from a stream's first bytes what it is.
func recognize(head []byte) kind {
	if len(head) < 4 {
		return kindOther
	}
	switch magic := binary.BigEndian.Uint32(head); {
	case pcapMagic(magic), pcapMagic(binary.LittleEndian.Uint32(head)):
		return kindPcap
	case magic == magicSection:
		return kindPcapng
	case magic>>8 == magicGzip:
		return kindGzip
	case magic>>28 == 5 && magic&0xffffff == magicSkip:
		return behindSkipped(head)
	case magic == magicZstd:
		return kindZstd
	case magic == magicLZ4, magic == magicOldLZ4:
		return kindLZ4
	default:
		return kindOther
	}
}

// behindSkipped tells zstd from lz4 where the stream begins with a skippable
// frame, which both have, by the frame after it; zstd where head ends before that.
func behindSkipped(head []byte) kind {
	if len(head) < 8 {
		return kindZstd
	}
	if next := 8 + uint64(binary.LittleEndian.Uint32(head[4:])); next < uint64(len(head)) {
		if k := recognize(head[next:]); k.packed() {
			return k
		}
	}
	return kindZstd
}

func pcapMagic(n uint32) bool {
	return n == magicMicro || n == magicNano || n == magicModified
}

// errNoCapture says that a file is not in any format of captures.
var errNoCapture = errors.New("no capture")

// noCapture returns the error for a stream that this package can't read.
func noCapture(head []byte) error {
	what := describe(head)
	if what != "" {
		what = " (" + what + ")"
	}
	return fmt.Errorf("is %w: begins with % x%s", errNoCapture, head[:min(4, len(head))], what)
}

// describe names what begins with head, or returns an empty string. With a format
// of captures comes how to convert it into one that is read.
func describe(head []byte) string {
	for _, s := range signatures() {
		if bytes.HasPrefix(head, []byte(s.magic)) {
			return s.what
		}
	}
	switch {
	case len(head) >= 262 && string(head[257:262]) == "ustar":
		return "a tar archive; unpack it first"
	case isText(head):
		return "text"
	case looksLikeERF(head):
		return "perhaps an Endace ERF capture" + convert
	default:
		return ""
	}
}

// convert says what to do with a capture in a format that is not read.
const convert = "; convert it to pcapng, with editcap for instance"

// A signature is how the files of one format begin, and what to call them.
type signature struct{ magic, what string }

// signatures returns the signatures of files that somebody may take for a capture.
func signatures() []signature {
	return []signature{
		{"snoop\x00\x00\x00", "a snoop capture" + convert},
		{"btsnoop\x00", "a Bluetooth snoop capture, which carries no IP"},
		{"RTSS", "a Microsoft Network Monitor 1 capture" + convert},
		{"GMBU", "a Microsoft Network Monitor 2 capture" + convert},
		{"TRSNIFF data    \x1a", "a Network General Sniffer capture" + convert},
		{"XCP\x00", "a NetXRay capture" + convert},
		{"\x05VNF", "a Visual Networks capture" + convert},
		{"iptrace ", "an AIX iptrace capture" + convert},
		{"\x7fver", "a Savvius Peek capture" + convert},
		{"\xaa\xaa\xaa\xaa", "a 5Views capture" + convert},
		{"\x00\x00\x02\x00\x12\x05\x10", "a Tektronix K12 capture" + convert},
		{"\x1c\x00\x01\xac", "an Ixia capture" + convert},
		{"\x1c\x00\x01\xab", "an Ixia capture" + convert},
		{"\xac\x01\x00\x1c", "an Ixia capture" + convert},
		{"\xab\x01\x00\x1c", "an Ixia capture" + convert},
		{"PK\x03\x04", "a zip archive; unpack it first"},
		{"PK\x05\x06", "an empty zip archive"},
		{"BZh", "bzip2 data; unpack it first"},
		{"\xfd7zXZ\x00", "xz data; unpack it first"},
		{"\x5d\x00\x00", "lzma data; unpack it first"},
		{"\x1f\x9d", "compress data; unpack it first"},
		{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
		{"Rar!\x1a\x07", "a RAR archive"},
		{"\x7fELF", "a program"},
		{"MZ", "a Windows program"},
		{"%PDF", "a PDF document"},
		{"\xd0\xcf\x11\xe0", "a Microsoft Office document or ETL file"},
		{"SQLite format 3\x00", "an SQLite database"},
	}
}

// looksLikeERF reports whether head could be an Endace ERF record. The format
// has no magic: a little-endian time, a record type, and lengths that fit.
func looksLikeERF(head []byte) bool {
	if len(head) < 16 {
		return false
	}
	const year2000, year2038, longest = 946_684_800, 1 << 31, 10_000
	sec := binary.LittleEndian.Uint32(head[4:])
	record := head[8] & 0x7f
	length, wire := binary.BigEndian.Uint16(head[10:]), binary.BigEndian.Uint16(head[14:])
	return sec >= year2000 && sec < year2038 && record >= 1 && record <= 48 &&
		length >= 16 && length <= longest && length%8 == 0 && wire <= longest
}

// isText reports whether head is ASCII that a person could read.
func isText(head []byte) bool {
	for _, c := range head {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return len(head) > 0
}
