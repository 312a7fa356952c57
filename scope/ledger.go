// Package scope keeps the ledger of hosts: it turns what detectors say into
// facts about hosts, and the facts into a state of each host, and says how far
// a worm has got. docs/scope.md explains states, facts and thresholds.
//
// # Where to begin
//
// Ledger.Alert and Ledger.Fact (ledger.go; smb.go for what was learned from SMB) make
// facts of what detectors say. A host has its facts in host.go, those beyond a limit
// in brief in rest.go, and the marks of analysts in mark.go. Ledger.review judges a
// host anew with each fact: judge, in state.go, weighs its facts by how sure each one
// is (confidence.go). Scans that look harmless alone may show a worm together
// (chain.go).
//
// Ledger.Document (build.go, document.go) writes it all down: hosts, who infected whom
// (spread.go, onset.go), outside scanners (scanners.go) and which of them must not be
// blocked (protect.go), borders that policy closes (border.go). What to do is in
// action.go. WriteText (text*.go) tells it to people; words*.go tell single facts.
package scope

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
)

// Options are the settings of a Ledger. The zero value is ready to use.
type Options struct {
	// MaxHosts is how many inside hosts are kept, DefaultMaxHosts if 0. Beyond
	// it the host of the least state goes, and of those the one that was not
	// heard of for the longest time.
	MaxHosts int
	// MaxExternal is how many outside scanners are kept, DefaultMaxExternal if
	// 0. Beyond it those that nobody answered go first, the oldest first.
	MaxExternal int
	// Trust is whom and what the institution trusts.
	Trust Trust
	// OnChange is called with each change of a host's state, before the call
	// of Alert or Fact that led to it returns. It may be nil.
	OnChange func(Change)
	// Alone has each host judged without regard to what others did (see chain.go).
	// It must be set where the ledger is told of some of the hosts only.
	Alone bool
}

// The limits that hold when none is given. A host with one fact takes about 340
// bytes, each further one 200 and its alert, see maxTold.
const (
	DefaultMaxHosts    = 1 << 18
	DefaultMaxExternal = 1 << 16
)

// maxAttacks is how many floods and distributed scans are kept, the earliest.
const maxAttacks = 1000

// A Ledger holds what is known of every host. It implements alert.Emitter. It
// is not safe for use by several goroutines.
type Ledger struct {
	zones    *zone.Map
	onChange func(Change)
	alone    bool
	hosts    table
	external table
	attacks  map[string]*alert.Alert // floods and distributed scans, by alert id
	lost     uint64                  // words about attacks that were not kept
	trust    Trust
	// resolvers are those outside, at most maxResolvers.
	resolvers map[netip.Addr]struct{}
	askers    notInside               // for a kill-switch name
	seekers   notInside               // for another indicator's name
	callers   notInside               // of indicator addresses
	strangers notInside               // that scan others which are not inside either
	fighters  notInside               // that attacked such others over SMB, or were attacked by them
	borders   map[string]*alert.Alert // over closed borders, by alert id
	// bordersLost counts words of alerts about borders that were not kept.
	bordersLost uint64
	chains      map[uint16]*chain // by the port that is scanned
}

// A Change says that the ledger changed its mind about an inside host.
type Change struct {
	ID         string // the same capture gives the same
	Number     int    // counts the changes of the host, from 1
	Host       netip.Addr
	Zone       string
	From, To   State
	Confidence float64        // in the new state, 0 to 1
	Why        string         // a sentence without a full stop
	Time       time.Time      // packet time
	Frame      alert.FrameRef // that decided; Number 0 where none is known
}

// New makes an empty ledger for the hosts that zones calls inside.
func New(zones *zone.Map, o Options) *Ledger {
	if o.MaxHosts <= 0 {
		o.MaxHosts = DefaultMaxHosts
	}
	if o.MaxExternal <= 0 {
		o.MaxExternal = DefaultMaxExternal
	}
	return &Ledger{
		zones:     zones,
		onChange:  o.OnChange,
		alone:     o.Alone,
		trust:     o.Trust,
		resolvers: make(map[netip.Addr]struct{}),
		askers:    make(notInside),
		seekers:   make(notInside),
		callers:   make(notInside),
		strangers: make(notInside),
		fighters:  make(notInside),
		hosts:     newTable(o.MaxHosts),
		external:  newTable(o.MaxExternal),
		attacks:   make(map[string]*alert.Alert),
		borders:   make(map[string]*alert.Alert),
		chains:    make(map[uint16]*chain),
	}
}

