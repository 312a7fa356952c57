package smb1

import "encoding/binary"

// HeaderSize is the length of the SMB1 header (MS-CIFS 2.2.3.1), in bytes.
// The word count follows it.
const HeaderSize = 32

// Header is the SMB1 header and the word count that follows it.
type Header struct {
	Command   Command
	Status    Status
	Flags     uint8
	Flags2    uint16
	Signature [8]byte // SecurityFeatures
	Reserved  uint16  // 0, whoever sends it
	TID       uint16  // tree
	PID       uint16  // process of the client, low half
	UID       uint16  // session
	MID       uint16  // multiplex: a reply has the MID of its request
	WordCount uint8   // parameter words that follow, two bytes each
}

// ParseHeader reads the header of an SMB1 message. It returns false when b is
// something else or ends before the word count.
func ParseHeader(b []byte) (Header, bool) {
	if len(b) < HeaderSize+1 || kindOf(b) != KindSMB1 {
		return Header{}, false
	}
	le := binary.LittleEndian
	return Header{
		Command:   Command(b[4]),
		Status:    Status(le.Uint32(b[5:])),
		Flags:     b[9],
		Flags2:    le.Uint16(b[10:]),
		Signature: [8]byte(b[14:22]),
		Reserved:  le.Uint16(b[22:]),
		TID:       le.Uint16(b[24:]),
		PID:       le.Uint16(b[26:]),
		UID:       le.Uint16(b[28:]),
		MID:       le.Uint16(b[30:]),
		WordCount: b[32],
	}, true
}

// Reply reports whether the message is a server's.
func (h *Header) Reply() bool { return h.Flags&FlagReply != 0 }

// Request tells a request from the others of its connection that are open: a
// reply has the PID and the MID of its request.
func (h *Header) Request() uint32 { return uint32(h.PID)<<16 | uint32(h.MID) }

// Unicode reports whether strings are UTF-16LE.
func (h *Header) Unicode() bool { return h.Flags2&Flag2Unicode != 0 }

// NTStatus returns the status, and whether it is one: without
// Flag2NTStatus, it is a DOS error class and code instead.
func (h *Header) NTStatus() (Status, bool) { return h.Status, h.Flags2&Flag2NTStatus != 0 }

// Flags (MS-CIFS 2.2.3.1).
const (
	FlagReply uint8 = 0x80

	Flag2NTStatus uint16 = 0x4000
	Flag2Unicode  uint16 = 0x8000
)

// Command is an SMB1 command code (MS-CIFS 2.2.2.1).
type Command uint8

// The commands that detection reads.
const (
	CommandTransSecondary   Command = 0x26
	CommandTrans            Command = 0x25
	CommandWriteAndX        Command = 0x2F
	CommandTrans2           Command = 0x32
	CommandTrans2Secondary  Command = 0x33
	CommandNegotiate        Command = 0x72
	CommandSessionSetup     Command = 0x73
	CommandTreeConnect      Command = 0x75
	CommandNTTrans          Command = 0xA0
	CommandNTTransSecondary Command = 0xA1

	commandNone Command = 0xFF // ends an AndX chain
)

// Status is an NTSTATUS value (MS-ERREF 2.3).
type Status uint32

// The statuses that detection tells apart.
const (
	StatusSuccess            Status = 0
	StatusNotImplemented     Status = 0xC0000002
	StatusInvalidHandle      Status = 0xC0000008
	StatusInvalidParameter   Status = 0xC000000D
	StatusMoreProcessing     Status = 0xC0000016
	StatusAccessDenied       Status = 0xC0000022
	StatusInsufficientServer Status = 0xC0000205 // STATUS_INSUFF_SERVER_RESOURCES
)
