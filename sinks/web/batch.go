package web

import (
	"fmt"

	"wormscope/sinks"
	"wormscope/sinks/event"
)

// A Document is an event that is to be sent.
type Document struct {
	Event *event.Event
	ID    string // of the event
	Body  []byte // as it was rendered
}

// Settled remembers which documents of a batch have arrived or are refused, so that
// they are not sent again when the batch, having failed in part, is delivered again.
// The zero value is ready for use.
type Settled struct {
	arrived map[string]bool          // by event id
	refused map[string]sinks.Refusal // by event id
}

// Documents renders the events of a batch that are not settled. It refuses those that
// can't be rendered.
func (s *Settled) Documents(batch []event.Event, render sinks.Renderer) []Document {
	list := make([]Document, 0, len(batch))
	for i := range batch {
		d := Document{Event: &batch[i], ID: batch[i].ID()}
		if _, gone := s.refused[d.ID]; gone || s.arrived[d.ID] {
			continue
		}
		var err error
		if d.Body, err = render.Event(d.Event); err != nil {
			s.Refuse(&d, err)
			continue
		}
		list = append(list, d)
	}
	return list
}

// Arrive notes that a document has arrived.
func (s *Settled) Arrive(d *Document) {
	if s.arrived == nil {
		s.arrived = map[string]bool{}
	}
	s.arrived[d.ID] = true
}

// Refuse notes that a document will never be taken.
func (s *Settled) Refuse(d *Document, err error) {
	if s.refused == nil {
		s.refused = map[string]sinks.Refusal{}
	}
	s.refused[d.ID] = sinks.Refusal{Event: *d.Event, Body: d.Body, Err: err}
}

// Done returns the events of a batch that were refused, in order, and forgets
// everything.
func (s *Settled) Done(batch []event.Event) []sinks.Refusal {
	var refused []sinks.Refusal
	for i := range batch {
		if r, ok := s.refused[batch[i].ID()]; ok {
			refused = append(refused, r)
		}
	}
	*s = Settled{}
	return refused
}

// Fits returns how many of the documents fit into size bytes, but at least one.
func Fits(list []Document, size int) int {
	for i := range list {
		if size -= len(list[i].Body); i > 0 && size < 0 {
			return i
		}
	}
	return len(list)
}

// TooLarge returns the error for a document that a server refuses even alone. limit
// names the server's setting.
func TooLarge(d *Document, limit string, a Answer) error {
	return fmt.Errorf("a document of %d bytes is too large for the server (%s, or a proxy's limit): %s", len(d.Body), limit, a.Excerpt())
}
