package wire

import "encoding/binary"

// An SMB1 is what the messages of one SMB1 connection have in common
// ([MS-CIFS]). Its methods return whole messages with their NetBIOS session
// header. What exploits and implants are told by is there: commands, sizes,
// identifiers, status codes. What would do harm is not: all data is zeros.
type SMB1 struct {
	OS, LAN, Domain string // of the server, as it calls itself
	user, tree      uint16
	sent            int // transactions, each with a MID of its own
}

// The SMB1 commands used here.
const (
	smb1Trans           = 0x25
	smb1Trans2          = 0x32
	smb1Trans2Secondary = 0x33
	smb1Negotiate       = 0x72
	smb1SessionSetup    = 0x73
	smb1TreeConnect     = 0x75
	smb1NTTrans         = 0xa0
)

// Statuses of replies. StatusDOS is a DOS error class and code, which a server
// sends to a client that did not ask for the others.
const (
	StatusOK               = 0
	StatusDOS              = 0x005b0002
	StatusNotImplemented   = 0xc0000002
	StatusInvalidHandle    = 0xc0000008
	StatusInvalidParameter = 0xc000000d
	StatusAccessDenied     = 0xc0000022
	StatusNoResources      = 0xc0000205
)

// A head is the part of the SMB1 header (2.2.3.1) that messages differ in.
type head struct {
	command   uint8
	status    uint32
	mid       uint16
	signature uint64
}

