package smb

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// A talk makes the packets of one connection from messages.
type talk struct {
	client, server netip.AddrPort
	seq            [2]uint32
	now            int64
	packets        []packet.Packet
	only           int // 0 for both directions, 1 for the client's, 2 for the server's
}

// newTalk opens a connection to port 445.
func newTalk(port uint16) *talk {
	t := &talk{
		client: netip.MustParseAddrPort("10.1.0.7:1025"), server: netip.AddrPortFrom(netip.MustParseAddr("10.1.0.9"), 445),
		now: 1_495_000_000e9, seq: [2]uint32{1000, 2000},
	}
	t.client = netip.AddrPortFrom(t.client.Addr(), port)
	return t
}

// open adds the opening of the connection.
func (t *talk) open() *talk {
	t.send(0, packet.SYN, nil)
	t.send(1, packet.SYN|packet.ACK, nil)
	t.send(0, packet.ACK, nil)
	return t
}

// send adds a segment from one end.
func (t *talk) send(from int, flags packet.Flags, b []byte) {
	t.now += 1e6
	p := packet.Packet{
		Time: t.now, Src: ip.FromPort(t.client), Dst: ip.FromPort(t.server), Proto: packet.ProtoTCP, Flags: flags,
		Seq: t.seq[from], Ack: t.seq[1-from], Payload: slices.Clone(b), PayloadLen: len(b),
	}
	if from == 1 {
		p.Src, p.Dst = p.Dst, p.Src
	}
	t.seq[from] += uint32(len(b))
	if flags&(packet.SYN|packet.FIN) != 0 {
		t.seq[from]++
	}
	if t.only == 0 || t.only == 1+from {
		p.Number = uint64(len(t.packets) + 1)
		t.packets = append(t.packets, p)
	}
}

// ask adds a request, tell a reply.
func (t *talk) ask(m []byte)  { t.send(0, packet.ACK|packet.PSH, frame(m)) }
func (t *talk) tell(m []byte) { t.send(1, packet.ACK|packet.PSH, frame(m)) }

// askCut and tellCut are ask and tell where the capture has so many bytes of
// the message only.
func (t *talk) askCut(m []byte, n int)  { t.cut(0, m, n) }
func (t *talk) tellCut(m []byte, n int) { t.cut(1, m, n) }

func (t *talk) cut(from int, m []byte, n int) {
	t.send(from, packet.ACK|packet.PSH, frame(m))
	p := &t.packets[len(t.packets)-1]
	p.Payload, p.Truncated = p.Payload[:min(4+n, len(p.Payload))], true
}

// lose leaves the last message out of the capture.
func (t *talk) lose() { t.packets = t.packets[:len(t.packets)-1] }

// frame puts a NetBIOS header before a message.
func frame(m []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(m))), m...)
}

// message is the beginning of an SMB1 message.
type message struct {
	command   byte
	status    uint32
	dos       bool
	mid       uint16
	reply     bool
	signature uint32
	machine   uint32
	reserved  uint16
	pid       uint16 // 0 for 0xFEFF
	ascii     bool
	words     []byte
	bytes     []byte
}

// encode writes the message.
func (m message) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, 32)
	copy(b, "\xffSMB")
	b[4] = m.command
	le.PutUint32(b[5:], m.status)
	if b[9] = 0x18; m.reply {
		b[9] = 0x98
	}
	flags2 := uint16(0xC007)
	if m.dos {
		flags2 &^= 0x4000
	}
	if m.ascii {
		flags2 &^= 0x8000
	}
	le.PutUint16(b[10:], flags2)
	le.PutUint32(b[14:], m.signature)
	le.PutUint32(b[18:], m.machine)
	le.PutUint16(b[22:], m.reserved)
	le.PutUint16(b[24:], 0x0800)
	le.PutUint16(b[26:], cmp.Or(m.pid, 0xFEFF))
	le.PutUint16(b[28:], 0x0801)
	le.PutUint16(b[30:], m.mid)
	size := le.AppendUint16(nil, uint16(len(m.bytes)))
	return slices.Concat(b, []byte{byte(len(m.words) / 2)}, m.words, size, m.bytes)
}

// fail is a reply that has nothing but a status.
func fail(command byte, mid uint16, status uint32) []byte {
	return message{command: command, mid: mid, status: status, reply: true}.encode()
}

