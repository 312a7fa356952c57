package dns

import (
	"net/netip"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/dnsmsg"
	"wormscope/internal/ip"
	"wormscope/ioc"
)

const (
	maxAsked = 65536
	// behalfWindow is how long after someone asked a host for an indicator its
	// own lookup may be on their behalf: an upstream that is dead is asked again
	// for minutes.
	behalfWindow = int64(5 * time.Minute)
	// forwardWindow is how long after a client's query, or the last query for
	// it, a resolver's own is plainly one more of these.
	forwardWindow = int64(10 * time.Second)
	// skew is how much earlier than the client's query a resolver's own may
	// seem, where two sensors saw them.
	skew = int64(100 * time.Millisecond)
	// passOn is how long a resolver may take to pass an answer on, or a query.
	passOn = int64(time.Second)
	// maxWaiting is for how many indicators it is remembered who waits for an answer.
	maxWaiting = 4096
)

// askedKey is who was asked for what.
type askedKey struct {
	host  netip.Addr
	match ioc.Match
}

// asking is when a host was asked for an indicator, in packet time.
type asking struct {
	client int64 // when anyone asked it last
	last   int64 // the same, or when the host then asked another for it, if that was later
}

// passes notes what a message about an indicator tells of who passes on the queries,
// or the answers, of others.
func (d *Detector) passes(l *lookup, f found, asker, server netip.Addr) {
	now := d.reading.time
	if !d.parser.Response() {
		d.pass(asker, server, f.match, now)
		d.noteAsked(asker, server, f.match, now)
		return
	}
	if !l.asked {
		d.revise(server, f.match, now, passOn)
		d.passedOn(asker, server, f.match, now)
	}
	d.served(server, f.match)
}

// waiting is a client inside whose query for an indicator was not answered yet.
type waiting struct {
	client, server netip.Addr
	id             uint16
	since          int64
}

// pass looks whether a query passes on that of a client who asked another address:
// resolvers are asked at an address that several share, or over IPv4, and ask from
// one of their own, or over IPv6. What shows it is that the client still waits for
// its answer, that the asker never asked for this indicator of its own accord, and
// that it asks nobody who is a resolver of clients inside: else it may be a client
// of another resolver that happens to ask at the same time. Where nothing but the
// client's address was translated the query has the same ID, whoever is asked.
func (d *Detector) pass(asker, server netip.Addr, match ioc.Match, now int64) {
	if !d.zones.Inside(asker) {
		return
	}
	e := d.waiting.Get(match)
	if e != nil && d.passed(&e.Value, asker, server, now) && d.findings.Get(findingKey{host: asker, match: match}) == nil {
		d.noteAsked(e.Value.client, asker, match, now)
	}
	if d.serves(server) {
		d.waiting.Put(match, waiting{asker, server, d.parser.ID, now})
	}
}

// passed reports whether a query may be the one that waits, passed on.
func (d *Detector) passed(w *waiting, asker, server netip.Addr, now int64) bool {
	if asker == w.client || now-w.since > passOn {
		return false
	}
	return d.parser.ID == w.id ||
		asker != w.server && server != w.server && (!d.zones.Inside(server) || !d.Resolver(server))
}

// served notes that a server answers for an indicator: nobody waits for it now.
func (d *Detector) served(server netip.Addr, match ioc.Match) {
	if e := d.waiting.Get(match); e != nil && e.Value.server == server {
		d.waiting.Remove(e)
	}
}

// lead notes that an alias led a host to an indicator. If the host is a resolver, the
// answer that it gives its client, from another of its addresses, tells: passedOn
// looks for that.
func (d *Detector) lead(k findingKey, server netip.Addr, now int64) {
	if k.onBehalf || !d.zones.Inside(k.host) || d.zones.Inside(server) && d.Resolver(server) {
		return
	}
	d.viaAlias.Put(k.match, waiting{client: k.host, server: server, since: now})
}

// passedOn revises the alert about whom an alias led to an indicator just before a
// resolver gave the same answer to a client.
func (d *Detector) passedOn(asker, server netip.Addr, match ioc.Match, now int64) {
	e := d.viaAlias.Get(match)
	if e == nil || !d.serves(server) {
		return
	}
	w := e.Value
	if w.client == asker || w.client == server || w.server == server || now-w.since > passOn {
		return
	}
	d.viaAlias.Remove(e)
	d.revise(w.client, match, now, passOn)
}

