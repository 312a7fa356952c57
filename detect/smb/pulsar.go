package smb

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"wormscope/detect/alert"
	"wormscope/detect/flow"
	"wormscope/detect/smb1"
)

// DoublePulsar hides in the handler of a Trans2 subcommand that no client
// uses. It takes its orders in the Timeout field and answers in the MID; all
// its replies carry the error of a server without it.

// operation is what DoublePulsar is told to do.
type operation byte

// The operations: the sum of the bytes of Timeout.
const (
	opPing operation = 0x23
	opExec operation = 0xC8
	opKill operation = 0x77
)

// String returns the operation's name, empty for none that is known.
func (o operation) String() string {
	switch o {
	case opPing:
		return "ping"
	case opExec:
		return "exec"
	case opKill:
		return "kill"
	default:
		return ""
	}
}

// operationOf reads the operation from a Timeout.
func operationOf(timeout uint32) operation {
	return operation(timeout + timeout>>8 + timeout>>16 + timeout>>24) //nolint:gosec // the sum is taken modulo 256
}

// result is how the implant answers: by how much the MID of its reply is
// larger than the request's.
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

// payloadParts is how many messages with 4 kB each are a program rather than
// a small library: WannaCry sends about 1,290.
const payloadParts = 100

// pulsar is what is known of the implant at the other end of a connection.
type pulsar struct {
	here      bool   // it answered
	key       uint32 // 0 when not known
	pingMID   uint16 // of its reply to a ping
	asked     uint32 // exec messages seen
	execs     uint32 // of its replies to them, those that said ok
	first     flow.Segment
	orphanMID uint16 // of replies without a request, all alike
	orphans   uint32
	firstLost flow.Segment
}

// trans2 reads a Trans2 request: it may be for the implant, or the beginning
// of more.
func (c *conn) trans2(h *smb1.Header, b []byte, at flow.Segment) {
	t, ok := smb1.ParseTrans(b)
	if !ok {
		return
	}
	op := operationOf(t.Timeout)
	if t.SetupCount == 0 || t.Setup[0] != setupPulsar || op.String() == "" {
		c.trans2s.add(h.MID)
		c.opened(h, &t, at)
		return
	}
	c.markTimeout(t.Timeout, at)
	if op == opExec {
		c.execAsked(at)
	}
	if c.session != nil {
		if r := c.session.find(kindPulsar, h.MID); r != nil && r.op == op && op == opExec {
			r.asked++ // the parts of a payload have one MID
			return
		}
	}
	r := c.remember(kindPulsar, h, at)
	r.op, r.timeout, r.asked = op, t.Timeout, 1
	if p, held := c.session.takeEarly(func(p *reply) bool {
		_, fits := resultOf(r, p)
		return p.command == smb1.CommandTrans2 && !p.overflowed() && fits
	}); held {
		c.answered(r, p)
	}
	// Replies to exec are counted without their requests once the implant has
	// answered, and may have been counted already.
	r.answered = r.answered || op == opExec && c.session.pulsar.here
}

// resultOf returns what a reply says to a request, and whether it fits.
func resultOf(r *request, p *reply) (result, bool) {
	switch d := result(p.mid - r.mid); d {
	case resultNone, resultOK, resultParameters, resultAllocation:
		return d, true
	default:
		return 0, false
	}
}

// trans2Reply reads a server's reply to a Trans2 request.
func (c *conn) trans2Reply(h *smb1.Header, at flow.Segment) {
	p := newReply(h, at)
	if p.overflowed() {
		c.completed(p)
	}
	own := !interim(h) && c.trans2s.take(h.MID)
	if c.session != nil {
		c.session.finish(h)
	}
	if h.WordCount != 0 {
		return // the answer to an ordinary request
	}
	if c.session != nil {
		if r := c.session.matching(&p); r != nil {
			c.answered(r, p)
			return
		}
	}
	if own || !p.nt || p.status != smb1.StatusNotImplemented {
		return
	}
	if c.session != nil && c.session.pulsar.here {
		if h.MID != c.session.pulsar.pingMID {
			c.executed(at) // its request is not in the capture
		}
		return
	}
	c.orphan(h, at)
	c.hold(p)
}

// matching returns the request for the implant that a reply fits, or nil. An
// exact MID goes before a changed one, and a request without a reply before
// one that has had its.
func (s *session) matching(p *reply) *request {
	var best *request
	for i := range s.requests {
		r := &s.requests[i]
		if r.kind != kindPulsar || r.answered && r.op != opExec {
			continue
		}
		d, fits := resultOf(r, p)
		if !fits || d != resultNone && p.status != smb1.StatusNotImplemented && p.status != smb1.StatusSuccess {
			continue
		}
		if best == nil || d == resultNone || best.answered && !r.answered {
			best = r
		}
	}
	return best
}

// answered judges the reply to a request for the implant.
func (c *conn) answered(r *request, p reply) {
	res, _ := resultOf(r, &p)
	first := !r.replied
	r.answered, r.replied = true, true
	switch {
	case res == resultNone && (!p.nt || p.status != smb1.StatusNotImplemented):
		c.sayProbed(r, "probed", alert.FactProbed, r.at, p.at) // refused for another reason
	case res == resultNone:
		c.sayProbed(r, "clean", alert.FactClean, r.at, p.at)
	case r.op == opExec && res == resultOK && c.session.pulsar.here:
		c.executed(p.at)
	default:
		c.implanted(r, &p, res, first)
	}
}

