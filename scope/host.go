package scope

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// A host is all that the ledger knows of one address.
type host struct {
	addr     netip.Addr
	hash     uint32 // of addr, see index
	level    uint8  // the list it is in, see table
	state    State
	resolver bool // answers DNS for others
	scans    bool // one port or several, see chain
	facts    []fact
	asset    *asset
	rest     *rest  // of facts beyond maxFacts; nil where there are none
	changes  int    // how often the state changed, numbers the changes
	marks    []Mark // what analysts say, by time
	prev     *host
	next     *host
}

// maxFrames is how many frames are kept as evidence of one fact.
const maxFrames = 4

// frames are the numbers of a few frames, in order; those that are 0 are none.
type frames [maxFrames]alert.FrameRef

// A fact is one thing known about a host, with when, how often and how sure.
// What judge asks about comes first, in one cache line.
type fact struct {
	id         string // the alert's; empty for what detectors say without one
	kind       kind
	viaDNS     bool           // a resolver would do it for its clients
	unasked    bool           // an answer that nobody was seen to ask for
	outside    bool           // exposed: reached from outside
	checked    bool           // targeted: by checks for MS17-010; count counts nothing else then
	refused    bool           // targeted: the host refused each time
	answered   bool           // scanning: as a server is that pushes to its clients
	chained    bool           // scanning: and yet a worm's, as other hosts show
	port       uint16         // 0 where there are many
	seq        int32          // the alert's latest word
	alert      *alert.Alert   // for kinds that are told in words; else nil
	first      int64          // Unix nanoseconds
	confidence float64        // 0 to 1, see sure
	peer       netip.Addr     // the other end; invalid where there are many
	by         *ioc.Indicator // of a lookup or a contact; else nil
	smb        *smbFact       // for kinds that were learned from SMB; else nil
	last       int64          // Unix nanoseconds
	acted      int64          // since when it is certain, first or later; Unix nanoseconds
	count      uint64
	lastFrame  alert.FrameRef
	frames     *frames // the first few; nil where lastFrame is the only one
}

// keep makes the first of some frames the evidence of a fact.
func (f *fact) keep(all []alert.FrameRef) {
	f.lastFrame, f.frames = alert.FrameRef{}, nil
	switch len(all) {
	case 0:
	case 1:
		f.lastFrame = all[0]
	default:
		f.frames = new(frames)
		copy(f.frames[:], all)
	}
}

// proven reports whether the fact alone means infection: WannaCry, and
// nothing else, looks up its kill switch and sends its marks, and a host that
// answers as an implant runs the code of whoever put it there.
func (h *host) proven(f *fact) bool {
	w := h.weight(f)
	switch {
	case f.asksKillSwitch():
		return w > 0 && !h.asksForMany()
	case f.kind == kindMark, f.kind.family() == implanted:
		return w >= infectedFrom
	default:
		return false
	}
}

// manyKillSwitches is how many kill-switch names a host has asked for when that is no
// longer because it has the worm: each variant has one name.
const manyKillSwitches = 3

// asksForMany reports whether the host asked for the kill-switch names of many
// variants: then it looks names up, for a collection of indicators or for clients
// that are not seen, whether it is infected or not.
func (h *host) asksForMany() bool {
	var names []string
	for i := range h.facts {
		f := &h.facts[i]
		if f.asksKillSwitch() && h.weight(f) > 0 && !slices.Contains(names, f.alert.Indicator.Value) {
			names = append(names, f.alert.Indicator.Value)
		}
	}
	return len(names) >= manyKillSwitches
}

// put adds a fact or brings a known one up to date, and reports whether
// anything changed: an alert's word that was heard before changes nothing. The
// crowd is that of the host's table.
func (h *host) put(f *fact, c *crowd) bool {
	for i := range h.facts {
		if known := &h.facts[i]; known.same(f) {
			return known.update(f)
		}
	}
	if h.facts == nil {
		h.facts = make([]fact, 0, 2) // most hosts of a sweep are exposed and targeted
	}
	known, news := h.rest.recall(f, c)
	if !news {
		return false
	}
	h.facts = append(h.facts, known)
	if known.alert != nil {
		c.told++
	}
	return h.limit(c)
}

// same reports whether two facts are sightings of one, or words of one alert.
func (f *fact) same(g *fact) bool {
	switch {
	case f.id != g.id:
		return false
	case f.id != "":
		return true
	default:
		return f.kind == g.kind && f.peer == g.peer && f.port == g.port && f.name() == g.name()
	}
}

// update brings a known fact up to date, and reports whether it changed.
func (f *fact) update(by *fact) bool {
	if f.id != "" {
		return f.replace(by)
	}
	return f.merge(by)
}

// replace brings a fact from an alert up to the alert's later word, which
// holds the totals.
func (f *fact) replace(by *fact) bool {
	if by.seq <= f.seq {
		return false
	}
	old := *f
	*f = *by
	if len(f.evidence()) == 0 {
		f.lastFrame, f.frames = old.lastFrame, old.frames
	}
	if f.kind == old.kind && !f.dated() { // else who was called upon has called itself
		f.acted = old.acted
	}
	return true
}

