package scope

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
)

// Source is a host that may have infected another.
type Source struct {
	IP         string  `json:"ip"`
	Confidence float64 `json:"confidence"` // that it was this one; of all sources together at most 1
	Inside     bool    `json:"inside"`
	Steps      []Step  `json:"steps"` // what it did to the host, in the order of time
}

// A Step is one thing that a source did to the host that it may have infected.
type Step struct {
	Fact  string    `json:"fact"`           // as in the facts of the host
	Port  uint16    `json:"port,omitempty"` // that was found open, where nothing else is known
	Time  time.Time `json:"time"`
	Frame uint64    `json:"frame,omitempty"`      // 1-based within its file, absent when not known
	File  string    `json:"frame_file,omitempty"` // when there are several files
}

// maxSources is how many sources of a host are listed, the likeliest.
const maxSources = 8

// How much what a host did to another weighs as the cause of the other's
// infection, relative to what others did to it. A payload is the worm itself.
// An exploit that got through is the cause if an implant was there next; one
// after which the host answered without an implant has failed, or takes effect
// later. Those that only tried may have got through where replies are missing.
const (
	weightFirstPayload = 8
	weightPayload      = 1
	weightCompleted    = 6
	weightBefore       = 2
	weightTried        = 1
)

// How sure it is that one of the sources is the right one, by what the best of
// them did.
const (
	sureBoth       = 0.99 // an exploit that got through, then a payload
	sureOne        = 0.95 // one of these
	sureTried      = 0.45
	sureReached    = 0.3 // an infected host found a port of it open
	neverHappening = math.MaxInt64
)

// A cause is what one host did to another before that became infected.
type cause struct {
	peer   netip.Addr
	weight float64
	sure   float64
	steps  []step
}

type step struct {
	kind kind
	moment
	port uint16 // of a connection of which nothing else is known
}

// spread finds out who may have infected the infected and suspected hosts.
func (l *Ledger) spread(hosts []judged) map[netip.Addr][]cause {
	causes := map[netip.Addr][]cause{}
	active := map[netip.Addr]int64{} // since when infected and suspected hosts act
	for _, h := range hosts {
		if h.verdict.state >= Suspected {
			active[h.addr] = h.activeSince()
		}
	}
	for _, h := range hosts {
		if h.verdict.state >= Suspected {
			causes[h.addr] = h.causes(active)
		}
	}
	return causes
}

// causes weighs what others did to the host before it became infected, the
// likeliest first.
func (h *host) causes(active map[netip.Addr]int64) []cause {
	o := h.onset()
	found := map[netip.Addr]*cause{}
	for i := range h.facts {
		f := &h.facts[i]
		if !f.peer.IsValid() || f.peer == h.addr || h.excused(f) {
			continue
		}
		c := found[f.peer]
		if c == nil {
			c = &cause{peer: f.peer}
			found[f.peer] = c
		}
		c.smb(f, &o)
	}
	payload := h.firstPayload(&o)
	list := make([]cause, 0, len(found))
	for _, c := range found {
		if c.sum(&o, payload == c.peer); c.weight > 0 {
			list = append(list, *c)
		}
	}
	if len(list) == 0 {
		list = h.reached(&o, active)
	}
	if len(list) == 0 {
		return nil
	}
	return h.shared(list)
}

// smb takes a step that a fact shows, when it came before the infection. Of
// several of one kind the one that explains it best counts.
func (c *cause) smb(f *fact, o *onset) {
	s, ok := o.step(f)
	if !ok {
		return
	}
	if known := c.has(s.kind); known == nil {
		c.steps = append(c.steps, s)
	} else if o.prefers(s, *known) {
		*known = s
	}
	if f.kind == kindPayload || f.kind == kindExploitCompleted {
		c.sure = max(c.sure, f.confidence)
	}
}

// has returns the step of a kind.
func (c *cause) has(k kind) *step {
	for i := range c.steps {
		if c.steps[i].kind == k {
			return &c.steps[i]
		}
	}
	return nil
}

// sum weighs the steps of a cause, and leaves out those that others say
// better.
func (c *cause) sum(o *onset, firstPayload bool) {
	payload, completed, tried := c.has(kindPayload), c.has(kindExploitCompleted), c.has(kindExploitAttempted)
	if payload == nil {
		payload = c.has(kindExecuted)
	}
	c.weight = 0
	switch {
	case completed != nil && completed.at > o.clean:
		c.weight += weightCompleted
	case completed != nil:
		c.weight += weightBefore
	case tried != nil && tried.at > o.clean:
		c.weight += weightTried
	}
	switch {
	case payload != nil && firstPayload:
		c.weight += weightFirstPayload
	case payload != nil:
		c.weight += weightPayload
	}
	switch {
	case payload != nil && completed != nil:
		c.sure = sureBoth
	case payload != nil || completed != nil:
		c.sure = max(min(c.sure, sureOne), sureTried)
	default:
		c.sure = sureTried
	}
	better := map[kind]kind{kindExploitAttempted: kindExploitCompleted, kindExecuted: kindPayload}
	c.steps = slices.DeleteFunc(c.steps, func(s step) bool {
		by, ok := better[s.kind]
		return ok && c.has(by) != nil
	})
	slices.SortFunc(c.steps, func(a, b step) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind)) })
}

