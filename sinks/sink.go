package sinks

import (
	"context"

	"wormscope/sinks/event"
)

// A Renderer writes an event as a receiver wants to have it. It is safe for use
// by several goroutines, and the same event gives the same bytes.
type Renderer interface {
	// Event renders an alert or a change; it refuses a fact.
	Event(e *event.Event) ([]byte, error)
}

// A Sink delivers events to one receiver. It is used by one goroutine.
type Sink interface {
	// Wants reports whether the sink delivers events like this one.
	Wants(e *event.Event) bool
	// Deliver hands over a batch, in order. Without an error every event of it
	// has arrived, or is refused for good and returned. With an error some may
	// not have arrived: the same batch, from its first event on, is delivered
	// again later. A sink may remember what of it did arrive, and an event may
	// arrive twice: its ID tells. Deliver returns soon after ctx ends.
	Deliver(ctx context.Context, batch []event.Event) ([]Refusal, error)
	// Close gives up the connection. What was not delivered is not the sink's.
	Close() error
}

// A Refusal is an event that the receiver will never take.
type Refusal struct {
	Event event.Event
	Body  []byte // as it was rendered, nil if that failed
	Err   error  // why
}
