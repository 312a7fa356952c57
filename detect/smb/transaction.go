package smb

import (
	"slices"

	"wormscope/detect/flow"
	"wormscope/detect/smb1"
)

// maxTransactions is how many open transactions of a connection are
// remembered. Exploits open a dozen and more, to arrange the server's memory.
const maxTransactions = 32

// transaction is one of which secondary requests are due, or of which what
// follows may tell an exploit.
type transaction struct {
	at        flow.Segment
	total     uint32 // bytes of data that it announces
	paramLeft uint32 // bytes still due
	dataLeft  uint32

	mid, tid, pid, uid uint16

	command   smb1.Command
	rename    bool // NT_TRANSACT_RENAME
	answered  bool // as an NT_TRANS
	continued bool // as an NT_TRANS
	reported  bool // an exploit was reported for it
	done      bool // and that it was completed
}

// left returns how much of total is due after n.
func left(total, n uint32) uint32 { return total - min(n, total) }

// opened remembers a transaction. When there are too many, the oldest gives
// way.
func (c *conn) opened(h *smb1.Header, at flow.Segment) *transaction {
	s := c.begun()
	if len(s.open) == maxTransactions {
		c.d.stats.RequestsDropped++
		s.open = slices.Delete(s.open, 0, 1)
	}
	s.open = append(s.open, transaction{at: at, mid: h.MID, tid: h.TID, pid: h.PID, uid: h.UID, command: h.Command})
	return &s.open[len(s.open)-1]
}

// openedTrans remembers a Trans or Trans2 of which secondary requests are due.
func (c *conn) openedTrans(h *smb1.Header, t *smb1.Trans, at flow.Segment) {
	if t.Complete() {
		return
	}
	x := c.opened(h, at)
	x.total = uint32(t.TotalData)
	x.paramLeft = left(uint32(t.TotalParam), uint32(t.ParamCount))
	x.dataLeft = left(uint32(t.TotalData), uint32(t.DataCount))
}

// openedNTTrans remembers an NT_TRANS of which secondary requests are due, or
// that an exploit may begin with.
func (c *conn) openedNTTrans(h *smb1.Header, t *smb1.NTTrans, at flow.Segment) {
	rename := t.Function == smb1.FunctionRename && t.TotalData <= maxTrans2Data
	if t.Complete() && t.TotalData <= maxTrans2Data && !rename {
		return
	}
	x := c.opened(h, at)
	x.total, x.rename = t.TotalData, rename
	x.paramLeft, x.dataLeft = left(t.TotalParam, t.ParamCount), left(t.TotalData, t.DataCount)
}

// large reports whether the transaction is an NT_TRANS as EternalBlue begins.
func (x *transaction) large() bool {
	return x.command == smb1.CommandNTTrans && x.total > maxTrans2Data
}

// ordinary reports whether the transaction is gone once it is complete.
func (x *transaction) ordinary() bool { return !x.large() && !x.rename }

// latest returns the latest transaction with a MID that is as wanted, or nil.
// A session of nil has none.
func (s *session) latest(mid uint16, wanted func(*transaction) bool) *transaction {
	if s == nil {
		return nil
	}
	for i := range slices.Backward(s.open) {
		if x := &s.open[i]; x.mid == mid && wanted(x) {
			return x
		}
	}
	return nil
}

// large returns the large NT_TRANS with a MID, or nil.
func (s *session) large(mid uint16) *transaction { return s.latest(mid, (*transaction).large) }

// received takes off what a secondary request brought, and forgets an ordinary
// transaction that is complete.
func (s *session) received(h *smb1.Header, b []byte) {
	x := s.latest(h.MID, (*transaction).ordinary)
	if x == nil {
		return
	}
	parse := smb1.ParseSecondary
	if h.Command == smb1.CommandNTTransSecondary {
		parse = smb1.ParseNTSecondary
	}
	if t, ok := parse(b); ok {
		x.paramLeft, x.dataLeft = left(x.paramLeft, t.ParamCount), left(x.dataLeft, t.DataCount)
	}
	if x.paramLeft == 0 && x.dataLeft == 0 {
		s.forget(x)
	}
}

// forget removes a transaction.
func (s *session) forget(x *transaction) {
	for i := range s.open {
		if &s.open[i] == x {
			s.open = slices.Delete(s.open, i, i+1)
			return
		}
	}
}

// interim reports whether a reply to a transaction only asks for its secondary
// requests: it has no words and no error.
func interim(h *smb1.Header) bool { return h.WordCount == 0 && h.Status == smb1.StatusSuccess }

// finish forgets an ordinary transaction that the server has answered. A large
// NT_TRANS is kept: no more than its answer tells an exploit, but what follows
// may.
func (s *session) finish(h *smb1.Header) {
	if interim(h) {
		return
	}
	x := s.latest(h.MID, func(x *transaction) bool { return !x.rename })
	switch {
	case x == nil:
	case x.large():
		x.answered = x.answered || h.Command == smb1.CommandNTTrans
	default:
		s.forget(x)
	}
}