// message builds a message from its words and bytes.
func (s *SMB1) message(h head, reply bool, words, data le) []byte {
	flags, flags2 := byte(0x18), uint16(0xc807)
	if reply {
		flags |= 0x80
		if h.status == StatusDOS {
			flags2 &^= 0x4000
		}
	}
	b := le{0xff, 'S', 'M', 'B', h.command}.u32(h.status)
	b = append(b, flags).u16(flags2).u16(0).u64(h.signature).u16(0).u16(s.tree).u16(0xfeff).u16(s.user).u16(h.mid)
	b = append(b, byte(len(words)/2)).bytes(words).u16(uint16(len(data))).bytes(data)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// Greeting returns the negotiation, an anonymous log-on, and the connection to
// the server's share IPC$, named as the client names it.
func (s *SMB1) Greeting(path string) []Exchange {
	const mid = 64
	dialects := le{2}.text("LANMAN1.0\x00\x02NT LM 0.12\x00")
	// Dialect 1, no signing, 50 requests at a time (2.2.4.52.2, extended security).
	agreed := append(le{}.u16(1), 3).u16(50).u16(1).u32(0x1104).u32(0x10000).u32(0).u32(0x8001f3fc).u64(131390474000000000).u16(0)
	agreed = append(agreed, 0)
	negotiate := Exchange{
		s.message(head{command: smb1Negotiate, mid: mid}, false, nil, dialects),
		s.message(head{command: smb1Negotiate, mid: mid}, true, agreed, le{}.text("wormscope-server")),
	}
	alone := le{0xff, 0}.u16(0)
	request := s.message(head{command: smb1SessionSetup, mid: mid}, false,
		alone.u16(0xffdf).u16(2).u16(1).u32(0).u16(1).u16(0).u32(0).u32(0x40), le{0}.zero(1).bytes(z16("")).bytes(z16("")).bytes(z16("Windows 2000 2195")).bytes(z16("Windows 2000 5.0")))
	s.user = 2048
	setup := Exchange{request, s.message(head{command: smb1SessionSetup, mid: mid}, true,
		alone.u16(1), le{0}.bytes(z16(s.OS)).bytes(z16(s.LAN)).bytes(z16(s.Domain)))}
	request = s.message(head{command: smb1TreeConnect, mid: mid}, false, alone.u16(0).u16(1), le{0}.bytes(z16(path)).text("?????\x00"))
	s.tree = 2048
	connect := Exchange{request, s.message(head{command: smb1TreeConnect, mid: mid}, true, alone.u16(1), le{}.text("IPC\x00\x00\x00\x00"))}
	return []Exchange{negotiate, setup, connect}
}

// z16 is a terminated string of UTF-16.
func z16(s string) []byte { return append(utf16le(s), 0, 0) }

// next returns the MID of the next transaction.
func (s *SMB1) next() uint16 {
	s.sent++
	return uint16(64 + s.sent)
}

// Check returns the check for MS17-010, a look into a named pipe that is not
// open, and the status that the server answers.
func (s *SMB1) Check(status uint32) Exchange {
	mid := s.next()
	words := le{}.u16(0).u16(0).u16(0xffff).u16(0xffff).zero(2).u16(0).u32(0).u16(0).u16(0).u16(74).u16(0).u16(74)
	words = append(words, 2, 0).u16(0x0023).u16(0)
	return Exchange{
		s.message(head{command: smb1Trans, mid: mid}, false, words, le{0}.bytes(z16(`\PIPE\`))),
		s.message(head{command: smb1Trans, status: status, mid: mid}, true, nil, nil),
	}
}

// An Implant is DoublePulsar as its replies show it; nil is a server without.
type Implant struct {
	Key  uint32 // in the first half of the signature field
	Is64 bool
}

// Operations of the implant: any Timeout whose bytes sum up to them.
const (
	PulsarPing = 0x00010220
	PulsarExec = 0x000102c5
	PulsarKill = 0x00010274
	// WannaCryPing is the Timeout of the worm's ping.
	WannaCryPing = 0x00ee3401
)

// Pulsar returns a request to the implant, with zeros of a size, and the reply
// of a server with or without it. All parts of a payload have one MID.
func (s *SMB1) Pulsar(timeout uint32, size int, by *Implant, more bool) Exchange {
	mid := uint16(64 + s.sent)
	if !more {
		mid = s.next()
	}
	words := le{}.u16(12).u16(uint16(size)).u16(1).u16(0).zero(2).u16(0).u32(timeout).u16(0).u16(12).u16(66).u16(uint16(size)).u16(78)
	words = append(words, 1, 0).u16(0x000e)
	answer := head{command: smb1Trans2, status: StatusNotImplemented, mid: mid}
	if by != nil {
		answer.mid += 0x10
		if timeout == PulsarPing || timeout == WannaCryPing {
			answer.signature = uint64(by.Key)
			if by.Is64 {
				answer.signature |= 1 << 32
			}
		}
	}
	return Exchange{
		s.message(head{command: smb1Trans2, mid: mid}, false, words, le{}.zero(1+12+size)),
		s.message(answer, true, nil, nil),
	}
}

// Oversized returns what EternalBlue looks like: an NT_TRANS that announces
// more data than a Trans2 can, the server's interim reply, the data in Trans2
// secondary requests, and the reply that shows that the server took them for
// one; the last of the exchanges has it. The data is zeros, and there is none
// of the rest of the exploit.
func (s *SMB1) Oversized(total uint32) []Exchange {
	const part = 4096
	mid := s.next()
	first := total % part
	words := append(le{}, 1, 0, 0).u32(30).u32(total).u32(30).u32(0).u32(30).u32(75).u32(first).u32(104)
	words = append(words, 1).u16(0).u16(0)
	out := []Exchange{{
		s.message(head{command: smb1NTTrans, mid: mid}, false, words, le{}.zero(31+int(first))),
		s.message(head{command: smb1NTTrans, mid: mid}, true, nil, nil),
	}}
	for at := first; at < total; at += part {
		words := le{}.u16(0).u16(part).u16(0).u16(0).u16(0).u16(part).u16(53).u16(uint16(at)).u16(0)
		out = append(out, Exchange{Request: s.message(head{command: smb1Trans2Secondary, mid: mid}, false, words, le{}.zero(part))})
	}
	answer := le{}.u16(30).u16(0).u16(0).u16(30).u16(56).u16(0).u16(0).u16(88).u16(0)
	out[len(out)-1].Reply = s.message(head{command: smb1Trans2, status: StatusInvalidParameter, mid: mid}, true, append(answer, 0, 0), le{}.zero(33))
	return out
}
