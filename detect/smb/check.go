package smb

import (
	"wormscope/detect/alert"
	"wormscope/detect/flow"
	"wormscope/detect/smb1"
)

// The check for MS17-010 asks to peek into a named pipe that is not open, for
// more bytes than an unpatched server can allocate. The patch limits the
// bytes before it allocates, so that the server gets as far as the pipe.
const (
	setupPeekNamedPipe = 0x0023 // TRANS_PEEK_NMPIPE (MS-CIFS 2.2.5.5)
	setupPulsar        = 0x000E // TRANS2_SESSION_SETUP, which no client uses (MS-CIFS 2.2.6.15)
)

// maxTransaction is how many bytes of a transaction a Windows server allocates.
const maxTransaction = 0x10400

// checks reports whether a request is a check. It must ask for more than an unpatched
// server can allocate: asked for less, that answers as a patched one does. And where a
// server numbers its open files from 0 on, a small request may be an ordinary one.
func checks(t *smb1.Trans) bool {
	return t.SetupCount >= 1 && t.Setup[0] == setupPeekNamedPipe && (t.SetupCount == 1 || t.Setup[1] == 0) &&
		int(t.MaxParam)+int(t.MaxData) > maxTransaction
}

// trans reads a Trans request: it may be a check, or the beginning of more.
func (c *conn) trans(h *smb1.Header, b []byte, at flow.Segment) {
	t, ok := smb1.ParseTrans(b)
	if !ok {
		c.plainTrans.take(h.Request()) // it is cut, and may be a check
		return
	}
	its := func(p *reply) bool { return p.command == smb1.CommandTrans && p.pid == h.PID && p.mid == h.MID }
	if checks(&t) {
		c.plainTrans.take(h.Request())
		r := c.remember(kindCheck, h, at)
		if p, held := c.session.takeEarly(its); held {
			c.checked(r, p)
		}
		return
	}
	if _, held := c.session.takeEarly(its); !held {
		c.plainTrans.add(h.Request())
	}
	c.openedTrans(h, &t, at)
}

// transReply reads a server's reply to a Trans request.
func (c *conn) transReply(h *smb1.Header, at flow.Segment) {
	p := newReply(h, at)
	ordinary := c.plainTrans.has(h.Request())
	if ordinary && !interim(h) {
		c.plainTrans.take(h.Request())
	}
	if c.session != nil {
		if r := c.session.find(kindCheck, h.PID, h.MID); r != nil && !r.replied && !ordinary {
			c.checked(r, p)
			return
		}
		c.session.finish(h)
	}
	if !ordinary && h.WordCount == 0 && p.status != smb1.StatusSuccess {
		c.hold(p)
	}
}

// verdict tells the state of the patch from the reply to a check.
func verdict(s smb1.Status) alert.Patch {
	switch s {
	case smb1.StatusInsufficientServer:
		return alert.PatchVulnerable
	case smb1.StatusInvalidHandle, smb1.StatusAccessDenied:
		return alert.PatchPatched
	default:
		return alert.PatchUnknown
	}
}

// checked judges the reply to a check.
func (c *conn) checked(r *request, p reply) {
	r.answered, r.replied = true, true
	found := alert.SMBCheck{Patch: alert.PatchUnknown, Status: uint32(p.status), DOSStatus: !p.nt, Answered: true}
	if p.nt {
		found.Patch = verdict(p.status)
	}
	c.sayCheck(found, false, r.at, p.at)
}

// checkUnanswered says that no reply to a check was seen. It says nothing of
// the server where none of its messages are.
func (c *conn) checkUnanswered(r *request) {
	c.sayCheck(alert.SMBCheck{Patch: alert.PatchUnknown}, !c.serverSeen, r.at)
}

// checkOneWay judges a reply whose request is not in the capture, or is cut.
// That an unpatched server has no memory for a Trans request has no other
// cause that is known; the other replies have many.
func (c *conn) checkOneWay(p reply) {
	if !p.nt || p.status != smb1.StatusInsufficientServer {
		return
	}
	c.sayCheck(alert.SMBCheck{Patch: alert.PatchVulnerable, Status: uint32(p.status), Answered: true}, true, p.at)
}

// refused notes that a server did not let a checking tool in. Such a tool is known by
// its first message; others send nothing that tells them from a client with the wrong
// password.
func (c *conn) refused(h *smb1.Header, at flow.Segment) {
	status, nt := h.NTStatus()
	if c.marked&markHeader == 0 || !nt || status == smb1.StatusSuccess || status == smb1.StatusMoreProcessing {
		return
	}
	c.sayCheck(alert.SMBCheck{
		Patch: alert.PatchUnknown, Status: uint32(status), Answered: true, Refused: true,
	}, false, at)
}

// sayCheck reports a check and what it tells.
func (c *conn) sayCheck(found alert.SMBCheck, oneWay bool, at ...flow.Segment) {
	d, last := c.d, at[len(at)-1]
	server, client := c.server.Addr(), c.client.Addr()
	if a := d.host(server).asset; a != nil {
		found.Samba = a.Samba
	}
	f := d.finding(findingKey{rule: alert.RuleCheck, host: server, peer: client}, c, at[0])
	seen := f.evidence.check
	changed := f.alert.Count > 0 && found.Patch != seen.Patch && found.Patch != alert.PatchUnknown
	if f.alert.Count == 0 || changed {
		f.evidence.check, f.evidence.oneWay = found, oneWay
	}
	f.alert.Severity = checkSeverity(&f.evidence.check)
	f.add(last, at...)
	d.say(f, changed, last)
	confidence := 0.0
	if oneWay && found.Answered {
		confidence = 0.7
	}
	d.fact(alert.Fact{Kind: alert.FactTargeted, Host: server, Peer: client, Port: c.server.Port(), Alert: f.alert.ID}, at[0])
	d.fact(alert.Fact{
		Kind: patchFact(found.Patch), Host: server, Peer: client, Port: c.server.Port(),
		Detail: "check", Confidence: confidence, Alert: f.alert.ID,
	}, last)
}

// checkSeverity says how much a check matters.
func checkSeverity(c *alert.SMBCheck) alert.Severity {
	switch c.Patch {
	case alert.PatchVulnerable:
		return alert.High
	case alert.PatchPatched:
		return alert.Low
	default:
		return alert.Medium
	}
}

// patchFact returns the fact for a state of the patch.
func patchFact(p alert.Patch) alert.FactKind {
	switch p {
	case alert.PatchVulnerable:
		return alert.FactVulnerable
	case alert.PatchPatched:
		return alert.FactPatched
	default:
		return alert.FactPatchUnknown
	}
}
