package smb

import (
	"fmt"
	"net/netip"

	"wormscope/detect/alert"
	"wormscope/detect/flow"
)

// sayProbed reports that the host was asked for the implant and did not
// answer as one.
func (c *conn) sayProbed(r *request, state string, kind alert.FactKind, at ...flow.Segment) {
	d, last := c.d, at[len(at)-1]
	f := d.finding(findingKey{
		rule: alert.RuleDoublePulsar, host: c.server.Addr(), peer: c.client.Addr(), name: alert.NameProbed,
	}, c, at[0])
	f.alert.Name, f.alert.Severity = alert.NameProbed, alert.Medium
	i := &f.evidence.implant
	changed := f.alert.Count > 0 && i.State != state
	i.State, i.Operation, i.Timeout = state, r.op.String(), r.timeout
	if r.op == opPing {
		i.Pings++
	}
	f.add(last, at...)
	d.say(f, changed, last)
	f.fact(c, kind, last, r.op.String(), 0)
}

// sayImplanted reports that the host answered as an implant.
func (c *conn) sayImplanted(r *request, res result, arch string, oneWay bool, at ...flow.Segment) {
	last := at[len(at)-1]
	f := c.implantFinding(arch, at[0])
	i := &f.evidence.implant
	news := i.Operation != r.op.String()
	i.Operation, i.Result, i.Timeout = r.op.String(), res.String(), r.timeout
	if r.op == opPing {
		i.Pings++
	}
	confidence := 0.0
	if oneWay {
		f.evidence.oneWay = true
		f.alert.Severity = alert.High
		confidence = 0.8
	}
	killed := r.op == opKill && res == resultOK
	if killed {
		i.State = "killed"
	}
	f.add(last, at...)
	c.d.say(f, news, last)
	detail := implantDetail(&c.session.pulsar, i.Arch)
	f.fact(c, alert.FactImplanted, last, detail, confidence)
	if killed {
		f.fact(c, alert.FactKilled, last, detail, confidence)
		c.session.pulsar.here = false
	}
}

// implantDetail names an implant by its key, its machine, and whose it is.
func implantDetail(s *pulsar, arch string) string {
	if s.key == 0 {
		return ""
	}
	detail := fmt.Sprintf("0x%08x", s.key)
	if arch != "" {
		detail += " " + arch
	}
	if s.notPetya {
		detail += " of NotPetya"
	}
	return detail
}

// implantFinding returns the finding about the implant that this connection
// talks to.
func (c *conn) implantFinding(arch string, at flow.Segment) *finding {
	d, key := c.d, c.session.pulsar.key
	f := d.finding(findingKey{
		rule: alert.RuleDoublePulsar, host: c.server.Addr(), peer: c.client.Addr(), name: alert.NameImplanted, number: key,
	}, c, at)
	i := &f.evidence.implant
	if f.alert.Count == 0 {
		f.alert.Name, f.alert.Severity = alert.NameImplanted, alert.Critical
		i.State, i.Key = "implanted", key
		i.Instance = max(d.host(c.server.Addr()).instance, 1)
	}
	if arch != "" {
		i.Arch = arch
	}
	return f
}

// fact says a fact about the server, of which the finding tells more. It names the
// client, against which it may be held, unless nobody but the server says that it was one.
func (f *finding) fact(c *conn, kind alert.FactKind, at flow.Segment, detail string, confidence float64) {
	var peer netip.Addr
	if c.session.pulsar.ordered || c.suffices(true) {
		peer = c.client.Addr()
	}
	c.d.fact(alert.Fact{
		Kind: kind, Host: c.server.Addr(), Peer: peer, Port: c.server.Port(),
		Detail: detail, Confidence: confidence, Alert: f.alert.ID,
	}, at)
}