// dated reports whether the alert behind a fact says since when it is certain, as
// scans do, and may come to know better.
func (f *fact) dated() bool {
	return f.alert != nil && f.alert.Evidence.Scan != nil && !f.alert.Evidence.Scan.Since.IsZero()
}

// merge adds one more sighting of the same fact. A sighting on the frame that
// was counted last, or is kept as evidence, is a repeated delivery.
func (f *fact) merge(by *fact) bool {
	frame := by.lastFrame
	if frame == f.lastFrame || f.frames != nil && slices.Contains(f.frames[:], frame) || f.smb.has(frame) {
		return false
	}
	if f.frames == nil {
		f.frames = &frames{f.lastFrame}
	}
	f.smb.add(by.smb)
	f.count = f.sum(by)
	f.checked = f.checked || by.checked
	f.refused = f.refused && by.refused
	f.first = min(f.first, by.first)
	f.acted = min(f.acted, by.acted)
	f.last = max(f.last, by.last)
	f.confidence = max(f.confidence, by.confidence)
	if compareFrames(frame, f.lastFrame) > 0 {
		f.lastFrame = frame
	}
	if at, _ := slices.BinarySearchFunc(f.evidence(), frame, compareFrames); at < maxFrames && frame.Number > 0 {
		copy(f.frames[at+1:], f.frames[at:])
		f.frames[at] = frame
	}
	return true
}

// sum returns how often a fact was seen together with one more sighting. The
// scan detector tells a pair of hosts once, mostly of a connection that a check
// then tells, too: where there are checks, they alone count.
func (f *fact) sum(by *fact) uint64 {
	switch {
	case f.checked == by.checked:
		return f.count + by.count
	case f.checked:
		return f.count
	default:
		return by.count
	}
}

// evidence returns the frames that are kept as evidence of a fact. Most facts
// are seen once, and have no list of their own.
func (f *fact) evidence() []alert.FrameRef {
	switch {
	case f.frames != nil:
		n := 0
		for n < maxFrames && f.frames[n].Number > 0 {
			n++
		}
		return f.frames[:n]
	case f.lastFrame.Number > 0:
		return []alert.FrameRef{f.lastFrame}
	default:
		return nil
	}
}

// sure is a fact's confidence before the host's role is considered.
func (f *fact) sure() float64 {
	if f.answered && !f.chained {
		return f.confidence * weightAnswered
	}
	return f.confidence
}

// compareStrength orders facts of one kind: the more certain first, then the
// earlier, then by what tells them apart, so that the order is total.
func compareStrength(a, b *fact) int {
	return cmp.Or(
		cmp.Compare(b.sure(), a.sure()),
		compareFacts(a, b),
	)
}

// compareFacts orders facts as the scope document lists them: by time, then by
// kind and by what tells them apart.
func compareFacts(a, b *fact) int {
	return cmp.Or(
		cmp.Compare(a.first, b.first),
		cmp.Compare(a.kind, b.kind),
		a.peer.Compare(b.peer),
		cmp.Compare(a.port, b.port),
		cmp.Compare(a.name(), b.name()),
		cmp.Compare(a.id, b.id),
	)
}

// earlier reports whether f comes before g in the document; g may be nil.
func earlier(f, g *fact) bool { return g == nil || compareFacts(f, g) < 0 }

func compareFrames(a, b alert.FrameRef) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Number, b.Number))
}

// span returns the times of the first and the last fact, Unix nanoseconds.
func (h *host) span() (first, last int64) {
	first, last = math.MaxInt64, math.MinInt64
	for f := range h.all() {
		first, last = min(first, f.first), max(last, f.last)
	}
	if h.rest != nil && h.rest.lost != 0 {
		first, last = min(first, h.rest.first), max(last, h.rest.last)
	}
	return first, last
}

// latest returns when the host was last heard of, or marked, and whether it ever
// was.
func (h *host) latest() (at time.Time, known bool) {
	_, last := h.span()
	for i := range h.marks {
		last = max(last, h.marks[i].Time.UnixNano())
	}
	return time.Unix(0, last).UTC(), last != math.MinInt64
}

// since returns when the host first did what speaks against it, the zero time
// when it did nothing. What a server may push to its clients is a sign only where
// there are no others.
func (h *host) since() time.Time {
	o := h.onset()
	first, pushed := int64(neverHappening), int64(neverHappening)
	for f := range h.all() {
		after := o.cleaned
		if f.kind.family() == implanted {
			after = o.gone()
		}
		switch {
		case !h.speaksAgainst(f) || f.last <= after:
		case f.kind == kindScanning && f.answered && h.weight(f) < suspectedFrom:
			pushed = min(pushed, f.actedAfter(after))
		default:
			first = min(first, f.actedAfter(after))
		}
	}
	if first == neverHappening {
		first = pushed
	}
	if first == neverHappening {
		return time.Time{}
	}
	return time.Unix(0, first).UTC()
}
