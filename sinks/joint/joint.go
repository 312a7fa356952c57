// Package joint makes one ledger of what several sensors found. Each sensor sends
// the words (package event) that its own ledger was told; words of different sensors
// about the same thing become one, so that a packet that two of them saw counts
// once.
//
// A Set (joint.go) collects the words, and tells them to a ledger. What counts as
// the same thing is in merge.go.
package joint

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"wormscope/detect/alert"
	"wormscope/sinks/event"
)

// A Set holds the words of any number of sensors. What it holds depends on the
// words alone, not on their order, and telling one again changes nothing. It
// is not safe for use by several goroutines.
type Set struct {
	hosts map[netip.Addr]*host
}

// New makes an empty Set.
func New() *Set { return &Set{hosts: make(map[netip.Addr]*host)} }

// A host is the words about one host.
type host struct {
	alerts map[source]*words
	facts  map[source]event.Event
}

// A source identifies an alert or a fact of one sensor.
type source struct{ sensor, id string }

// words are the first and the latest word of an alert, which may be the same.
type words struct{ first, latest event.Event }

// A Slot is a word that a Set keeps, and the name under which it does. A later word
// of the same name replaces it.
type Slot struct {
	Name  string
	Event event.Event
}

// The last parts of the names of slots.
const (
	firstWord  = "first"
	latestWord = "latest"
	factWord   = "fact"
)

func slot(addr netip.Addr, from source, which string, e event.Event) Slot {
	return Slot{strings.Join([]string{addr.String(), from.sensor, from.id, which}, "|"), e}
}

// Add takes a word of a sensor, and returns the slots that have changed: none when
// the word was known. It keeps what e points to. It ignores changes of a host's
// state, since the joint ledger derives its own.
func (s *Set) Add(sensor string, e event.Event) []Slot {
	addr := e.Host()
	if e.Alert == nil && e.Fact == nil || !addr.IsValid() {
		return nil
	}
	h := s.hosts[addr]
	if h == nil {
		h = &host{alerts: make(map[source]*words), facts: make(map[source]event.Event)}
		s.hosts[addr] = h
	}
	if e.Fact != nil {
		from := source{sensor, e.ID()}
		if _, known := h.facts[from]; known {
			return nil
		}
		h.facts[from] = e
		return []Slot{slot(addr, from, factWord, e)}
	}
	from := source{sensor, e.Alert.ID}
	w := h.alerts[from]
	if w == nil {
		h.alerts[from] = &words{e, e}
		return []Slot{slot(addr, from, firstWord, e)}
	}
	return w.add(from, e)
}

// add takes one more word of the alert. As long as there is only one word, it is
// first and latest, and has only the slot of the first.
func (w *words) add(from source, e event.Event) []Slot {
	var changed []Slot
	addr := e.Host()
	if compareWords(e.Alert, w.first.Alert) < 0 {
		if w.latest.Alert == w.first.Alert {
			changed = append(changed, slot(addr, from, latestWord, w.latest))
		}
		w.first = e
		changed = append(changed, slot(addr, from, firstWord, e))
	}
	if compareWords(e.Alert, w.latest.Alert) > 0 {
		w.latest = e
		changed = append(changed, slot(addr, from, latestWord, e))
	}
	return changed
}

// compareWords orders the words of one alert. Of two with the same sequence number
// the one that counted more is later: there are two where a capture was replayed
// while it was still growing, and again.
func compareWords(a, b *alert.Alert) int {
	return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Count, b.Count), a.Last.Compare(b.Last), a.Time.Compare(b.Time))
}

// Sensors returns the names of the sensors that there are words of, sorted.
func (s *Set) Sensors() []string {
	names := map[string]bool{}
	for _, h := range s.hosts {
		for from := range h.alerts {
			names[from.sensor] = true
		}
		for from := range h.facts {
			names[from.sensor] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Span returns the first and the last packet time that the words are about, zero
// without any words.
func (s *Set) Span() (first, last time.Time) {
	widen := func(from, to time.Time) {
		if first.IsZero() || from.Before(first) {
			first = from
		}
		if to.After(last) {
			last = to
		}
	}
	for _, h := range s.hosts {
		for _, w := range h.alerts {
			widen(w.first.Alert.First, w.latest.Alert.Last)
		}
		for _, e := range h.facts {
			widen(e.Fact.Time, e.Fact.Time)
		}
	}
	return first, last
}

// Hosts returns the hosts that there are words about, in no particular order.
func (s *Set) Hosts() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for a := range s.hosts {
			if !yield(a) {
				return
			}
		}
	}
}

// A told is one word for a ledger.
type told struct {
	sensor string
	event  event.Event
}

// compareTold orders words by time. The order is total, so that it never depends on
// the order in which words came.
func compareTold(a, b told) int {
	return cmp.Or(a.event.Time().Compare(b.event.Time()), cmp.Compare(a.event.ID(), b.event.ID()), cmp.Compare(a.sensor, b.sensor))
}

// Tell tells a ledger all words, merged, in the order of packet time. It adds the
// names of the files that their frames are in to files, and has the frames refer to
// these.
func (s *Set) Tell(to alert.Emitter, files *Files) {
	all := make([]told, 0, len(s.hosts))
	alias := map[string]string{}
	for _, h := range s.hosts {
		all = append(all, h.merged(alias)...)
	}
	slices.SortFunc(all, compareTold)
	for _, t := range all {
		files.tell(to, t, alias)
	}
}

// TellHost tells a ledger what there is about one host, as Tell does.
func (s *Set) TellHost(addr netip.Addr, to alert.Emitter, files *Files) {
	h := s.hosts[addr]
	if h == nil {
		return
	}
	alias := map[string]string{}
	all := h.merged(alias)
	slices.SortFunc(all, compareTold)
	for _, t := range all {
		files.tell(to, t, alias)
	}
}

// Files are the names of the files and interfaces that frames are in, each with the
// sensor before it. The zero value is empty.
type Files struct {
	names []string
	index map[string]int
}

// Names returns the names by the index that frames have.
func (f *Files) Names() []string { return f.names }

func (f *Files) ref(t told, r alert.FrameRef) alert.FrameRef {
	if r.Number == 0 {
		return r
	}
	name := t.sensor + ":" + t.event.FileName(r.File)
	i, ok := f.index[name]
	if !ok {
		if f.index == nil {
			f.index = make(map[string]int)
		}
		i = len(f.names)
		f.index[name] = i
		f.names = append(f.names, name)
	}
	return alert.FrameRef{File: i, Number: r.Number}
}

// tell tells one word. Its frames refer to f, and a fact to the alert that its own
// was merged into.
func (f *Files) tell(to alert.Emitter, t told, alias map[string]string) {
	if t.event.Fact != nil {
		fact := *t.event.Fact
		fact.Frame = f.ref(t, fact.Frame)
		if id, ok := alias[fact.Alert]; ok {
			fact.Alert = id
		}
		to.Fact(fact)
		return
	}
	a := *t.event.Alert
	a.Frames = slices.Clone(a.Frames)
	for i := range a.Frames {
		a.Frames[i] = f.ref(t, a.Frames[i])
	}
	to.Alert(a)
}