// Alert takes what a detector found. A word of an alert that was heard before,
// or an older one, changes nothing.
func (l *Ledger) Alert(a alert.Alert) {
	if a.Rule == alert.RuleExposure && a.Evidence.Exposure != nil {
		l.exposure(&a)
		return
	}
	kept := a // the other rules' facts hold on to it; there are far fewer of them
	switch {
	case a.Rule == alert.RuleDomain && a.Evidence.DNS != nil:
		l.domain(&kept)
	case a.Rule == alert.RuleContact && a.Evidence.Contact != nil:
		l.contact(&kept)
	case a.Rule == alert.RuleScan && a.Evidence.Scan != nil:
		l.scan(&kept)
	case a.Rule == alert.RuleFlood && a.Evidence.Flood != nil:
		l.attack(&kept)
	case a.Rule == alert.RuleCrossing && a.Evidence.Crossing != nil:
		l.crossing(&kept)
	}
}

// Resume says how many changes of a host were said in earlier runs, so that the
// next one has the number, and the ID, that an unbroken run would give it. It is
// to be called after the ledger was told what those runs knew.
func (l *Ledger) Resume(addr netip.Addr, changes int) {
	if h := l.hosts.find(addr); h != nil {
		h.changes = changes
	}
}

// Revise takes the state that was last reported of a host in earlier runs, and reports
// a change where the ledger judges otherwise now, as it may when a mark was made or
// taken back between two runs. It is to be called after Resume. A ledger that had to
// forget hosts reports nothing: it can't know what it forgot of this one.
func (l *Ledger) Revise(addr netip.Addr, said State) {
	h := l.hosts.find(addr)
	if h == nil || h.state == said || l.hosts.evictedAny() {
		return
	}
	if now, known := h.latest(); known {
		h.state = said
		l.review(h, now, alert.FrameRef{})
	}
}

// Fact takes what a detector learned without an alert.
func (l *Ledger) Fact(f alert.Fact) {
	switch {
	case l.zones.Inside(f.Host):
	case f.Kind == alert.FactResolver:
		l.learnResolver(f.Host)
		return
	default:
		l.smbFact(f)
		return
	}
	switch f.Kind {
	case alert.FactResolver:
		h := l.hosts.get(f.Host)
		if !h.resolver {
			h.resolver = true
			l.review(h, f.Time, f.Frame)
		}
	case alert.FactTargeted:
		targeted := learned(&f, kindTargeted, sureTargeted)
		targeted.checked = f.Alert != ""
		targeted.refused = f.Detail == alert.Refused
		if l.mayCheck(&f, kindTargeted) {
			targeted.confidence = 0
		}
		l.keep(f.Host, &targeted, f.Time, f.Frame)
	case alert.FactExposed:
		exposed := learned(&f, kindExposed, sureExposed)
		exposed.outside = f.Peer.IsValid() && !l.zones.Inside(f.Peer)
		l.keep(f.Host, &exposed, f.Time, f.Frame)
	default:
		l.smbFact(f)
	}
}

// learned makes a fact of one that a detector learned.
func learned(f *alert.Fact, k kind, confidence float64) fact {
	t := f.Time.UnixNano()
	return fact{
		kind: k, confidence: confidence, first: t, last: t, acted: t, count: 1,
		peer: f.Peer, port: f.Port, lastFrame: f.Frame,
	}
}

// alerted makes a fact of an alert.
func alerted(a *alert.Alert, k kind, confidence float64) fact {
	f := fact{
		id: a.ID, seq: int32(min(a.Seq, math.MaxInt32)), //nolint:gosec // G115: never negative.
		kind: k, confidence: confidence,
		first: a.First.UnixNano(), last: a.Last.UnixNano(), acted: a.First.UnixNano(), count: a.Count,
	}
	f.keep(a.Frames)
	return f
}

// domain notes that an inside host asked for an indicator name. What it asked
// on behalf of a client says nothing of the host.
func (l *Ledger) domain(a *alert.Alert) {
	if !l.zones.Inside(a.Host) {
		l.noteAsker(a)
		return
	}
	f := alerted(a, kindBeaconing, rateIndicator(a.Indicator))
	switch {
	case a.Evidence.DNS.OnBehalf:
		f.confidence = 0
	case a.Evidence.DNS.Unasked:
		f.confidence *= weightUnknown
	}
	f.peer, f.by = a.Evidence.DNS.Resolver, a.Indicator
	f.viaDNS, f.unasked = true, a.Evidence.DNS.Unasked
	f.alert = a
	l.keep(a.Host, &f, a.Time, frameOf(a))
}

