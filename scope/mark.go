package scope

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
)

// A Mark is what an analyst says of an inside host.
type Mark struct {
	Host netip.Addr
	Kind MarkKind
	Time time.Time // since when it holds
	Note string    // who, why, the ticket; may be empty
}

// MarkKind is a kind of mark, as the scope document names it.
type MarkKind string

// The kinds of marks. docs/scope.md says what each changes.
const (
	// Isolated: the host was taken off the network. Its state stays, and
	// whatever it does later is a warning.
	Isolated MarkKind = "isolated"
	// Cleaned: the host was reinstalled. What it did before no longer counts.
	Cleaned MarkKind = "cleaned"
	// FalsePositive: the host was looked at and is well. What had begun by then
	// no longer counts, even where it goes on.
	FalsePositive MarkKind = "false-positive"
)

// MarkKinds returns all kinds of marks.
func MarkKinds() []MarkKind { return []MarkKind{Isolated, Cleaned, FalsePositive} }

// words tells a kind in a sentence.
func (k MarkKind) words() string {
	if k == FalsePositive {
		return "a false positive"
	}
	return string(k)
}

// MarkItem is a mark as the scope document lists it.
type MarkItem struct {
	IP   string    `json:"ip"`
	Zone string    `json:"zone"`
	Mark MarkKind  `json:"mark"`
	At   time.Time `json:"at"`
	Note string    `json:"note,omitempty"`
	// ActiveAt is the first known act of the host that contradicts the mark, nil
	// when there is none; Warning says it in a sentence, without a full stop.
	ActiveAt *time.Time `json:"active_at,omitempty"`
	Warning  string     `json:"warning,omitempty"`
}

// Mark takes what an analyst says of a host. A later word of the same kind
// takes the place of the earlier one. What is not inside can't be marked.
func (l *Ledger) Mark(m Mark) {
	if !l.zones.Inside(m.Host) {
		return
	}
	marks := slices.DeleteFunc(slices.Clone(l.hosts.marks[m.Host]), func(other Mark) bool { return other.Kind == m.Kind })
	l.mark(m.Host, append(marks, m), m.Time)
}

// SetMarks replaces all marks by those given, and returns the hosts whose marks that
// changes, sorted. now is the time of the changes of state that follow from it.
func (l *Ledger) SetMarks(all []Mark, now time.Time) (changed []netip.Addr) {
	byHost := map[netip.Addr][]Mark{}
	for _, m := range all {
		if l.zones.Inside(m.Host) {
			byHost[m.Host] = append(byHost[m.Host], m)
		}
	}
	for host := range l.hosts.marks {
		if byHost[host] == nil {
			byHost[host] = []Mark{}
		}
	}
	for host, marks := range byHost {
		sortMarks(marks)
		if !slices.EqualFunc(marks, l.hosts.marks[host], Mark.equal) {
			changed = append(changed, host)
		}
	}
	slices.SortFunc(changed, netip.Addr.Compare)
	for _, host := range changed {
		l.mark(host, byHost[host], now)
	}
	return changed
}

func (m Mark) equal(other Mark) bool {
	return m.Kind == other.Kind && m.Time.Equal(other.Time) && m.Note == other.Note
}

func sortMarks(marks []Mark) {
	slices.SortFunc(marks, func(a, b Mark) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Kind, b.Kind))
	})
}

// mark gives a host its marks, none to take them back.
func (l *Ledger) mark(host netip.Addr, marks []Mark, now time.Time) {
	h := l.hosts.get(host)
	sortMarks(marks)
	h.marks = marks
	if len(marks) > 0 {
		l.hosts.marks[host] = marks
	} else {
		delete(l.hosts.marks, host)
	}
	others := l.relinkAll(h)
	l.review(h, now, alert.FrameRef{})
	l.reviewAll(others, now, alert.FrameRef{})
}

// excused reports whether a mark says that a fact no longer counts. A port that is
// open stays so until the host is reinstalled.
func (h *host) excused(f *fact) bool {
	for i := range h.marks {
		at := h.marks[i].Time.UnixNano()
		switch h.marks[i].Kind {
		case Cleaned:
			if f.last <= at {
				return true
			}
		case FalsePositive:
			if f.first <= at && f.kind != kindExposed {
				return true
			}
		case Isolated:
		}
	}
	return false
}