// implanted notes an implant's reply to anything but a part of a payload.
func (c *conn) implanted(r *request, p *reply, res result, first bool) {
	s := &c.session.pulsar
	s.here = true
	if r.op == opPing {
		s.pingMID = p.mid
		if key, arch, ok := implantKey(p.signature); ok {
			s.key = key
			c.instance(key)
			c.sayImplanted(r, res, arch, false, r.at, p.at)
			c.catchUp()
			return
		}
	}
	if s.key == 0 {
		s.key = c.d.host(c.server.Addr()).key
	}
	if first || r.op == opKill {
		c.sayImplanted(r, res, "", false, r.at, p.at)
	}
	if r.op == opExec && res == resultOK {
		c.executed(p.at)
	}
}

// catchUp counts replies to exec that were seen before the reply to the ping.
func (c *conn) catchUp() {
	s := c.session
	for {
		p, ok := s.takeEarly(func(p *reply) bool {
			return p.command == smb1.CommandTrans2 && !p.overflowed() && p.mid != s.pulsar.pingMID
		})
		if !ok {
			return
		}
		for range 1 + p.repeats {
			c.executed(p.at)
		}
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

// instance notes the key of the host's implant: another key is another
// implant.
func (c *conn) instance(key uint32) {
	h := c.d.host(c.server.Addr())
	if h.key != key {
		h.key = key
		h.instance++
	}
}

// execAsked counts an exec message. Where replies are not seen, a program's
// worth of messages shows that the sender knows the implant.
func (c *conn) execAsked(at flow.Segment) {
	if c.session == nil {
		c.session = &session{}
	}
	s := &c.session.pulsar
	if s.asked == 0 && s.execs == 0 {
		s.first = at
	}
	s.asked++
	if s.asked == payloadParts && s.execs == 0 {
		f := c.implantFinding("", s.first)
		f.evidence.oneWay = true
		f.evidence.implant.Operation = opExec.String()
		f.evidence.implant.Execs += uint64(s.asked)
		f.alert.Severity = alert.High
		f.add(at, s.first, at)
		c.d.say(f, true, at)
		f.fact(c, alert.FactPayload, s.first, fmt.Sprintf("%d messages, replies not seen", payloadParts), 0.85)
	}
}

// executed counts a reply that says that a part of a payload was taken.
func (c *conn) executed(at flow.Segment) {
	s := &c.session.pulsar
	s.execs++
	if s.execs == 1 {
		s.first = at
	}
	f := c.implantFinding("", at)
	f.evidence.implant.Execs++
	f.evidence.implant.Operation, f.evidence.implant.Result = opExec.String(), resultOK.String()
	f.add(at, at)
	c.d.say(f, s.execs == 1 || s.execs == payloadParts, at)
	if s.execs == 1 {
		f.fact(c, alert.FactExecuted, at, "", 0)
	}
	if s.execs == payloadParts {
		f.fact(c, alert.FactPayload, s.first, "", 0)
	}
}

// orphan counts replies without requests that are all alike. Nothing but the
// parts of a payload is answered so many times with one MID and this error.
func (c *conn) orphan(h *smb1.Header, at flow.Segment) {
	if c.session == nil {
		c.session = &session{}
	}
	s := &c.session.pulsar
	if s.orphans == 0 || s.orphanMID != h.MID {
		s.orphanMID, s.orphans, s.firstLost = h.MID, 0, at
	}
	if s.orphans++; s.orphans < payloadParts {
		return
	}
	s.here = true
	s.key = c.d.host(c.server.Addr()).key
	s.execs, s.first = s.orphans-1, s.firstLost
	f := c.implantFinding("", s.firstLost)
	f.evidence.oneWay = true
	f.evidence.implant.Execs += uint64(s.execs)
	f.fact(c, alert.FactImplanted, s.firstLost, "requests not seen", 0.9)
	f.fact(c, alert.FactExecuted, s.firstLost, "requests not seen", 0.9)
	c.executed(at)
}

// implantReply reports whether a reply without its request is an implant's to
// a ping: its signature field has a key, and in its second half the mark of a
// machine, where a signature would have 32 more bits of chance. The flag that
// says whether the field is a signature is the client's, and says nothing.
func implantReply(p *reply) bool {
	return binary.LittleEndian.Uint32(p.signature[4:]) <= 1 && binary.LittleEndian.Uint32(p.signature[:]) != 0
}

// pulsarOneWay judges a reply whose request is not in the capture.
func (c *conn) pulsarOneWay(p reply) {
	s := &c.session.pulsar
	if s.here || !implantReply(&p) {
		return
	}
	key, arch, _ := implantKey(p.signature)
	s.here, s.pingMID, s.key = true, p.mid, key
	c.instance(key)
	r := request{kind: kindPulsar, op: opPing}
	c.sayImplanted(&r, resultOK, arch, true, p.at)
}

// pulsarUnanswered says that the implant was asked for, without an answer.
func (c *conn) pulsarUnanswered(r *request) {
	c.sayProbed(r, "probed", alert.FactProbed, r.at)
}
