package smb

import (
	"math"
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
)

// request is a request of interest.
type request struct {
	kind     kind
	answered bool // no reply is waited for
	replied  bool // there was one

	mid, pid uint16

	op      operation
	timeout uint32

	at flow.Segment
}

// reply is a server's reply whose request was not seen yet.
type reply struct {
	held      bool // this is one
	command   smb1.Command
	status    smb1.Status
	nt        bool // status is an NTSTATUS
	mid, pid  uint16
	reserved  uint16
	signature [8]byte
	at        flow.Segment
	repeats   uint32 // how many more replies were like it
}

// newReply keeps what matters of a reply.
func newReply(h *smb1.Header, at flow.Segment) reply {
	status, nt := h.NTStatus()
	return reply{
		held: true, command: h.Command, status: status, nt: nt, mid: h.MID, pid: h.PID,
		reserved: h.Reserved, signature: h.Signature, at: at,
	}
}

// A ring holds the latest requests of a sort that were not answered, each as
// smb1.Header.Request tells it.
type ring struct {
	requests [4]uint32
	used     uint8 // which of requests hold one, a bit each
	next     uint8 // place in requests that is used next
}

// index returns the place of a request, -1 for none.
func (r *ring) index(request uint32) int {
	for i, q := range r.requests {
		if q == request && r.used&(1<<i) != 0 {
			return i
		}
	}
	return -1
}

// has reports whether a request is noted.
func (r *ring) has(request uint32) bool { return r.index(request) >= 0 }

// add notes a request.
func (r *ring) add(request uint32) {
	if !r.has(request) {
		r.requests[r.next] = request
		r.used |= 1 << r.next
		r.next = (r.next + 1) % uint8(len(r.requests))
	}
}

// take forgets a request, when there is one.
func (r *ring) take(request uint32) {
	if i := r.index(request); i >= 0 {
		r.used &^= 1 << i
	}
}

// session is what goes on in a connection that does something of interest.
type session struct {
	requests [6]request
	next     uint8    // place in requests that is used next
	early    [3]reply // oldest first
	listed   bool     // in Detector.waiting

	open    []transaction // oldest first
	interim interimReply  // the server's last
	pulsar  pulsar
	tree    tree
}

// begun returns the session, which begins when there is none.
func (c *conn) begun() *session {
	if c.session == nil {
		c.session = &session{}
	}
	return c.session
}

// remember makes a place for a request. The oldest gives way.
func (c *conn) remember(k kind, h *smb1.Header, at flow.Segment) *request {
	s := c.begun()
	r := &s.requests[s.next]
	s.next = (s.next + 1) % uint8(len(s.requests))
	if r.waits() {
		c.d.stats.RequestsDropped++
		c.unanswered(r)
	}
	*r = request{kind: k, mid: h.MID, pid: h.PID, at: at}
	c.list()
	return r
}

// list makes Tick attend to the session.
func (c *conn) list() {
	if !c.session.listed {
		c.session.listed = true
		c.d.makeWaitingRoom()
		c.d.waiting = append(c.d.waiting, c)
	}
}

// waits reports whether the request waits for a reply.
func (r *request) waits() bool { return !r.answered && r.kind != kindNone }

// find returns the latest request of a kind that a PID and MID are of, or nil.
// A session of nil has none.
func (s *session) find(k kind, pid, mid uint16) *request {
	if s == nil {
		return nil
	}
	for i := range s.requests {
		r := &s.requests[(int(s.next)+len(s.requests)-1-i)%len(s.requests)]
		if r.kind == k && r.pid == pid && r.mid == mid {
			return r
		}
	}
	return nil
}

// hold keeps a reply until its request comes. When there are too many the
// oldest gives way; those that are alike, as to the parts of a payload, are
// one.
func (c *conn) hold(p reply) {
	early := &c.begun().early
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

// takeEarly takes the reply to a request that just came, if it was held. A
// session of nil holds none.
func (s *session) takeEarly(match func(*reply) bool) (reply, bool) {
	if s == nil {
		return reply{}, false
	}
	for i := range s.early {
		if p := &s.early[i]; p.held && match(p) {
			taken := *p
			*p = reply{}
			return taken, true
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
		if r.waits() && r.at.Time < now-replyWait {
			c.unanswered(r)
		}
	}
	for i := range s.early {
		p := s.early[i]
		if p.held && p.at.Time < now-earlyWait {
			s.early[i] = reply{}
			c.resolveEarly(p)
		}
	}
}

// close decides what is open at the end of the connection.
func (s *session) close(c *conn) {
	s.expire(c, math.MaxInt64)
	c.closeTree()
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
	case kindNone:
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
