package outbox

import (
	"os"
	"path/filepath"
	"testing"

	"wormscope/sinks/event"
)

// TestAbsentSink: what a sink lacks is kept while it is not configured, even if
// it never had anything, as long as there is room.
func TestAbsentSink(t *testing.T) {
	dir := t.TempDir()
	var told heard
	o := Options{Dir: dir, segmentSize: 50_000, Warn: told.warn}
	stays, goes := &recorder{}, &recorder{instead: away}
	n := 0
	more := func(o Options, to ...Receiver) {
		box := begin(t, o, to...)
		defer func() { must(t, box.Close()) }()
		for range 2000 {
			n++
			box.Append([]event.Event{numbered(n)})
		}
		must(t, box.Sync())
		if len(to) == 2 && goes.instead != nil {
			return
		}
		drain(t, box)
	}
	both := []Receiver{{Name: "stays", Sink: stays}, {Name: "goes", Sink: goes}}
	more(o, both...)
	more(o, both[0])
	if !told.has("2000 events wait for sink goes, which is not configured") {
		t.Errorf("warnings: %q", told.said())
	}
	goes.set(nil)
	more(o, both...)
	check(t, "goes", goes.numbers(), n)
	check(t, "stays", stays.numbers(), n)

	goes.set(away)
	more(o, both...)
	o.MaxBytes = 1 << 20
	for range 5 {
		more(o, both[0])
	}
	if !told.has("that waited for sink goes, which is not configured") {
		t.Errorf("warnings: %q", told.said())
	}
	check(t, "stays", stays.numbers(), n)
}

// TestCursorUnwritable: a sink whose cursor can't be written gets on.
func TestCursorUnwritable(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "cursor-a"+temporary), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "cursor-a"+temporary, "x"), nil, 0o600))
	var told heard
	a := &recorder{}
	box := begin(t, Options{Dir: dir, medium: newMemory(), Warn: told.warn}, Receiver{Name: "a", Sink: a})
	for i := 1; i <= 3; i++ {
		box.Append([]event.Event{numbered(i)})
		drain(t, box)
	}
	if s := box.Stats().Sinks[0]; s.Error != "" || !s.Since.IsZero() || s.Delivered != 3 {
		t.Errorf("stats: %+v", s)
	}
	if len(told.said()) != 1 || !told.has("after a restart it gets events again") || told.has("works again") {
		t.Errorf("warnings: %q", told.said())
	}
}