// cleaned returns since when the host is as new, Unix nanoseconds; before all
// times when it was never cleaned.
func (h *host) cleaned() int64 {
	for i := range h.marks {
		if h.marks[i].Kind == Cleaned {
			return h.marks[i].Time.UnixNano()
		}
	}
	return math.MinInt64
}

// seenAfter returns when a fact that lasts beyond a time was first seen after
// it, as far as that is known: of what is not a fact from SMB, only the first and
// the last time are.
func (f *fact) seenAfter(t int64) int64 {
	switch {
	case f.first > t:
		return f.first
	case f.smb == nil:
		return f.last
	}
	if m, ok := f.earliest(t, f.last); ok {
		return m.at
	}
	return f.last
}

// actedAfter is seenAfter for what is certain by then.
func (f *fact) actedAfter(t int64) int64 {
	if f.acted > t {
		return f.acted
	}
	return f.seenAfter(t)
}

// still reports whether no later mark has overtaken one: a host that was
// cleaned goes back to work.
func (h *host) still(m *Mark) bool {
	return !slices.ContainsFunc(h.marks, func(other Mark) bool {
		return other.Kind != m.Kind && other.Time.After(m.Time)
	})
}

// contradiction returns the first sign that a host did what its mark rules
// out, and when; nil when there is none.
func (h *host) contradiction(m *Mark) (sign *fact, when int64) {
	if !h.still(m) {
		return nil, 0
	}
	at := m.Time.UnixNano()
	for f := range h.all() {
		if f.last <= at || !f.worded() || !h.contradicts(f, m.Kind) {
			continue
		}
		t := f.seenAfter(at)
		if sign == nil || t < when || t == when && earlier(f, sign) {
			sign, when = f, t
		}
	}
	return sign, when
}

// contradicts reports whether a fact of after the mark speaks against it. An
// isolated host must not even answer; of the others only their own acts count.
func (h *host) contradicts(f *fact, k MarkKind) bool {
	if h.speaksAgainst(f) {
		return true
	}
	if k != Isolated {
		return false
	}
	switch f.kind {
	case kindTargeted:
		return f.alert == nil // called upon by an indicator, it may have kept silent
	case kindExploitAttempted, kindProbed, kindPatchUnknown:
		return false // it may have kept silent, too
	default:
		return true
	}
}

// markItems lists the marks of all hosts: those that are contradicted first,
// then by time.
func (l *Ledger) markItems() []MarkItem {
	var list []MarkItem
	for addr := range l.hosts.marks {
		h := l.hosts.find(addr)
		if h == nil { // dropped for want of room
			h = &host{addr: addr, marks: l.hosts.marks[addr]}
		}
		for i := range h.marks {
			list = append(list, l.markItem(h, &h.marks[i]))
		}
	}
	slices.SortFunc(list, func(a, b MarkItem) int {
		return cmp.Or(
			cmp.Compare(min(1, len(b.Warning)), min(1, len(a.Warning))),
			a.At.Compare(b.At),
			netip.MustParseAddr(a.IP).Compare(netip.MustParseAddr(b.IP)),
			cmp.Compare(a.Mark, b.Mark),
		)
	})
	return list
}

// markItem writes one mark down.
func (l *Ledger) markItem(h *host, m *Mark) MarkItem {
	item := MarkItem{IP: h.addr.String(), Zone: l.zones.Name(h.addr), Mark: m.Kind, At: m.Time.UTC(), Note: m.Note}
	if sign, when := h.contradiction(m); sign != nil {
		at := time.Unix(0, when).UTC()
		item.ActiveAt = &at
		item.Warning = fmt.Sprintf("%s was marked %s at %s and was active at %s: it %s",
			item.IP, m.Kind.words(), clock(m.Time), clock(at), sign.words())
	}
	return item
}

// markKinds returns the kinds of a host's marks, by their time.
func (h *host) markKinds() []MarkKind {
	if len(h.marks) == 0 {
		return nil
	}
	kinds := make([]MarkKind, 0, len(h.marks))
	for i := range h.marks {
		kinds = append(kinds, h.marks[i].Kind)
	}
	return kinds
}

// Contradicted lists the marks of one kind that a host's acts contradict.
func (d *Document) Contradicted(k MarkKind) (list []*MarkItem) {
	for i := range d.Marks {
		if m := &d.Marks[i]; m.Mark == k && m.Warning != "" {
			list = append(list, m)
		}
	}
	return list
}