// firstPayload returns who had the host's implant run code first, before the
// host's first act.
func (h *host) firstPayload(o *onset) (by netip.Addr) {
	var first step
	for i := range h.facts {
		f := &h.facts[i]
		if f.kind != kindPayload && f.kind != kindExecuted || h.excused(f) {
			continue
		}
		s, ok := o.step(f)
		if !ok {
			continue
		}
		if !by.IsValid() || o.prefers(s, first) || s.moment == first.moment && f.peer.Less(by) {
			by, first = f.peer, s
		}
	}
	return by
}

// reached returns those who were active as worms when they found a port of the
// host open, before the host's first act. It is what is left where the contents
// of connections can't be seen: who was seen not to get in is none.
func (h *host) reached(o *onset, active map[netip.Addr]int64) []cause {
	var list []cause
	if o.act == neverHappening {
		return nil
	}
	for i := range h.facts {
		f := &h.facts[i]
		since, worm := active[f.peer]
		if f.kind != kindTargeted || f.peer == h.addr || !worm || f.refused || h.excused(f) || !h.open(f.port) {
			continue
		}
		seen := moment{f.seenAfter(o.cleaned), f.lastFrame}
		if seen.at == f.first {
			seen.frame = f.firstFrame()
		}
		if seen.at >= o.act || since > seen.at || h.ruledOut(f.peer, o) || slices.ContainsFunc(list, func(c cause) bool { return c.peer == f.peer }) {
			continue
		}
		list = append(list, cause{f.peer, 1, sureReached, []step{{kindTargeted, seen, f.port}}})
	}
	return list
}

// ruledOut reports whether it was seen that another did not get into the host: it
// learned that the host is patched before the host's first act, or found, before it
// did anything else there but look, an implant that somebody else had put there.
func (h *host) ruledOut(peer netip.Addr, o *onset) bool {
	found, tried := int64(neverHappening), int64(neverHappening)
	for f := range h.all() {
		if f.peer != peer || h.excused(f) {
			continue
		}
		switch f.kind {
		case kindPatched:
			if f.first < o.act {
				return true
			}
		case kindImplanted:
			found = min(found, f.seenAfter(o.cleaned))
		case kindClean, kindProbed, kindExploitAttempted, kindExploitCompleted, kindExecuted, kindPayload:
			tried = min(tried, f.seenAfter(o.cleaned))
		default:
		}
	}
	return found < tried
}

// open reports whether the host answers on a port, as is known of lateral ones
// and of SMB's. On another, which it answered, a worm has got in if the host goes
// on to scan it, too.
func (h *host) open(port uint16) bool {
	for f := range h.all() {
		switch {
		case f.kind == kindExposed && (f.port == port || alert.IsSMB(f.port) && alert.IsSMB(port)):
			return true
		case f.kind == kindScanning && f.alert != nil && !lateral(f.alert.Evidence.Scan) && f.scans(port) && h.wormAct(f):
			return true
		}
	}
	return false
}

// scans reports whether a fact is a scan of a port, among others or alone.
func (f *fact) scans(port uint16) bool {
	return f.port == port || slices.Contains(f.alert.Evidence.Scan.Ports, port)
}

// firstFrame returns the first frame that shows the fact, or none.
func (f *fact) firstFrame() alert.FrameRef {
	frames := f.evidence()
	if len(frames) == 0 {
		return alert.FrameRef{}
	}
	return frames[0]
}

// shared turns weights into confidences that add up to that of the likeliest
// cause, and sorts.
func (h *host) shared(list []cause) []cause {
	var all float64
	for _, c := range list {
		all += c.weight
	}
	slices.SortFunc(list, func(a, b cause) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.steps[0].at, b.steps[0].at), a.peer.Compare(b.peer))
	})
	for i := range list {
		list[i].weight *= list[0].sure / all
	}
	return list[:min(len(list), maxSources)]
}

// sources writes the causes of a host's infection down.
func (l *Ledger) sources(causes []cause, files []string) []Source {
	list := make([]Source, 0, len(causes))
	for _, c := range causes {
		s := Source{IP: c.peer.String(), Confidence: rounded(c.weight), Inside: l.zones.Inside(c.peer), Steps: []Step{}}
		for _, at := range c.steps {
			one := Step{Fact: at.kind.String(), Port: at.port, Time: time.Unix(0, at.at).UTC(), Frame: at.frame.Number}
			if _, names := frameList([]alert.FrameRef{at.frame}, files); len(names) > 0 {
				one.File = names[0]
			}
			s.Steps = append(s.Steps, one)
		}
		list = append(list, s)
	}
	return list
}

// fromInside reports whether a host inside is among the sources.
func fromInside(list []Source) bool {
	return slices.ContainsFunc(list, func(s Source) bool { return s.Inside })
}