// contact notes traffic with an indicator address. Only what the host began
// weighs against it; who was called upon is a target.
func (l *Ledger) contact(a *alert.Alert) {
	c := a.Evidence.Contact
	if c.Hosts > 0 { // about the address itself
		f := alerted(a, kindScanning, 0)
		f.alert, f.by = a, a.Indicator
		l.recordExternal(a.Host, &f, 0)
		return
	}
	peer := a.Resp
	if peer.Addr() == a.Host {
		peer = a.Orig
	}
	k, confidence := kindBeaconing, rateContact(a)
	switch {
	case c.Initiator == alert.InitiatorPeer:
		k, confidence = kindTargeted, sureTargeted
	case c.OnBehalf:
		confidence = 0
	}
	f := alerted(a, k, confidence)
	f.peer, f.port = peer.Addr(), a.Resp.Port()
	f.viaDNS = k == kindBeaconing && f.port == dnsPort
	if k == kindBeaconing && !c.Called.IsZero() {
		f.acted = c.Called.UnixNano()
	}
	f.alert, f.by = a, a.Indicator
	if l.zones.Inside(a.Host) {
		l.keep(a.Host, &f, a.Time, frameOf(a))
	} else if k == kindBeaconing && confidence >= suspectedFrom && !l.zones.Inside(f.peer) {
		l.callers.note(a.Host)
	}
}

const dnsPort = 53

// scan notes that a host scans: against it when it is inside, as something to
// block when it is not.
func (l *Ledger) scan(a *alert.Alert) {
	if a.Evidence.Scan.Sources > 0 { // of many sources; the host is their target
		l.attack(a)
		return
	}
	f := alerted(a, kindScanning, rateScan(a))
	f.port = a.Evidence.Scan.Port
	f.answered = mostlyAnswered(a)
	f.acted = a.Time.UnixNano() // the first attempts may have been harmless
	if since := a.Evidence.Scan.Since; !since.IsZero() {
		f.acted = since.UnixNano()
	}
	f.alert = a
	if l.zones.Inside(a.Host) {
		l.keep(a.Host, &f, a.Time, frameOf(a))
		return
	}
	l.noteStranger(a)
	level := uint8(0)
	if a.Evidence.Scan.Answered > 0 {
		level = 1
	}
	l.recordExternal(a.Host, &f, level)
}

// recordExternal keeps what an outside host did to many inside.
func (l *Ledger) recordExternal(addr netip.Addr, f *fact, level uint8) {
	if l.zones.Inside(addr) {
		return
	}
	h := l.external.get(addr)
	l.external.put(h, f)
	l.external.touch(h, max(h.level, level))
}

// exposure notes that a host answers on a lateral port.
func (l *Ledger) exposure(a *alert.Alert) {
	e := a.Evidence.Exposure
	f := alerted(a, kindExposed, sureExposed)
	f.peer, f.port, f.outside = e.By, e.Port, e.FromOutside
	f.count = max(e.Clients, 1)
	l.record(a.Host, &f, a.Time, frameOf(a))
}

// attack keeps a finding that has many sources and so belongs to no host.
func (l *Ledger) attack(a *alert.Alert) {
	known := l.attacks[a.ID]
	if known == nil && len(l.attacks) >= maxAttacks {
		l.lost++
		return
	}
	if known == nil || a.Seq > known.Seq {
		l.attacks[a.ID] = a
	}
}

// States returns how many inside hosts are in each state, by the state's word.
// Unlike a Document it costs next to nothing.
func (l *Ledger) States() map[string]int {
	m := make(map[string]int, stateCount)
	for s := range State(stateCount) {
		m[s.String()] = l.hosts.count[s]
	}
	m[Infected.String()] += l.hosts.count[levels-1]
	return m
}

// Evicted returns how many hosts were forgotten to make room, inside and outside.
func (l *Ledger) Evicted() (n uint64) {
	for level := range levels {
		n += l.hosts.evicted[level] + l.external.evicted[level]
	}
	return n
}

// record keeps a fact about a host that is inside, and nothing of others.
func (l *Ledger) record(addr netip.Addr, f *fact, now time.Time, frame alert.FrameRef) {
	if l.zones.Inside(addr) {
		l.keep(addr, f, now, frame)
	}
}

// keep keeps a fact about an inside host and revises the host's state, and that
// of others whom it throws a light on.
func (l *Ledger) keep(addr netip.Addr, f *fact, now time.Time, frame alert.FrameRef) {
	h := l.hosts.get(addr)
	if !l.hosts.put(h, f) {
		l.hosts.touch(h, h.level)
		return
	}
	others := l.relink(h, f)
	l.review(h, now, frame)
	l.reviewAll(others, now, frame)
}

// review judges a host again and says so when the judgement has changed.
func (l *Ledger) review(h *host, now time.Time, frame alert.FrameRef) {
	v := h.judge()
	from := h.state
	h.state = v.state
	l.hosts.touch(h, v.level())
	if from == v.state {
		return
	}
	h.changes++
	if l.onChange == nil {
		return
	}
	l.onChange(Change{
		ID:     alert.Identify("host-state", h.addr, now, strconv.Itoa(h.changes), v.state.String()),
		Number: h.changes,
		Host:   h.addr, Zone: l.zones.Name(h.addr),
		From: from, To: v.state, Confidence: v.confidence,
		Why: h.why(from, v), Time: now, Frame: frame,
	})
}
