package smb1

import (
	"bytes"
	"encoding/binary"
)

// Challenge is an NTLM CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2), in which a server
// says what it is. Names are UTF-16LE and borrowed, nil where absent.
type Challenge struct {
	HasVersion   bool
	Major, Minor uint8
	Build        uint16
	Computer     []byte // NetBIOS name
	Domain       []byte // NetBIOS domain
	DNSName      []byte
}

// AV_PAIR identifiers (MS-NLMP 2.2.2.1).
const (
	avEnd = iota
	avComputer
	avDomain
	avDNSName
)

// FindChallenge looks for a CHALLENGE_MESSAGE in a security blob, bare or in
// SPNEGO.
func FindChallenge(blob []byte) (Challenge, bool) {
	i := bytes.Index(blob, []byte("NTLMSSP\x00"))
	if i < 0 {
		return Challenge{}, false
	}
	b := blob[i:]
	le := binary.LittleEndian
	if len(b) < 48 || le.Uint32(b[8:]) != 2 {
		return Challenge{}, false
	}
	var c Challenge
	const negotiateVersion = 0x02000000
	if le.Uint32(b[20:])&negotiateVersion != 0 && len(b) >= 56 {
		c.HasVersion = true
		c.Major, c.Minor, c.Build = b[48], b[49], le.Uint16(b[50:])
	}
	info := field(b, 40)
	for len(info) >= 4 {
		id, n := le.Uint16(info), int(le.Uint16(info[2:]))
		if info = info[4:]; id == avEnd || n > len(info) {
			break
		}
		c.set(id, info[:n])
		info = info[n:]
	}
	return c, true
}

// set keeps one pair of the target information.
func (c *Challenge) set(id uint16, value []byte) {
	switch id {
	case avComputer:
		c.Computer = value
	case avDomain:
		c.Domain = value
	case avDNSName:
		c.DNSName = value
	}
}

// field returns what a length and offset field of an NTLM message points to,
// as far as it is there.
func field(b []byte, at int) []byte {
	n, off := int(binary.LittleEndian.Uint16(b[at:])), int(binary.LittleEndian.Uint32(b[at+4:]))
	if uint(off) > uint(len(b)) {
		return nil
	}
	return b[off:min(off+n, len(b))]
}
