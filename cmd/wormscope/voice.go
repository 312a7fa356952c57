package main

import "wormscope/detect/alert"

// A voice hands what detectors report first to the events and then to the ledger, so
// that the change of a host's state to which it leads comes after it as an event.
type voice struct{ p *pipeline }

// Alert implements alert.Emitter.
func (v voice) Alert(a alert.Alert) {
	p := v.p
	if p.ownTraffic(&a) {
		p.held++
		return
	}
	if a.Phase == alert.PhaseStart {
		p.raised[a.Rule]++
	}
	p.events.alert(&a)
	p.ledger.Alert(a)
	p.state.alert(a, p.events.sinks.commit())
}

// Fact implements alert.Emitter.
func (v voice) Fact(f alert.Fact) {
	p := v.p
	p.events.sinks.fact(&f)
	p.ledger.Fact(f)
	p.state.fact(f, p.events.sinks.commit())
}

// ownTraffic reports whether an alert is about look-ups or contacts of this
// machine itself, which may well ask for the names that it is told to watch.
func (p *pipeline) ownTraffic(a *alert.Alert) bool {
	if len(p.own) == 0 || a.Rule != alert.RuleDomain && a.Rule != alert.RuleContact {
		return false
	}
	_, own := p.own[a.Host]
	return own
}
