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
	// Deliver hands over a batch, in order. If it returns no error, each event has
	// arrived, or is refused for good and returned. If it returns an error, some may
	// not have arrived: the caller delivers the same batch again later, from its
	// first event on. The sink may remember which of them had arrived. An event can
	// arrive twice; its ID then is the same. Deliver returns soon after ctx ends.
	Deliver(ctx context.Context, batch []event.Event) ([]Refusal, error)
	// Close gives up the connection. It need not care for undelivered events.
	Close() error
}

// A Refusal is an event that the receiver will never take.
type Refusal struct {
	Event event.Event
	Body  []byte // as it was rendered, nil if that failed
	Err   error  // why
}