// pipe is a Trans request with these setup words, which takes as much in reply as
// a check does.
func pipe(mid uint16, setup ...uint16) []byte { return pipeFor(mid, 0xFFFF, 0xFFFF, setup...) }

// pipeFor is a Trans request that takes so many bytes of parameters and of data.
func pipeFor(mid, parameters, data uint16, setup ...uint16) []byte {
	b := trans(0x25, mid, 0, 0, 0, setup...)
	binary.LittleEndian.PutUint16(b[37:], parameters)
	binary.LittleEndian.PutUint16(b[39:], data)
	return b
}

// trans is a Trans or Trans2 request that announces total bytes of data and
// brings some.
func trans(command byte, mid uint16, timeout uint32, total, brings uint16, setup ...uint16) []byte {
	le := binary.LittleEndian
	w := make([]byte, 28)
	le.PutUint16(w[2:], total)
	le.PutUint32(w[12:], timeout)
	le.PutUint16(w[22:], brings)
	w[26] = byte(len(setup))
	for _, s := range setup {
		w = le.AppendUint16(w, s)
	}
	return message{command: command, mid: mid, words: w, bytes: make([]byte, brings)}.encode()
}

// order is a message for DoublePulsar.
func order(mid uint16, timeout uint32) []byte { return trans(0x32, mid, timeout, 0, 0, 0x0E) }

// ntTrans is an NT_TRANS request.
func ntTrans(mid, function uint16, total, brings uint32) []byte {
	le := binary.LittleEndian
	w := make([]byte, 38)
	le.PutUint32(w[7:], total)
	le.PutUint32(w[27:], brings)
	le.PutUint16(w[36:], function)
	return message{command: 0xA0, mid: mid, words: w, bytes: make([]byte, min(brings, 900))}.encode()
}

// secondary is a secondary request of any transaction.
func secondary(command byte, mid uint16, brings uint16) []byte {
	le := binary.LittleEndian
	w := make([]byte, 18)
	le.PutUint16(w[10:], brings)
	if command == 0xA1 {
		w = make([]byte, 36)
		le.PutUint32(w[23:], uint32(brings))
	}
	return message{command: command, mid: mid, words: w, bytes: make([]byte, brings)}.encode()
}

// treeConnect is a TREE_CONNECT_ANDX request.
func treeConnect(path string) []byte {
	return message{
		command: 0x75, mid: 64, ascii: true, words: []byte{0xFF, 0, 0, 0, 0, 0, 1, 0},
		bytes: []byte("\x00" + path + "\x00?????\x00"),
	}.encode()
}

// write is a WRITE_ANDX request that goes on with a message to a pipe.
func write(mid, fid uint16) []byte { return writeAs(mid, fid, 0x0004) }

// writeAs is a WRITE_ANDX request with a WriteMode.
func writeAs(mid, fid, mode uint16) []byte {
	w := make([]byte, 24)
	w[0] = 0xFF
	binary.LittleEndian.PutUint16(w[4:], fid)
	binary.LittleEndian.PutUint16(w[14:], mode)
	return message{command: 0x2F, mid: mid, words: w, bytes: make([]byte, 40)}.encode()
}

// compressed is a message with a compression transform header.
func compressed(size, offset uint32) []byte {
	le := binary.LittleEndian
	b := append([]byte("\xfcSMB"), make([]byte, 60)...)
	le.PutUint32(b[4:], size)
	le.PutUint32(b[12:], offset)
	return b
}

// netipAddrPort makes an end from the bytes of its address.
func netipAddrPort(ip [4]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(ip), port)
}

// A conversation is what two hosts say, and what is found in it.
type conversation struct {
	name string
	do   func(t *talk)
	want []string
}

// converse compares what is found in conversations with what is in them.
func converse(t *testing.T, all []conversation) {
	t.Helper()
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(2000).open()
			c.do(k)
			k.send(0, packet.FIN|packet.ACK, nil)
			k.send(1, packet.FIN|packet.ACK, nil)
			slices.Sort(c.want)
			if have := found(k.packets); !slices.Equal(have, c.want) {
				t.Errorf("have %q\nwant %q", have, c.want)
			}
		})
	}
}
