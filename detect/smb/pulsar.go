package smb

import (
	"fmt"

	"wormscope/detect/alert"
	"wormscope/detect/flow"
	"wormscope/detect/smb1"
)

// payloadParts is how many messages with 4 kB each are a program rather than
// a small library: WannaCry sends about 1,290.
const payloadParts = 100

// pulsar is what is known of the implant at the other end of a connection.
type pulsar struct {
	ordered  bool   // the client was seen to give it orders
	here     bool   // it answered
	notPetya bool   // as NotPetya's
	key      uint32 // 0 when not known
	asked    uint32 // exec messages seen
	execs    uint32 // of its replies to them, those that said ok
	parts    bool   // replies to a payload that is not in the capture have the MID part
	part     uint16
	first    flow.Segment
}

// trans2 reads a Trans2 request: it may be for the implant, or the beginning
// of more. One that is cut before it tells is taken for an ordinary one, as
// nearly all are.
func (c *conn) trans2(h *smb1.Header, b []byte, at flow.Segment) {
	t, _ := smb1.ParseTrans(b)
	op := operationOf(t.Timeout)
	if t.SetupCount == 0 || t.Setup[0] != setupPulsar || op == opNone {
		if _, held := c.session.takeEarly(func(p *reply) bool {
			return p.plain() && !p.overflowed() && p.pid == h.PID && p.mid == h.MID
		}); !held {
			c.plainTrans2.add(h.Request())
		}
		c.openedTrans(h, &t, at)
		return
	}
	c.plainTrans2.take(h.Request())
	c.begun().pulsar.ordered = true
	c.confirmTree()
	c.markTimeout(t.Timeout, at)
	if op == opExec {
		c.execAsked(at)
	}
	if r := c.session.find(kindPulsar, h.PID, h.MID); r != nil && r.op == op && (op == opExec || op == opUnknown) {
		return // the parts of a payload have one MID
	}
	r := c.remember(kindPulsar, h, at)
	r.op, r.timeout = op, t.Timeout
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

// trans2Reply reads a server's reply to a Trans2 request.
func (c *conn) trans2Reply(h *smb1.Header, at flow.Segment) {
	p := newReply(h, at)
	plain := p.plain() && c.plainTrans2.has(h.Request())
	if plain && !interim(h) {
		c.plainTrans2.take(h.Request())
	}
	if p.overflowed() && !plain {
		c.completed(p)
	}
	if c.session != nil {
		c.session.finish(h)
	}
	if plain || h.WordCount != 0 {
		return // the answer to an ordinary request
	}
	if r := c.session.matching(&p); r != nil {
		c.answered(r, p)
		return
	}
	switch {
	case p.nt && p.status != smb1.StatusNotImplemented || !p.nt && !p.holdsKey():
	case c.session == nil || !c.session.pulsar.here || p.holdsKey():
		c.hold(p)
	default:
		c.unasked(p)
	}
}

// unasked judges an implant's reply whose request was not seen. Those to the
// parts of a payload are alike, and count from the second on at once; a single
// one may be to a request that comes behind it, and where none comes, to a kill
// as well as to a program.
func (c *conn) unasked(p reply) {
	s := c.session
	if s.pulsar.parts && s.pulsar.part == p.mid {
		c.executed(p.at)
		return
	}
	first, held := s.takeEarly(p.like)
	if !held {
		c.hold(p)
		return
	}
	c.parts(first)
	c.executed(p.at)
}

// parts counts replies that are alike, and notes that more may come.
func (c *conn) parts(p reply) {
	s := &c.session.pulsar
	s.parts, s.part = true, p.mid
	for range 1 + p.repeats {
		c.executed(p.at)
	}
}

// matching returns the request for the implant that a reply fits, or nil. An
// exact MID goes before a changed one, and a request without a reply before
// one that has had its. A session of nil has none.
func (s *session) matching(p *reply) *request {
	if s == nil {
		return nil
	}
	var best *request
	for i := range s.requests {
		r := &s.requests[i]
		if r.kind != kindPulsar || r.replied && r.op != opExec {
			continue
		}
		d, fits := resultOf(r, p)
		if !fits || d != resultNone && !p.obeys(r.op, d) {
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
	case res == resultNone && (!p.nt || p.status != smb1.StatusNotImplemented || r.op == opUnknown):
		c.sayProbed(r, "probed", alert.FactProbed, r.at, p.at) // refused for another reason, or answered who knows where
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
	s.notPetya = p.reserved != 0
	if r.op.tellsKey() {
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

// catchUp counts replies to the parts of a payload that were held when the
// implant was found. A single one goes on waiting for its request.
func (c *conn) catchUp() {
	s := c.session
	for {
		p, ok := s.takeEarly(func(p *reply) bool {
			return p.command == smb1.CommandTrans2 && p.repeats > 0 && !p.overflowed() && !p.holdsKey()
		})
		if !ok {
			return
		}
		c.parts(p)
	}
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
	s := &c.begun().pulsar
	if s.asked == 0 && s.execs == 0 {
		s.first = at
	}
	s.asked++
	if s.asked == payloadParts && s.execs == 0 && c.suffices(false) {
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

// pulsarOneWay judges a reply whose request is not in the capture.
func (c *conn) pulsarOneWay(p reply) {
	s := &c.session.pulsar
	if s.here && p.repeats > 0 && !p.holdsKey() {
		c.parts(p)
	}
	if s.here || !p.keyed() {
		return
	}
	key, arch, _ := implantKey(p.signature)
	s.here, s.key = true, key
	s.notPetya = p.reserved != 0
	c.instance(key)
	r := request{kind: kindPulsar, op: opPing}
	c.sayImplanted(&r, resultOK, arch, true, p.at)
	c.catchUp()
}

// pulsarUnanswered says that the implant was asked for, without an answer.
func (c *conn) pulsarUnanswered(r *request) {
	c.sayProbed(r, "probed", alert.FactProbed, r.at)
}