// noteAsked notes that a server was asked for an indicator. From outside anyone
// can ask any host for anything; that explains what resolvers do, and no more.
func (d *Detector) noteAsked(asker, server netip.Addr, match ioc.Match, now int64) {
	if !d.zones.Inside(asker) && !d.serves(server) {
		return
	}
	d.asked.Put(askedKey{server, match}, asking{client: now, last: now})
	d.revise(server, match, now, skew)
}

// explained reports whether a host's lookup may be for someone who asked it for
// the same, and whether that is plain enough to say nothing about the host.
func (d *Detector) explained(host netip.Addr, match ioc.Match, now int64) (behalf, forwarded bool) {
	e := d.asked.Get(askedKey{host, match})
	if e == nil || now-e.Value.client > behalfWindow {
		return false, false
	}
	recent := now-e.Value.last <= forwardWindow
	if recent {
		e.Value.last = max(e.Value.last, now)
	}
	return true, recent && d.serves(host)
}

// attribute returns the key of the alert that a lookup belongs to: about the asker,
// or about the client that the query names.
func (d *Detector) attribute(asker, server netip.Addr, f found, behalf bool) findingKey {
	client := d.reading.client
	if client.IsValid() && client.IsSingleIP() && (client.Addr() == asker || d.zones.Inside(client.Addr()) && d.mayName(asker, server)) {
		return findingKey{host: client.Addr(), match: f.match}
	}
	behalf = behalf || client.IsValid() || !d.parser.RecursionDesired() || d.forwards(asker, server) || d.Resolver(asker) ||
		d.alias(f) && d.serves(asker)
	return findingKey{host: asker, match: f.match, onBehalf: behalf}
}

// mayName reports whether a client that the message names may be accused by it: one of a
// resolver inside may, since from outside anyone can name any host, in a query as well
// as in an answer, unless answers are all that the capture shows.
func (d *Detector) mayName(asker, server netip.Addr) bool {
	return d.zones.Inside(asker) && (!d.parser.Response() || d.zones.Inside(server) || d.answersOnly())
}

// forwards reports whether the message looks like one of a resolver inside that has
// another one outside do the work: hosts hardly ever want the records of DNSSEC, and
// those of Windows, where the worms are, never unless they are told to. It is what
// tells where the capture does not show the resolver's clients.
func (d *Detector) forwards(asker, server netip.Addr) bool {
	return d.reading.dnssec && d.zones.Inside(asker) && !d.zones.Inside(server)
}

// alias reports whether the message asks for another name, from which an alias led
// to the one that was found.
func (d *Detector) alias(f found) bool { return d.reading.asked && !f.asked }

// revise turns a host's alert that has just begun into one on behalf of
// another, who asked the host or was answered by it.
func (d *Detector) revise(host netip.Addr, match ioc.Match, now, within int64) {
	k := findingKey{host: host, match: match}
	e := d.findings.Get(k)
	if e == nil || now-e.Value.alert.First.UnixNano() > within {
		return
	}
	v := &e.Value
	v.dns.OnBehalf, v.alert.Severity = true, alert.Low
	k.onBehalf = true
	if d.findings.Get(k) != nil {
		d.end(e, now)
		return
	}
	d.say(v, alert.PhaseUpdate, now)
	moved := *v
	d.findings.Remove(e)
	d.findings.Add(k).Value = moved
}

const (
	// enoughAnswers is how many there must be to know a tap by them.
	enoughAnswers = 10
	// answersFor is how many of them there are for one query where hardly any
	// query is seen.
	answersFor = 20
	// enoughMet is how many answers to queries that were seen settle that the tap shows
	// both, however many others come: anyone can send answers.
	enoughMet = 100
)

// answersOnly reports whether the tap shows answers and next to no queries.
func (d *Detector) answersOnly() bool {
	answers := d.stats.Responses - d.stats.Reflected
	return answers >= enoughAnswers && d.stats.Queries*answersFor < answers && d.met < enoughMet
}

// unasked reports whether a message is an answer to nothing. One of a known
// resolver inside is believed: its clients' queries may take another way.
func (d *Detector) unasked(l *lookup, f found, asker netip.AddrPort, server netip.Addr) bool {
	switch {
	case !d.parser.Response(), l.asked, d.answersOnly(), d.Resolver(server) && d.zones.Inside(server):
		return false
	default:
		return !d.alias(f) || !d.queries.asked(ip.FromPort(asker), d.parser.ID, d.reading.time)
	}
}

// rcodeTells reports whether an answer without addresses tells anything: one
// that did not fit does not.
func rcodeTells(h *dnsmsg.Header) bool { return !h.Truncated() || h.RCode() != dnsmsg.NoError }
