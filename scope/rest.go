package scope

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/ioc"
)

// maxFacts is how many facts of one kind are kept whole about a host; lookups and
// contacts are kinds of their own. Beyond it the half that was seen latest stays, so
// that what a host does after a mark is known, and of the others the strongest, the
// earliest of equals.
const maxFacts = 32

// maxBrief is how many more of one kind are kept in brief: without evidence and
// without what an alert said. maxBriefs is how many of all hosts of a table.
const (
	maxBrief  = 480
	maxBriefs = 1 << 18
)

// maxTold is how many facts that alerts tell are kept whole of all hosts of a table
// before fewFacts of a kind are enough for a host: with its alert, one takes some
// 1.5 kB, and anyone can ask for 32 names in the name of any number of hosts.
const (
	maxTold  = 1 << 18
	fewFacts = 4
)

// A crowd is how many facts the hosts of a table have, of the sorts that are
// bounded in all.
type crowd struct {
	told   int // whole, of alerts
	briefs int // in brief
}

// leave takes off the facts of a host that is dropped.
func (c *crowd) leave(h *host) {
	for i := range h.facts {
		if h.facts[i].alert != nil {
			c.told--
		}
	}
	c.briefs -= h.briefs()
}

// most is how many facts of the kind of one are kept whole about a host.
func (c *crowd) most(f *fact) int {
	if f.alert != nil && c.told > maxTold {
		return fewFacts
	}
	return maxFacts
}

// A rest is what is kept of a host's facts beyond those.
type rest struct {
	facts       []fact // in brief
	lost        uint32 // a bit for each kind of which not even that was kept
	first, last int64  // of what was lost, Unix nanoseconds
}

// limit shortens a fact when there are too many like the newest, the last of the
// slice, and reports whether that is kept whole. What weighs nothing when the
// host turns out to be a resolver takes the room of nothing else.
func (h *host) limit(c *crowd) bool {
	at := make([]int, 0, maxFacts+1)
	newest := &h.facts[len(h.facts)-1]
	for i := range h.facts {
		if f := &h.facts[i]; f.kind == newest.kind && f.viaDNS == newest.viaDNS {
			at = append(at, i)
		}
	}
	if len(at) <= c.most(newest) {
		return true
	}
	slices.SortFunc(at, func(i, j int) int {
		a, b := &h.facts[i], &h.facts[j]
		return cmp.Or(cmp.Compare(b.last, a.last), compareFacts(b, a))
	})
	weakest := slices.MaxFunc(at[len(at)/2:], func(i, j int) int {
		return compareStrength(&h.facts[i], &h.facts[j])
	})
	if h.rest == nil {
		h.rest = &rest{}
	}
	if h.facts[weakest].alert != nil {
		c.told--
	}
	h.rest.take(&h.facts[weakest], c)
	kept := weakest != len(h.facts)-1
	h.facts = slices.Delete(h.facts, weakest, weakest+1)
	return kept
}

// take keeps a fact in brief, or only its times where there is no room.
func (r *rest) take(f *fact, c *crowd) {
	if c.briefs >= maxBriefs || r.number(f.kind) >= maxBrief {
		if r.lost == 0 {
			r.first, r.last = f.first, f.last
		}
		r.lost |= 1 << f.kind
		r.first, r.last = min(r.first, f.first), max(r.last, f.last)
		return
	}
	brief := *f
	brief.alert, brief.frames = nil, nil
	if f.id != "" { // the frame is evidence, and nothing else
		brief.lastFrame = alert.FrameRef{}
	}
	if f.smb != nil {
		brief.smb = &smbFact{name: f.smb.name}
	}
	r.facts = append(r.facts, brief)
	c.briefs++
}

// recall takes a fact back that was shortened, brought up to date by what is
// heard of it now, and reports whether that is news. Of a fact that was never
// heard of it returns a copy.
func (r *rest) recall(f *fact, c *crowd) (known fact, news bool) {
	if r == nil {
		return *f, true
	}
	for i := range r.facts {
		if !r.facts[i].same(f) {
			continue
		}
		if !r.facts[i].update(f) {
			return fact{}, false
		}
		known = r.facts[i]
		r.facts = slices.Delete(r.facts, i, i+1)
		c.briefs--
		return known, true
	}
	return *f, true
}

// number returns how many facts of a kind are kept in brief.
func (r *rest) number(k kind) (n int) {
	for i := range r.facts {
		if r.facts[i].kind == k {
			n++
		}
	}
	return n
}

// briefs returns how many facts are kept in brief.
func (h *host) briefs() int {
	if h.rest == nil {
		return 0
	}
	return len(h.rest.facts)
}

// all yields the facts about a host, those that are kept in brief last.
func (h *host) all() iter.Seq[*fact] {
	return func(yield func(*fact) bool) {
		for i := range h.facts {
			if !yield(&h.facts[i]) {
				return
			}
		}
		for i := range h.briefs() {
			if !yield(&h.rest.facts[i]) {
				return
			}
		}
	}
}

