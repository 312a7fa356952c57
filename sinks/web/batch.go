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

// Settled remembers what of a batch needs not be sent again when the batch
// failed in part: it is the same batch that comes next. The zero value is
// ready for use.
type Settled struct {
	arrived map[string]bool          // by event id
	refused map[string]sinks.Refusal // by event id
}

// Documents renders what of a batch is not settled. What can't be rendered is
// refused.
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

// Done returns what of a batch was refused, in order, and forgets everything:
// the batch is done.
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

// Fits is how many of the documents have size bytes together, at least one.
func Fits(list []Document, size int) int {
	for i := range list {
		if size -= len(list[i].Body); i > 0 && size < 0 {
			return i
		}
	}
	return len(list)
}

// TooLarge is why a single document is refused that a server does not take
// even alone; limit names the server's setting.
func TooLarge(d *Document, limit string, a Answer) error {
	return fmt.Errorf("a document of %d bytes is too large for the server (%s, or a proxy's limit): %s", len(d.Body), limit, a.Excerpt())
}
