package smb

import (
	"encoding/binary"
	"math/bits"

	"wormscope/detect/smb1"
)

// DoublePulsar hides in the handler of a Trans2 subcommand that no client
// uses. It takes its orders in the Timeout field and answers in the MID; all
// its replies carry the error of a server without it. NotPetya's has other
// opcodes, and answers in the Reserved field.

// operation is what DoublePulsar is told to do.
type operation uint8

// The operations.
const (
	opNone operation = iota // no order
	opPing
	opExec
	opKill
	opUnknown // an order with an opcode that is not known
)

// String returns the operation's name.
func (o operation) String() string {
	return [...]string{"", "ping", "exec", "kill", "unknown"}[o]
}

// tellsKey reports whether an implant that obeys answers with its key.
func (o operation) tellsKey() bool { return o == opPing || o == opUnknown }

// operationOf reads the operation from a Timeout: the sum of its bytes is the
// opcode, the original one or NotPetya's. Who sends none, as those do that try
// all subcommands, gives no order.
func operationOf(timeout uint32) operation {
	if timeout == 0 {
		return opNone
	}
	switch byte(timeout + timeout>>8 + timeout>>16 + timeout>>24) { //nolint:gosec // the sum is taken modulo 256
	case 0x23, 0xF0:
		return opPing
	case 0xC8, 0xF2:
		return opExec
	case 0x77, 0xF1:
		return opKill
	default:
		return opUnknown
	}
}

// result is how the implant answers: by how much the MID of its reply is
// larger than the request's; NotPetya's, by one less than what is in Reserved.
type result uint16

const (
	resultNone       result = 0 // the server's own reply: there is no implant
	resultOK         result = 0x10
	resultParameters result = 0x20
	resultAllocation result = 0x30
)

// String returns the result's name.
func (r result) String() string {
	switch r {
	case resultOK:
		return "ok"
	case resultParameters:
		return "bad-parameters"
	case resultAllocation:
		return "allocation-failed"
	default:
		return ""
	}
}

// resultOf returns what a reply says to a request, and whether it fits. That
// a ping was answered is said with a key.
func resultOf(r *request, p *reply) (result, bool) {
	said := result(p.mid - r.mid)
	if said == resultNone && p.reserved != 0 {
		said = result(p.reserved - 1)
	}
	switch said {
	case resultNone, resultParameters, resultAllocation:
		return said, p.pid == r.pid
	case resultOK:
		_, _, keyed := implantKey(p.signature)
		return said, p.pid == r.pid && (keyed || !r.op.tellsKey())
	default:
		return 0, false
	}
}

// implantKey computes the implant's XOR key and its machine from the
// signature field of a reply to a ping.
func implantKey(signature [8]byte) (key uint32, arch string, ok bool) {
	s := binary.LittleEndian.Uint32(signature[:])
	if s == 0 {
		return 0, "", false
	}
	// 2s xor s with its bytes in reverse order.
	key = 2*s ^ bits.ReverseBytes32(s)
	if binary.LittleEndian.Uint32(signature[4:]) == 0 {
		return key, "x86", true
	}
	return key, "x64", true
}

// keyed reports whether a reply is an implant's to a ping, whatever was asked:
// its signature field has a key, and in its second half the mark of a machine,
// where a signature would have 32 more bits of chance. The flag that says
// whether the field is a signature is the client's, and says nothing.
func (p *reply) keyed() bool {
	return p.holdsKey() && p.nt && p.status == smb1.StatusNotImplemented
}

// holdsKey reports whether the signature field is an implant's key and machine.
func (p *reply) holdsKey() bool {
	return binary.LittleEndian.Uint32(p.signature[4:]) <= 1 && binary.LittleEndian.Uint32(p.signature[:]) != 0
}

// obeys reports whether a reply with a result has the status of an implant's: the
// error of a server without it, or a DOS error in its place, for a client that asks
// for those, which are many: then only the answer with the key tells.
func (p *reply) obeys(op operation, res result) bool {
	return p.status == smb1.StatusNotImplemented || p.status == smb1.StatusSuccess ||
		!p.nt && op.tellsKey() && res == resultOK && p.holdsKey()
}

// plain reports whether a reply can be to an ordinary Trans2: no implant has
// left a mark in it.
func (p *reply) plain() bool { return p.command == smb1.CommandTrans2 && p.reserved == 0 && !p.keyed() }
