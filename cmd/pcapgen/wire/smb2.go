package wire

import (
	"encoding/binary"
	"unicode/utf16"
)

// An SMB2 is what the messages of one SMB2 session have in common ([MS-SMB2]).
// Its methods return whole messages with their NetBIOS session header, in the
// order in which a client and a server say them.
type SMB2 struct {
	Dialect   uint16 // such as 0x0210 (Windows 7), 0x0302 (Windows 8.1)
	Server    string // NetBIOS name of the server
	Domain    string // NetBIOS name of the domain
	Build     uint16 // of the server's Windows, as its NTLM challenge says
	Major     uint8
	Minor     uint8
	StartTime uint64 // FILETIME since which the server runs, 0 where it does not say
	session   uint64
	tree      uint32
	message   uint64
}

// The SMB2 commands used here.
const (
	smbNegotiate      = 0
	smbSessionSetup   = 1
	smbLogoff         = 2
	smbTreeConnect    = 3
	smbTreeDisconnect = 4
	smbCreate         = 5
	smbClose          = 6
	smbRead           = 8

	statusMoreProcessing = 0xc0000016
)

// An Exchange is a request and the reply to it.
type Exchange struct{ Request, Reply []byte }

// Greeting returns the negotiation and the NTLM authentication of a session.
func (s *SMB2) Greeting() []Exchange {
	s.session = 0x0000_1000_0000_0041
	negotiate := le{}.u16(36).u16(1).u16(1).u16(0).u32(0).zero(16).u64(0).u16(s.Dialect)
	agreed := le{}.u16(65).u16(1).u16(s.Dialect).u16(0).text("wormscope-server").u32(7)
	agreed = agreed.u32(1 << 20).u32(1 << 20).u32(1 << 20).u64(131390474000000000).u64(s.StartTime)
	agreed = agreed.u16(128).u16(0).u32(0)
	out := []Exchange{s.exchange(smbNegotiate, 0, negotiate, agreed)}
	out = append(out, s.exchange(smbSessionSetup, statusMoreProcessing, setup(ntlmNegotiate()), setupReply(s.ntlmChallenge())))
	return append(out, s.exchange(smbSessionSetup, 0, setup(ntlmAuthenticate(s.Domain)), setupReply(nil)))
}

// ReadFile returns a tree connection, and one file opened, read and closed.
func (s *SMB2) ReadFile(path, name string, content []byte) []Exchange {
	p, n := utf16le(path), utf16le(name)
	s.tree = 5
	out := []Exchange{s.exchange(smbTreeConnect, 0,
		le{}.u16(9).u16(0).u16(72).u16(uint16(len(p))).bytes(p),
		le{}.u16(16).u16(1).u32(0x30).u32(0).u32(0x1200a9))}
	opened := le{}.u16(89).u16(0).u32(1).zero(32).u64(4096).u64(uint64(len(content))).u32(0x20).u32(0).text("wormscope-handle").u64(0)
	out = append(out, s.exchange(smbCreate, 0,
		le{}.u16(57).u16(0).u32(2).zero(16).u32(0x120089).u32(0x80).u32(7).u32(1).u32(0x40).
			u16(120).u16(uint16(len(n))).u64(0).bytes(n), opened))
	out = append(out, s.exchange(smbRead, 0,
		le{}.u16(49).u16(0x50).u32(uint32(len(content))).u64(0).text("wormscope-handle").zero(16).zero(1),
		le{}.u16(17).u16(80).u32(uint32(len(content))).u64(0).bytes(content)))
	return append(out, s.exchange(smbClose, 0,
		le{}.u16(24).u16(0).u32(0).text("wormscope-handle"), le{}.u16(60).zero(58)))
}

// Farewell returns the end of a session.
func (s *SMB2) Farewell() []Exchange {
	end := le{}.u16(4).u16(0)
	return []Exchange{s.exchange(smbTreeDisconnect, 0, end, end), s.exchange(smbLogoff, 0, end, end)}
}