// worded reports whether words can tell a fact: those of an alert are not kept
// in brief.
func (f *fact) worded() bool { return f.alert != nil || f.id == "" || f.kind == kindExposed }

// A MetIndicator is an indicator that a host asked for, called or was called by,
// of a fact that is not listed.
type MetIndicator struct {
	Rule      string    `json:"rule"`
	Indicator string    `json:"indicator"`
	Class     string    `json:"indicator_class"`
	Feed      string    `json:"feed,omitempty"`
	Peer      string    `json:"peer,omitempty"`
	Exact     bool      `json:"exact,omitempty"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
}

// Item returns what is known of the fact as one that is listed.
func (m *MetIndicator) Item() *FactItem {
	return &FactItem{
		Rule: m.Rule, Indicator: m.Indicator, Class: m.Class, Feed: m.Feed, Peer: m.Peer, Exact: m.Exact,
		First: m.First, Last: m.Last,
	}
}

// unlisted lists the indicators of facts that are kept in brief, in the order of
// time.
func (h *host) unlisted() (list []MetIndicator) {
	for i := range h.briefs() {
		f := &h.rest.facts[i]
		if f.by == nil {
			continue
		}
		m := MetIndicator{
			Rule: string(alert.RuleContact), Indicator: f.by.Value, Class: f.by.Class.String(), Feed: f.by.Feed, Exact: f.by.Exact,
			First: time.Unix(0, f.first).UTC(), Last: time.Unix(0, f.last).UTC(),
		}
		if f.by.Type == ioc.Domain {
			m.Rule = string(alert.RuleDomain)
		}
		if f.peer.IsValid() {
			m.Peer = f.peer.String()
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b MetIndicator) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Indicator, b.Indicator), cmp.Compare(a.Peer, b.Peer))
	})
	return list
}

// IndicatorsLost reports whether the host met indicators that are neither in its
// facts nor in Unlisted.
func (h *HostEntry) IndicatorsLost() bool {
	return slices.ContainsFunc(h.Totals, func(t FactTotal) bool {
		return t.AtLeast && t.Fact == kindBeaconing.String()
	})
}

// FactTotal sums up the facts of one kind, and of one name where they have one,
// of which not all are listed.
type FactTotal struct {
	Fact    string    `json:"fact"`
	Name    string    `json:"name,omitempty"` // of the exploit or the implant
	LeftOut int       `json:"left_out"`       // facts that are not listed
	Peers   int       `json:"peers"`          // different ones of all, listed or not
	Count   uint64    `json:"count"`          // of all
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	AtLeast bool      `json:"at_least,omitempty"` // there were more, that were not counted
}

// totals sums up the kinds of facts of which not all are listed, those that
// began first first.
func (h *host) totals() []FactTotal {
	if h.rest == nil {
		return nil
	}
	type group struct {
		kind kind
		name string
	}
	type member struct {
		group
		peer netip.Addr
	}
	short := h.rest.short()
	sums, seen := map[group]*FactTotal{}, map[member]bool{}
	for f := range h.all() {
		if short&(1<<f.kind) == 0 {
			continue
		}
		g := group{f.kind, groupName(f.kind, f.name())}
		t := sums[g]
		if t == nil {
			t = &FactTotal{Fact: g.kind.String(), Name: g.name, AtLeast: h.rest.lost&(1<<f.kind) != 0}
			sums[g] = t
		}
		t.add(f)
		if m := (member{g, f.peer}); f.peer.IsValid() && !seen[m] {
			seen[m] = true
			t.Peers++
		}
	}
	for i := range h.rest.facts {
		f := &h.rest.facts[i]
		sums[group{f.kind, groupName(f.kind, f.name())}].LeftOut++
	}
	list := make([]FactTotal, 0, len(sums))
	for _, t := range sums {
		list = append(list, *t)
	}
	slices.SortFunc(list, func(a, b FactTotal) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Fact, b.Fact), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// short returns a bit for each kind of which not all facts are kept whole.
func (r *rest) short() uint32 {
	bits := r.lost
	for i := range r.facts {
		bits |= 1 << r.facts[i].kind
	}
	return bits
}

// groupName returns by which name facts of a kind are gathered: one act has
// several marks.
func groupName(k kind, name string) string {
	if k == kindMark {
		return ""
	}
	return name
}

// add counts one fact.
func (t *FactTotal) add(f *fact) {
	first, last := time.Unix(0, f.first).UTC(), time.Unix(0, f.last).UTC()
	if t.Count == 0 || first.Before(t.First) {
		t.First = first
	}
	if last.After(t.Last) {
		t.Last = last
	}
	t.Count += f.count
}

// total returns the sum of facts of a kind and a name; nil where all are
// listed.
func (h *HostEntry) total(k kind, name string) *FactTotal {
	for i := range h.Totals {
		if t := &h.Totals[i]; t.Fact == k.String() && t.Name == groupName(k, name) {
			return t
		}
	}
	return nil
}
