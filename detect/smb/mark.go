package smb

import (
	"bytes"
	"net/netip"

	"wormscope/detect/alert"
	"wormscope/detect/flow"
	"wormscope/detect/smb1"
)

// marks is a set of what is peculiar to WannaCry.
type marks uint8

const (
	// markHeader: PID 0x4B2F, MID 0x5EC5 and Flags2 0x2801 in the first message.
	// WannaCry has it from a public checking tool, and so have dozens of other tools:
	// it tells a tool, not an infection, and is not enough for a suspicion.
	markHeader marks = 1 << iota
	markPing         // Timeout of its ping
	markExec         // Timeout of its exec
	// markTreeA and markTreeB: paths to machines that its authors recorded
	// their messages from. Somebody else's network may have these addresses.
	markTreeA
	markTreeB
	// markTreeOther: behind markHeader, a tree path that names another address
	// than the one that is talked to. Alone it says little: address translation
	// does that too.
	markTreeOther
	markCount = iota
)

// markInfo says what a mark is called and how sure it makes that the sender
// is infected.
type markInfo struct {
	name       string
	confidence float64
}

// info returns the name and weight of one mark.
func (m marks) info() markInfo {
	switch m {
	case markHeader:
		return markInfo{"check-header", 0.25}
	case markPing:
		return markInfo{"ping-timeout", 0.95}
	case markExec:
		return markInfo{"exec-timeout", 0.95}
	case markTreeA:
		return markInfo{"tree-192.168.56.20", 0.95}
	case markTreeB:
		return markInfo{"tree-172.16.99.5", 0.95}
	default:
		return markInfo{"tree-other-address", 0.5}
	}
}

// names lists the marks of a set.
func (m marks) names() []string {
	var names []string
	for i := range markCount {
		if one := marks(1) << i; m&one != 0 {
			names = append(names, one.info().name)
		}
	}
	return names
}

// mark notes that the client sent a mark, once for each connection.
func (c *conn) mark(m marks, at flow.Segment) { c.markAs(m, m.info().confidence, at) }

// markAs notes it with a confidence.
func (c *conn) markAs(m marks, confidence float64, at flow.Segment) {
	c.d.host(c.client.Addr()).marks |= m
	if c.marked&m != 0 {
		return
	}
	c.marked |= m
	c.d.fact(alert.Fact{
		Kind: alert.FactMark, Host: c.client.Addr(), Peer: c.server.Addr(), Port: c.server.Port(),
		Detail: m.info().name, Confidence: confidence,
	}, at)
}

// markHeader looks at the first message.
func (c *conn) markHeader(h *smb1.Header, at flow.Segment) {
	if h.PID == 0x4B2F && h.MID == 0x5EC5 && h.Flags2 == 0x2801 {
		c.mark(markHeader, at)
	}
}

// markTimeout looks at the Timeout of a message for DoublePulsar.
func (c *conn) markTimeout(timeout uint32, at flow.Segment) {
	switch timeout {
	case 0x00EE3401:
		c.mark(markPing, at)
	case 0x001A8925:
		c.mark(markExec, at)
	}
}

// markTree looks at the path of a tree connect.
func (c *conn) markTree(h *smb1.Header, b []byte, at flow.Segment) {
	path, ok := smb1.TreePath(b, h)
	if !ok {
		return
	}
	var buf [64]byte
	server, share, ok := partsOf(path, h.Unicode(), &buf)
	if !ok {
		return
	}
	addr, err := netip.ParseAddr(string(server))
	ipc := bytes.Equal(share, []byte("IPC$"))
	switch {
	case err != nil: // a name
	case addr == c.server.Addr():
	case ipc && bytes.Equal(server, []byte("192.168.56.20")):
		c.begun().tree = tree{markTreeA, at}
	case ipc && bytes.Equal(server, []byte("172.16.99.5")):
		c.begun().tree = tree{markTreeB, at}
	case c.marked&markHeader != 0:
		c.mark(markTreeOther, at)
	}
}

// tree is a path of WannaCry's that was asked for.
type tree struct {
	mark marks // 0 for none
	at   flow.Segment
}

// confirmTree notes that behind such a path came what WannaCry goes on with: an
// order for DoublePulsar, or EternalBlue.
func (c *conn) confirmTree() {
	if c.session != nil && c.session.tree.mark != 0 {
		c.mark(c.session.tree.mark, c.session.tree.at)
		c.session.tree = tree{}
	}
}

// closeTree notes that nothing of that came: address translation can lead to
// such a path, too.
func (c *conn) closeTree() {
	if t := c.session.tree; t.mark != 0 {
		c.markAs(t.mark, markTreeOther.info().confidence, t.at)
	}
}

// partsOf returns the server and the share of a path such as \\server\share,
// when the server is written in digits, in buf.
func partsOf(path []byte, wide bool, buf *[64]byte) (server, share []byte, ok bool) {
	step := 1
	if wide {
		step = 2
	}
	n := 0
	for i := 0; i+step <= len(path); i += step {
		if n == len(buf) || step == 2 && path[i+1] != 0 {
			return nil, nil, false
		}
		buf[n] = path[i]
		n++
	}
	rest, ok := bytes.CutPrefix(buf[:n], []byte(`\\`))
	if !ok {
		return nil, nil, false
	}
	server, share, ok = bytes.Cut(rest, []byte(`\`))
	return server, share, ok && len(server) > 0 && server[0] >= '0' && server[0] <= '9'
}
