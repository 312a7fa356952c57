package smb

import (
	"slices"
	"time"

	"wormscope/detect/flow"
	"wormscope/detect/smb1"
)

const (
	// replyWait is how long a request waits for its reply.
	replyWait = int64(10 * time.Second)
	// earlyWait is how long a reply waits for its request, which a capture can
	// have later, and package flow can hold back for five seconds.
	earlyWait = int64(6 * time.Second)
)

// kind is why a request is remembered.
type kind uint8

const (
	kindNone   kind = iota
	kindCheck       // a check for MS17-010
	kindPulsar      // a message for DoublePulsar
	kindOpen        // a transaction of which secondary requests are due
	kindRename      // NT_TRANSACT_RENAME
)

// request is a request of interest.
type request struct {
	kind     kind
	command  smb1.Command
	answered bool // no reply is waited for
	replied  bool // there was one
	reported bool // an exploit was reported for it
	done     bool // and that it was completed

	mid, tid, pid, uid uint16

	op      operation
	timeout uint32
	asked   uint32 // messages for the implant with this MID

	total     uint32 // bytes of data that the transaction announces
	paramLeft uint32 // bytes still due
	dataLeft  uint32

	at flow.Segment
}

// reply is a server's reply whose request was not seen yet.
type reply struct {
	held      bool
	command   smb1.Command
	status    smb1.Status
	nt        bool // status is an NTSTATUS
	mid       uint16
	signature [8]byte
	at        flow.Segment
	repeats   uint32 // how many more replies were like it
}

// newReply keeps what matters of a reply.
func newReply(h *smb1.Header, at flow.Segment) reply {
	status, nt := h.NTStatus()
	return reply{
		held: true, command: h.Command, status: status, nt: nt, mid: h.MID,
		signature: h.Signature, at: at,
	}
}

// midRing holds the MIDs of the latest requests of a sort that were not answered.
type midRing struct {
	mids [4]uint16
	used uint8 // which of mids hold one, a bit each
	next uint8 // place in mids that is used next
}

// index returns the place of a request, -1 for none.
func (r *midRing) index(mid uint16) int {
	for i, m := range r.mids {
		if m == mid && r.used&(1<<i) != 0 {
			return i
		}
	}
	return -1
}

// add notes a request.
func (r *midRing) add(mid uint16) {
	if r.index(mid) < 0 {
		r.mids[r.next] = mid
		r.used |= 1 << r.next
		r.next = (r.next + 1) % uint8(len(r.mids))
	}
}

// take forgets a request, and reports whether there was one.
func (r *midRing) take(mid uint16) bool {
	i := r.index(mid)
	if i >= 0 {
		r.used &^= 1 << i
	}
	return i >= 0
}

// session is what goes on in a connection that does something of interest.
type session struct {
	requests [6]request
	next     uint8    // place in requests that is used next
	early    [3]reply // oldest first
	listed   bool     // in Detector.waiting

	pulsar pulsar
}

// remember makes a place for a request. The oldest gives way.
func (c *conn) remember(k kind, h *smb1.Header, at flow.Segment) *request {
	if c.session == nil {
		c.session = &session{}
	}
	s := c.session
	r := &s.requests[s.next]
	s.next = (s.next + 1) % uint8(len(s.requests))
	if r.waits() {
		c.d.stats.Requests++
		c.unanswered(r)
	}
	*r = request{kind: k, command: h.Command, mid: h.MID, tid: h.TID, pid: h.PID, uid: h.UID, at: at}
	if r.waits() {
		c.list()
	}
	return r
}

// list makes Tick look after the session.
func (c *conn) list() {
	if !c.session.listed {
		c.session.listed = true
		c.d.waiting = append(c.d.waiting, c)
	}
}

// waits reports whether the request waits for a reply.
func (r *request) waits() bool {
	return !r.answered && (r.kind == kindCheck || r.kind == kindPulsar)
}

// find returns the latest request of a kind with a MID, or nil.
func (s *session) find(k kind, mid uint16) *request {
	for i := range s.requests {
		r := &s.requests[(int(s.next)+len(s.requests)-1-i)%len(s.requests)]
		if r.kind == k && r.mid == mid {
			return r
		}
	}
	return nil
}

// hold keeps a reply until its request comes. When there are too many the
// oldest gives way; those that are alike, as to the parts of a payload, are
// one.
func (c *conn) hold(p reply) {
	if c.session == nil {
		c.session = &session{}
	}
	early := &c.session.early
	for i := range early {
		if early[i].like(&p) {
			early[i].repeats++
			return
		}
	}
	if early[0].held {
		c.resolveEarly(early[0])
	}
	copy(early[:], early[1:])
	early[len(early)-1] = p
	c.list()
}

// like reports whether two replies that are held say the same.
func (p *reply) like(q *reply) bool {
	a, b := *p, *q
	a.at, a.repeats, b.at, b.repeats = flow.Segment{}, 0, flow.Segment{}, 0
	return a == b
}

// takeEarly takes the reply to a request that just came, if it was held.
func (s *session) takeEarly(match func(*reply) bool) (reply, bool) {
	for i := range s.early {
		if p := s.early[i]; p.held && match(&p) {
			s.early[i] = reply{}
			return p, true
		}
	}
	return reply{}, false
}

// waits reports whether there is anything that time decides.
func (s *session) waits() bool {
	for i := range s.requests {
		if s.requests[i].waits() {
			return true
		}
	}
	return slices.ContainsFunc(s.early[:], func(p reply) bool { return p.held })
}

// expire decides what time has decided.
func (s *session) expire(c *conn, now int64) {
	for i := range s.requests {
		r := &s.requests[i]
		if r.waits() && now-r.at.Time > replyWait {
			c.unanswered(r)
		}
	}
	for i := range s.early {
		p := s.early[i]
		if p.held && now-p.at.Time > earlyWait {
			s.early[i] = reply{}
			c.resolveEarly(p)
		}
	}
}

// close decides what is open at the end of the connection.
func (s *session) close(c *conn) {
	const never = int64(1) << 62
	s.expire(c, never)
	s.listed = false
}

// unanswered says that a request got no reply.
func (c *conn) unanswered(r *request) {
	r.answered = true
	switch r.kind {
	case kindCheck:
		c.checkUnanswered(r)
	case kindPulsar:
		c.pulsarUnanswered(r)
	case kindNone, kindOpen, kindRename:
	}
}

// resolveEarly judges a reply whose request is not in the capture.
func (c *conn) resolveEarly(p reply) {
	switch p.command {
	case smb1.CommandTrans:
		c.checkOneWay(p)
	case smb1.CommandTrans2:
		if p.overflowed() {
			c.completedOneWay(p)
			return
		}
		c.pulsarOneWay(p)
	default:
	}
}
