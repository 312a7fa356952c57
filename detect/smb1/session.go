package smb1

import "encoding/binary"

// Negotiate is a reply to SMB_COM_NEGOTIATE that chose NT LM 0.12 (MS-SMB
// 2.2.4.5.2).
type Negotiate struct {
	SigningKnown    bool // the capture has that much of the reply
	SigningEnabled  bool
	SigningRequired bool
	Capabilities    uint32
	GUID            []byte // 16 bytes, borrowed; nil without extended security
	// Names are DomainName and ServerName, borrowed, for NextString: in Unicode if
	// Capabilities has CapUnicode, whatever the header says. They are nil with
	// extended security, or where the capture has only a part of them.
	Names []byte
}

// CapUnicode says that the server speaks Unicode.
const CapUnicode = 0x00000004

// CapExtendedSecurity says that set-up is by security blobs (SPNEGO).
const CapExtendedSecurity = 0x80000000

// NoDialect is the dialect index of a server that speaks none of the
// client's dialects.
const NoDialect = 0xFFFF

// ParseNegotiate reads a reply, as far as it goes. It returns false when the
// server chose an older dialect, or none: NegotiateDialect tells which.
func ParseNegotiate(b []byte) (Negotiate, bool) {
	if len(b) < HeaderSize+3 || b[HeaderSize] < 17 {
		return Negotiate{}, false
	}
	var n Negotiate
	if len(b) > 35 {
		n.SigningKnown = true
		n.SigningEnabled, n.SigningRequired = b[35]&0x04 != 0, b[35]&0x08 != 0
	}
	if len(b) < HeaderSize+37 {
		return n, true
	}
	n.Capabilities = binary.LittleEndian.Uint32(b[52:])
	switch {
	case n.Capabilities&CapExtendedSecurity == 0:
		n.Names = serverNames(b)
	case len(b) >= 69+16:
		n.GUID = b[69 : 69+16]
	}
	return n, true
}

// serverNames returns what stands behind the challenge of a reply without extended
// security (MS-CIFS 2.2.4.52.2), unaligned.
func serverNames(b []byte) []byte {
	if len(b) < 69 {
		return nil
	}
	at, end := 69+int(b[66]), 69+int(binary.LittleEndian.Uint16(b[67:]))
	if at >= end || end > len(b) {
		return nil
	}
	return b[at:end:end]
}

// NegotiateDialect returns the dialect index of any reply to a negotiation.
func NegotiateDialect(b []byte) (uint16, bool) {
	if len(b) < HeaderSize+3 || b[HeaderSize] < 1 {
		return 0, false
	}
	return binary.LittleEndian.Uint16(b[33:]), true
}

// SessionSetup is a reply to SMB_COM_SESSION_SETUP_ANDX (MS-CIFS 2.2.4.53.2,
// MS-SMB 2.2.4.6.2). Everything in it is borrowed.
type SessionSetup struct {
	Blob    []byte // security blob, nil where there is none
	Strings []byte // NativeOS, NativeLanMan, PrimaryDomain: see NextString
	Cut     bool   // the capture has only some of Strings: the last of them may be a part
}

// ParseSessionSetup reads a reply.
func ParseSessionSetup(b []byte, h *Header) (SessionSetup, bool) {
	if len(b) <= HeaderSize {
		return SessionSetup{}, false
	}
	words := int(b[HeaderSize])
	at := HeaderSize + 1 + 2*words + 2 // where the bytes begin
	if words < 3 || len(b) < at {
		return SessionSetup{}, false
	}
	last := at + int(binary.LittleEndian.Uint16(b[at-2:])) // behind it, another reply may follow
	s := SessionSetup{Cut: last > len(b)}
	b = b[:min(last, len(b))]
	blob := 0
	if words == 4 {
		blob = int(binary.LittleEndian.Uint16(b[39:]))
	}
	end := min(at+blob, len(b))
	s.Blob = b[at:end:end]
	if end = align(end, h); end < len(b) {
		s.Strings = b[end:]
	}
	return s, true
}

// align returns where the string at this place or after its padding begins:
// UTF-16 is on even offsets from the header on.
func align(at int, h *Header) int {
	if h.Unicode() {
		return at + at&1
	}
	return at
}

// NextString cuts the next string, without its terminator, from *b. It
// returns false at the end. A string that the capture cut short is returned
// as far as it goes.
func NextString(b *[]byte, unicode bool) ([]byte, bool) {
	if len(*b) == 0 {
		return nil, false
	}
	step := 1
	if unicode {
		step = 2
	}
	i := 0
	for ; i+step <= len(*b); i += step {
		if (*b)[i] == 0 && (step == 1 || (*b)[i+1] == 0) {
			s := (*b)[:i]
			*b = (*b)[i+step:]
			return s, true
		}
	}
	s := (*b)[:i]
	*b = nil
	return s, true
}

// TreePath returns the path of a SMB_COM_TREE_CONNECT_ANDX request (MS-CIFS
// 2.2.4.55.1), as it is on the wire, borrowed. The request may stand behind a
// session set-up in one message.
func TreePath(b []byte, h *Header) ([]byte, bool) {
	cmd, at := h.Command, HeaderSize
	for range 4 { // AndX chains are short
		if cmd == CommandTreeConnect {
			return treePath(b, h, at)
		}
		if cmd != CommandSessionSetup || len(b) < at+5 || b[at] < 2 {
			return nil, false
		}
		cmd = Command(b[at+1])
		next := int(binary.LittleEndian.Uint16(b[at+3:]))
		if cmd == commandNone || next <= at {
			return nil, false
		}
		at = next
	}
	return nil, false
}

// treePath reads the path of a tree connect whose word count is at at.
func treePath(b []byte, h *Header, at int) ([]byte, bool) {
	const words = 4
	if len(b) < at+1+2*words+2 || b[at] != words {
		return nil, false
	}
	password := int(binary.LittleEndian.Uint16(b[at+7:]))
	begin := align(at+1+2*words+2+password, h)
	if begin >= len(b) {
		return nil, false
	}
	rest := b[begin:]
	return NextString(&rest, h.Unicode())
}
