//go:build unix

package outbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wormscope/internal/testnet"
	"wormscope/sinks"
	"wormscope/sinks/event"
)

// TestDeletedSegment has somebody delete what the outbox writes to: it is noticed with
// the next events, or while none come, or at the end, and the next run has everything.
func TestDeletedSegment(t *testing.T) {
	for _, when := range []string{"quiet", "writing", "end"} {
		dir := t.TempDir()
		a := &recorder{}
		a.set(func(context.Context, []event.Event) ([]sinks.Refusal, error) { return nil, errors.New("away") })
		var mu sync.Mutex
		var said []string
		o := Options{Dir: dir, lookEvery: time.Hour, Warn: func(line string) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, line)
		}}
		if when == "quiet" {
			o.lookEvery = time.Millisecond
		}
		box := begin(t, o, Receiver{Name: "a", Sink: a})
		n := 0
		add := func() {
			for range 100 {
				n++
				box.Append([]event.Event{numbered(n)})
			}
			must(t, box.Sync())
		}
		add()
		segment := filepath.Join(dir, (&segment{first: 1}).name())
		must(t, os.Remove(segment))
		switch when {
		case "quiet":
			testnet.Eventually(t, "it is there again", func() error {
				_, err := os.Stat(segment)
				return err
			})
			add()
		case "writing":
			add()
		}
		must(t, box.Close())
		told := 0
		for _, line := range said {
			if strings.HasPrefix(line, "outbox: somebody deleted ") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("%s: told %d times: %q", when, told, said)
		}
		a.set(nil)
		drain(t, begin(t, Options{Dir: dir}, Receiver{Name: "a", Sink: a}))
		check(t, when, a.numbers(), n)
	}
}

// TestDeletedUnderReader: a sink that reads from the file goes on with the new one.
func TestDeletedUnderReader(t *testing.T) {
	dir := t.TempDir()
	a := &recorder{}
	release := make(chan struct{})
	a.set(func(context.Context, []event.Event) ([]sinks.Refusal, error) {
		<-release
		a.set(nil)
		return nil, errors.New("away")
	})
	box := begin(t, Options{Dir: dir, lookEvery: time.Millisecond}, Receiver{Name: "a", Sink: a})
	const most = 40_000 // more than is in memory
	for n := 1; n <= most; n++ {
		box.Append([]event.Event{numbered(n)})
		if n == most/2 {
			must(t, box.Sync())
			must(t, os.Remove(filepath.Join(dir, (&segment{first: 1}).name())))
		}
	}
	must(t, box.Sync())
	close(release)
	drain(t, box)
	check(t, "a", a.numbers(), most)
}

// TestDeletedFolder: where the file can't be written anew, that is told, and tried until
// it can.
func TestDeletedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "outbox")
	a := &recorder{}
	box := begin(t, Options{Dir: dir, lookEvery: time.Millisecond}, Receiver{Name: "a", Sink: a})
	box.Append([]event.Event{numbered(1)})
	must(t, box.Sync())
	// A segment that is deleted may be there again before the folder goes.
	testnet.Until(t, "the folder is gone", func() bool { return os.RemoveAll(dir) == nil })
	testnet.Until(t, "it is told", func() bool { return box.Stats().Error != "" })
	must(t, os.Mkdir(dir, 0o700))
	testnet.Until(t, "it works again", func() bool { return box.Stats().Error == "" })
	box.Append([]event.Event{numbered(2)})
	must(t, box.Sync())
	drain(t, box)
	check(t, "a", a.numbers(), 2)
}