func (s *SMB2) exchange(command uint16, status uint32, request, reply le) Exchange {
	x := Exchange{s.frame(command, 0, 0, request), s.frame(command, status, 1, reply)}
	s.message++
	return x
}

// frame adds the SMB2 header (2.2.1.2) and the NetBIOS session header.
func (s *SMB2) frame(command uint16, status, flags uint32, body le) []byte {
	session, tree := s.session, s.tree
	if command == smbNegotiate || command == smbSessionSetup && s.message == 1 && flags == 0 {
		session = 0
	}
	if command < smbTreeConnect || command == smbTreeConnect && flags == 0 {
		tree = 0
	}
	h := le{0xfe, 'S', 'M', 'B'}.u16(64).u16(1).u32(status).u16(command).u16(1).u32(flags).u32(0)
	h = h.u64(s.message).u32(0xfeff).u32(tree).u64(session).zero(16)
	out := binary.BigEndian.AppendUint32(nil, uint32(len(h)+len(body)))
	return append(append(out, h...), body...)
}

func setup(token []byte) le {
	return le{}.u16(25).u16(0x0100).u32(1).u32(0).u16(88).u16(uint16(len(token))).u64(0).bytes(token)
}

func setupReply(token []byte) le {
	return le{}.u16(9).u16(0).u16(72).u16(uint16(len(token))).bytes(token)
}

// ntlmFlags: Unicode, NTLM, always sign, extended security, target info, version.
const ntlmFlags = 0x02888215 &^ 0x10

func ntlmNegotiate() []byte {
	return le{}.text("NTLMSSP\x00").u32(1).u32(ntlmFlags).zero(16).version(6, 1, 7601)
}

// ntlmChallenge says who the server is ([MS-NLMP] 2.2.1.2).
func (s *SMB2) ntlmChallenge() []byte {
	domain, server := utf16le(s.Domain), utf16le(s.Server)
	info := le{}.pair(2, domain).pair(1, server).u32(0)
	const head = 56
	out := le{}.text("NTLMSSP\x00").u32(2).field(len(domain), head).u32(ntlmFlags | 0x00010000)
	out = out.text("\x11\x22\x33\x44\x55\x66\x77\x88").zero(8).field(len(info), head+len(domain))
	return out.version(s.Major, s.Minor, s.Build).bytes(domain).bytes(info)
}

func ntlmAuthenticate(domain string) []byte {
	const head = 72
	d, user, ws := utf16le(domain), utf16le("clerk"), utf16le("WS")
	at := head
	out := le{}.text("NTLMSSP\x00").u32(3)
	for _, n := range []int{24, 24, len(d), len(user), len(ws), 0} {
		out = out.field(n, at)
		at += n
	}
	out = out.u32(ntlmFlags).version(6, 1, 7601)
	return out.zero(48).bytes(d).bytes(user).bytes(ws)
}

// le builds little-endian structures.
type le []byte

func (b le) u16(v uint16) le             { return binary.LittleEndian.AppendUint16(b, v) }
func (b le) u32(v uint32) le             { return binary.LittleEndian.AppendUint32(b, v) }
func (b le) u64(v uint64) le             { return binary.LittleEndian.AppendUint64(b, v) }
func (b le) zero(n int) le               { return append(b, make([]byte, n)...) }
func (b le) bytes(v []byte) le           { return append(b, v...) }
func (b le) text(v string) le            { return append(b, v...) }
func (b le) field(n, at int) le          { return b.u16(uint16(n)).u16(uint16(n)).u32(uint32(at)) }
func (b le) pair(id uint16, v []byte) le { return b.u16(id).u16(uint16(len(v))).bytes(v) }

func (b le) version(major, minor uint8, build uint16) le {
	return append(append(b, major, minor).u16(build), 0, 0, 0, 15)
}

func utf16le(s string) []byte {
	var out le
	for _, u := range utf16.Encode([]rune(s)) {
		out = out.u16(u)
	}
	return out
}
