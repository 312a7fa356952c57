package wire

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// DNS header bits and codes (RFC 1035, 4.1.1).
const (
	QR       = 0x8000
	AA       = 0x0400
	RD       = 0x0100
	RA       = 0x0080
	NXDomain = 3
	ServFail = 2
)

// DNS record types.
const (
	TypeA     = 1
	TypeNS    = 2
	TypeCNAME = 5
	TypeAAAA  = 28
	TypeOPT   = 41
)

// A DNS is one message with one question.
type DNS struct {
	ID      uint16
	Flags   uint16
	Name    string // without a trailing dot
	Type    uint16
	Answers []Record
	Auth    []Record
	EDNS    bool
}

// A Record is one resource record.
type Record struct {
	Name string // empty: the question's name, as a compression pointer
	Type uint16
	TTL  uint32
	Addr netip.Addr // of A and AAAA
	Host string     // of CNAME and NS
}

// Append adds the message.
func (m DNS) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, m.ID)
	b = binary.BigEndian.AppendUint16(b, m.Flags)
	b = append(b, 0, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Answers)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Auth)))
	if m.EDNS {
		b = append(b, 0, 1)
	} else {
		b = append(b, 0, 0)
	}
	b = AppendName(b, m.Name)
	b = binary.BigEndian.AppendUint16(b, m.Type)
	b = append(b, 0, 1)
	for _, r := range m.Answers {
		b = r.append(b)
	}
	for _, r := range m.Auth {
		b = r.append(b)
	}
	if m.EDNS { // root, OPT, 1232 bytes, no options
		b = append(b, 0, 0, TypeOPT, 0x04, 0xd0, 0, 0, 0, 0, 0, 0)
	}
	return b
}

func (r Record) append(b []byte) []byte {
	if r.Name == "" {
		b = append(b, 0xc0, 12)
	} else {
		b = AppendName(b, r.Name)
	}
	b = binary.BigEndian.AppendUint16(b, r.Type)
	b = append(b, 0, 1)
	b = binary.BigEndian.AppendUint32(b, r.TTL)
	length := len(b)
	b = append(b, 0, 0)
	switch {
	case r.Host != "":
		b = AppendName(b, r.Host)
	case r.Addr.Is4():
		a := r.Addr.As4()
		b = append(b, a[:]...)
	default:
		a := r.Addr.As16()
		b = append(b, a[:]...)
	}
	binary.BigEndian.PutUint16(b[length:], uint16(len(b)-length-2))
	return b
}

// AppendName adds a name in wire form, uncompressed.
func AppendName(b []byte, name string) []byte {
	for name != "" {
		label, rest, _ := strings.Cut(name, ".")
		b = append(b, uint8(len(label)))
		b = append(b, label...)
		name = rest
	}
	return append(b, 0)
}

// Framed adds the two-byte length that a message has over TCP (RFC 1035, 4.2.2).
func Framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}
