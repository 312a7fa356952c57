package sinks_test

import (
	"errors"
	"io/fs"
	"testing"

	"wormscope/sinks"
)

// TestForbiddenFolder opens an event file where nobody, root included, may make one:
// the error says so, and not that there is none.
func TestForbiddenFolder(t *testing.T) {
	f, err := sinks.OpenFile("/sys/events.json", sinks.FileOptions{})
	if err == nil {
		t.Fatal(errors.Join(errors.New("there is a file now"), f.Close()))
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
