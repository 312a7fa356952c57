// Package event is what sinks deliver: one phase of an alert (its start, an update
// or its end), one change of a host's state, or one fact, which only ledgers want.
// An event holds all that is needed to store it, to render it, or to tell it to
// another ledger, long after the traffic is gone.
//
// A word, in the packages about ledgers, is an event that a ledger is told: a phase
// of an alert or a fact.
package event

import (
	"errors"
	"net/netip"
	"strconv"
	"time"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// An Event is one thing that was found. Exactly one of Alert, Change and Fact
// is set. It is not changed once it is made.
type Event struct {
	Alert  *alert.Alert  `json:"alert,omitempty"`
	Change *scope.Change `json:"change,omitempty"`
	Fact   *alert.Fact   `json:"fact,omitempty"`
	// Files names the capture files or interfaces that the event's frames are
	// of: File of a frame is an index into it.
	Files []string `json:"files,omitempty"`
}

// ErrFact is what a renderer returns for a fact.
var ErrFact = errors.New("no event to render: neither an alert nor a change")

// OfAlert makes an event of one phase of an alert. fileName names the files that the
// alert's frames refer to; it may be nil. Of what a points to only the frames are
// copied: the rest belongs to the event from then on.
func OfAlert(a *alert.Alert, fileName func(int) string) Event {
	var e Event
	kept := *a
	kept.Frames = make([]alert.FrameRef, 0, len(a.Frames))
	for _, f := range a.Frames {
		kept.Frames = append(kept.Frames, e.frame(f, fileName))
	}
	e.Alert = &kept
	return e
}

// OfChange makes an event of a change of a host's state, as OfAlert does.
func OfChange(c *scope.Change, fileName func(int) string) Event {
	var e Event
	kept := *c
	kept.Frame = e.frame(c.Frame, fileName)
	e.Change = &kept
	return e
}

// OfFact makes an event of a fact, as OfAlert does.
func OfFact(f *alert.Fact, fileName func(int) string) Event {
	var e Event
	kept := *f
	kept.Frame = e.frame(f.Frame, fileName)
	e.Fact = &kept
	return e
}

// frame makes a reference that holds within the event.
func (e *Event) frame(f alert.FrameRef, fileName func(int) string) alert.FrameRef {
	if f.Number == 0 || fileName == nil {
		return alert.FrameRef{Number: f.Number}
	}
	name := fileName(f.File)
	for i, known := range e.Files {
		if known == name {
			return alert.FrameRef{File: i, Number: f.Number}
		}
	}
	e.Files = append(e.Files, name)
	return alert.FrameRef{File: len(e.Files) - 1, Number: f.Number}
}

// FileName returns the name of the file that one of the event's frames is in, by
// the frame's File; empty where it is not known.
func (e *Event) FileName(index int) string {
	if index < 0 || index >= len(e.Files) {
		return ""
	}
	return e.Files[index]
}

// ID identifies an event. Repeats of one event have the same ID, as has the event
// when the same capture is replayed again. It is event.id of the ECS document.
func (e *Event) ID() string {
	switch {
	case e.Alert != nil:
		return e.Alert.ID + "-" + strconv.Itoa(e.Alert.Seq)
	case e.Change != nil:
		return e.Change.ID
	case e.Fact != nil:
		f := e.Fact
		return alert.Identify("fact", f.Host, f.Time, string(f.Kind), f.Peer.String(), strconv.Itoa(int(f.Port)), f.Detail, f.Alert, f.Asset.Identity())
	default:
		return ""
	}
}

// Host is the host that the event is about. Events of one host stay in order.
func (e *Event) Host() netip.Addr {
	switch {
	case e.Alert != nil:
		return e.Alert.Host
	case e.Change != nil:
		return e.Change.Host
	case e.Fact != nil:
		return e.Fact.Host
	default:
		return netip.Addr{}
	}
}

// Time is the packet time at which the event was found.
func (e *Event) Time() time.Time {
	switch {
	case e.Alert != nil:
		return e.Alert.Time
	case e.Change != nil:
		return e.Change.Time
	case e.Fact != nil:
		return e.Fact.Time
	default:
		return time.Time{}
	}
}

// Severity is how much the event matters: of a change, by the state that it
// leads to; of a fact, the least.
func (e *Event) Severity() alert.Severity {
	switch {
	case e.Alert != nil:
		return e.Alert.Severity
	case e.Change != nil:
		return e.Change.To.Severity()
	default:
		return alert.Info
	}
}
