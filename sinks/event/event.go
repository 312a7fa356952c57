// Package event is what sinks deliver: one word of an alert, one change of a
// host's state, or one fact that only ledgers want. It is whole in itself, so
// that it can be kept, rendered and told to another ledger long after the
// traffic is gone.
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

// ErrFact is what a renderer says of a fact.
var ErrFact = errors.New("no event to render: neither an alert nor a change")

// OfAlert makes an event of one word of an alert. fileName names the files
// that the alert's frames refer to; it may be nil. Of a, only the frames are
// copied: the event keeps what else a points to.
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

// FileName returns the name that File of one of the event's frames stands for,
// empty where it is not known.
func (e *Event) FileName(index int) string {
	if index < 0 || index >= len(e.Files) {
		return ""
	}
	return e.Files[index]
}

// ID tells events apart: repeats of one event have the same, as have events
// made of the same capture again. It is event.id of the ECS document; a fact's
// is of the same kind.
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

// Host is the host that the event is about, by which events are kept in order.
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

// Time is the packet time of what decided.
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
