package smb1

import "encoding/binary"

// Header2Size is the length of the SMB2 header (MS-SMB2 2.2.1), in bytes.
const Header2Size = 64

// Header2 is what detection needs of the SMB2 header.
type Header2 struct {
	Status  Status
	Command uint16
	Flags   uint32
}

// SMB2 commands and flags.
const (
	Command2Negotiate    = 0
	Command2SessionSetup = 1

	flag2Reply = 1 // SMB2_FLAGS_SERVER_TO_REDIR
)

// ParseHeader2 reads the header of an SMB2 message.
func ParseHeader2(b []byte) (Header2, bool) {
	if len(b) < Header2Size || kindOf(b) != KindSMB2 {
		return Header2{}, false
	}
	le := binary.LittleEndian
	if le.Uint16(b[4:]) != Header2Size {
		return Header2{}, false
	}
	return Header2{Status: Status(le.Uint32(b[8:])), Command: le.Uint16(b[12:]), Flags: le.Uint32(b[16:])}, true
}

// Reply reports whether the message is a server's.
func (h *Header2) Reply() bool { return h.Flags&flag2Reply != 0 }

// Negotiate2 is a reply to SMB2 NEGOTIATE (MS-SMB2 2.2.4).
type Negotiate2 struct {
	SigningRequired bool   // enabled it always is
	Dialect         uint16 // 0x0202 to 0x0311; 0x02FF asks the client to negotiate again
	GUID            []byte // 16 bytes, borrowed
	SystemTime      uint64 // FILETIME: 100 ns since 1601
	ServerStartTime uint64 // the same, 0 where the server does not say
	Compression     bool   // it offered compression, which SMBGhost needs
}

// ParseNegotiate2 reads a reply. Contexts beyond MaxHead are not seen.
func ParseNegotiate2(b []byte) (Negotiate2, bool) {
	const body = Header2Size
	le := binary.LittleEndian
	if len(b) < body+64 || le.Uint16(b[body:]) != 65 {
		return Negotiate2{}, false
	}
	n := Negotiate2{
		SigningRequired: b[66]&2 != 0,
		Dialect:         le.Uint16(b[68:]),
		GUID:            b[72:88],
		SystemTime:      le.Uint64(b[104:]),
		ServerStartTime: le.Uint64(b[112:]),
	}
	if n.Dialect == 0x0311 {
		n.Compression = hasContext(b, int(le.Uint32(b[124:])), int(le.Uint16(b[70:])), 3)
	}
	return n, true
}

// hasContext reports whether a negotiate context of a type is among the count
// contexts at at (MS-SMB2 2.2.3.1).
func hasContext(b []byte, at, count, typ int) bool {
	le := binary.LittleEndian
	for range count {
		if at < Header2Size || at > len(b)-8 {
			return false
		}
		if int(le.Uint16(b[at:])) == typ {
			return true
		}
		at += (8 + int(le.Uint16(b[at+2:])) + 7) &^ 7
	}
	return false
}

// SessionSetup2 returns the security blob of a reply to SMB2 SESSION_SETUP
// (MS-SMB2 2.2.6), borrowed.
func SessionSetup2(b []byte) ([]byte, bool) {
	const body = Header2Size
	le := binary.LittleEndian
	if len(b) < body+8 || le.Uint16(b[body:]) != 9 {
		return nil, false
	}
	at, n := int(le.Uint16(b[body+4:])), int(le.Uint16(b[body+6:]))
	if at < body+8 || at > len(b) {
		return nil, false
	}
	return b[at:min(at+n, len(b))], true
}

// CompressedHeaderSize is the length of the compression transform header.
const CompressedHeaderSize = 16

// Compressed is the compression transform header (MS-SMB2 2.2.42.1).
type Compressed struct {
	OriginalSize uint32 // bytes of the message before it was compressed
	Offset       uint32 // bytes before the compressed part
}

// ParseCompressed reads a compression transform header.
func ParseCompressed(b []byte) (Compressed, bool) {
	if len(b) < CompressedHeaderSize || kindOf(b) != KindCompressed {
		return Compressed{}, false
	}
	le := binary.LittleEndian
	return Compressed{OriginalSize: le.Uint32(b[4:]), Offset: le.Uint32(b[12:])}, true
}

// Overflows reports whether the sum that a receiver computes from the header
// does not fit 32 bits: CVE-2020-0796, SMBGhost. No honest message is
// that large.
func (c Compressed) Overflows() bool { return c.OriginalSize+c.Offset < c.OriginalSize }
