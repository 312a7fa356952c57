package smb

import (
	"net/netip"

	"wormscope/detect/alert"
	"wormscope/detect/flow"
	"wormscope/detect/smb1"
)

// conn reads one connection. It implements flow.Consumer.
type conn struct {
	framers    [2]smb1.Framer // first, in few cache lines: nearly all segments need no more
	d          *Detector
	client     netip.AddrPort
	server     netip.AddrPort
	vlan       uint16
	swapped    bool // the server is the flow's originator
	clientSeen bool // a message of the client was seen
	serverSeen bool // a message of the server was seen
	guessed    bool // it began before the capture
	clientLost bool // bytes of the client are lost
	serverLost bool // bytes of the server are lost
	marked     marks
	at         [2]flow.Segment // where the last bytes of a direction came from, while its framer has part of a message
	session    *session        // what SMB1 has going on, nil for nothing of interest

	plainTrans  ring // Trans requests that are no check
	plainTrans2 ring // Trans2 requests that are not for the implant
}

// open makes the consumer of a connection. Which end serves is told by its
// port, also when the capture began in the middle.
func (d *Detector) open(info flow.Info) flow.Consumer {
	c := &conn{d: d, client: info.Orig, server: info.Resp, vlan: info.VLAN, guessed: info.Guessed}
	if !alert.IsSMB(info.Resp.Port()) {
		if !info.Guessed {
			return nil // a client that uses 445 as its own port
		}
		c.client, c.server, c.swapped = info.Resp, info.Orig, true
	}
	c.framers = [2]smb1.Framer{smb1.NewFramer(d.pool), smb1.NewFramer(d.pool)}
	return c
}

// Data takes bytes of a direction.
func (c *conn) Data(dir flow.Dir, b []byte, at flow.Segment) {
	f := &c.framers[dir&1]
	for m, ok := f.Next(&b); ok; m, ok = f.Next(&b) {
		c.message(dir, m, at)
	}
	if f.Partial() {
		c.at[dir&1] = at
	}
}

// bored reports whether a consumer only searches a direction for messages.
func bored(c flow.Consumer, dir flow.Dir) bool {
	conn, ok := c.(*conn)
	return ok && conn.framers[dir&1].Bored()
}

// Gap takes note of lost bytes. A message whose head they cut is read as far
// as it goes.
func (c *conn) Gap(dir flow.Dir, n int) {
	client := c.fromClient(dir)
	c.clientLost, c.serverLost = c.clientLost || client, c.serverLost || !client
	if m, ok := c.framers[dir].Gap(n); ok {
		c.message(dir, m, c.at[dir])
	}
}

// Close resolves what is still open.
func (c *conn) Close() {
	for dir := range c.framers {
		if m, ok := c.framers[dir].Gap(0); ok {
			c.message(flow.Dir(dir), m, c.at[dir])
		}
		c.framers[dir].Close()
	}
	if c.session != nil {
		c.session.close(c)
		c.session = nil
	}
}

// fromClient reports whether a direction is the client's.
func (c *conn) fromClient(dir flow.Dir) bool { return (dir == flow.FromOrig) != c.swapped }

// suffices reports whether what one end says is enough to tell what the other did, from
// which nothing of the kind is in the capture: it may have been lost, or the tap may show
// one direction only. Else anyone can say it, to a host that never answers.
func (c *conn) suffices(client bool) bool {
	seen, lost := c.serverSeen, c.serverLost
	if client {
		seen, lost = c.clientSeen, c.clientLost
	}
	if seen {
		return c.guessed || lost
	}
	return !c.d.shows()
}

// message reads one message.
func (c *conn) message(dir flow.Dir, m smb1.Message, at flow.Segment) {
	client := c.fromClient(dir)
	c.clientSeen, c.serverSeen = c.clientSeen || client, c.serverSeen || !client
	c.d.bothWays = c.d.bothWays || c.clientSeen && c.serverSeen
	switch m.Kind() {
	case smb1.KindSMB1:
		c.d.stats.SMB1++
		h, ok := smb1.ParseHeader(m.Data)
		switch {
		case !ok || h.Reply() == client:
		case client:
			c.request(&h, m.Data, at)
		default:
			c.reply(&h, m.Data, at)
		}
	case smb1.KindSMB2:
		c.d.stats.SMB2++
		if !client {
			c.reply2(m.Data, at)
		}
	case smb1.KindCompressed:
		c.d.stats.SMB2++
		c.compressed(client, m.Data, at)
	case smb1.KindEncrypted:
		c.d.stats.Sealed++
	case smb1.KindNone:
	}
}

// request reads what a client sent.
func (c *conn) request(h *smb1.Header, b []byte, at flow.Segment) {
	switch h.Command {
	case smb1.CommandNegotiate:
		c.markHeader(h, at)
	case smb1.CommandSessionSetup, smb1.CommandTreeConnect:
		c.markTree(h, b, at)
	case smb1.CommandTrans:
		c.trans(h, b, at)
	case smb1.CommandTrans2:
		c.trans2(h, b, at)
	case smb1.CommandNTTrans:
		c.ntTrans(h, b, at)
	case smb1.CommandTrans2Secondary, smb1.CommandTransSecondary, smb1.CommandNTTransSecondary:
		if c.session != nil {
			c.secondary(h, b, at)
		}
	case smb1.CommandWriteAndX:
		if c.session != nil {
			c.writeAndX(h, b, at)
		}
	}
}

// reply reads what a server answered.
func (c *conn) reply(h *smb1.Header, b []byte, at flow.Segment) {
	switch h.Command {
	case smb1.CommandNegotiate:
		c.negotiated(h, b, at)
	case smb1.CommandSessionSetup:
		c.setUp(h, b, at)
		c.refused(h, at)
	case smb1.CommandTrans:
		c.transReply(h, at)
	case smb1.CommandTrans2:
		c.trans2Reply(h, at)
	case smb1.CommandNTTrans:
		c.ntTransReply(h, at)
	default:
	}
}
