package event

import (
	"encoding/json"
	"errors"
	"fmt"

	"wormscope/detect/alert"
)

// Version is the version of the encoding, which is its first byte. A later version
// of the program reads all earlier encodings.
const Version = 1

// Errors of Decode.
var (
	// ErrVersion: the event was written by a later version of the program.
	ErrVersion = errors.New("an event in an encoding that this version does not know")
	// ErrDamaged: the bytes are no event.
	ErrDamaged = errors.New("no event")
)

// Append appends the encoding of an event to b: the version, then JSON on one
// line. The same event gives the same bytes.
func (e *Event) Append(b []byte) ([]byte, error) {
	if !e.valid() {
		return b, ErrDamaged
	}
	text, err := json.Marshal(e)
	if err != nil {
		return b, fmt.Errorf("event %s: %w", e.ID(), err)
	}
	return append(append(b, Version), text...), nil
}

// Decode reads an event that Append wrote.
func Decode(b []byte) (Event, error) {
	var e Event
	switch {
	case len(b) == 0:
		return e, ErrDamaged
	case b[0] != Version:
		return e, fmt.Errorf("%w (%d, this one knows %d)", ErrVersion, b[0], Version)
	}
	if err := json.Unmarshal(b[1:], &e); err != nil {
		return e, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if !e.valid() {
		return e, fmt.Errorf("%w: want exactly one of alert, change and fact", ErrDamaged)
	}
	if err := e.check(); err != nil {
		return e, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return e, nil
}

// check says what is in an event that this program does not write.
func (e *Event) check() error {
	switch {
	case e.Alert != nil:
		return e.Alert.Check()
	case e.Fact != nil:
		return e.Fact.Check()
	default:
		return alert.CheckAddrs(e.Change.Host)
	}
}

// valid reports whether exactly one thing is set.
func (e *Event) valid() bool {
	n := 0
	for _, set := range []bool{e.Alert != nil, e.Change != nil, e.Fact != nil} {
		if set {
			n++
		}
	}
	return n == 1
}
