package outbox

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/sinks"
	"wormscope/sinks/event"
)

// A fullDisk is a folder that takes nothing while it is full.
type fullDisk struct {
	folder
	full atomic.Bool
}

func (d *fullDisk) create(name string) (file, error) {
	f, err := d.folder.create(name)
	return fullFile{f, d}, err
}

func (d *fullDisk) open(name string) (file, error) {
	f, err := d.folder.open(name)
	return fullFile{f, d}, err
}

type fullFile struct {
	file
	on *fullDisk
}

func (f fullFile) Write(b []byte) (int, error) {
	if f.on.full.Load() {
		return 0, syscall.ENOSPC
	}
	return f.file.Write(b)
}

// onFullDisk begins an outbox on a disk that is full.
func onFullDisk(t *testing.T, o Options, to ...Receiver) (*Outbox, *fullDisk) {
	t.Helper()
	disk := &fullDisk{folder: folder(t.TempDir())}
	disk.full.Store(true)
	o.Dir, o.medium = string(disk.folder), disk
	return begin(t, o, to...), disk
}

// TestFullDiskDelivers: sinks have what a full disk does not take, and the
// cursor stays where the disk is, until there is room.
func TestFullDiskDelivers(t *testing.T) {
	a := &recorder{}
	box, disk := onFullDisk(t, Options{}, Receiver{Name: "a", Sink: a})
	const n = 2 * tailSize
	for i := 1; i <= n; i++ {
		box.Append([]event.Event{numbered(i)})
	}
	drain(t, box)
	check(t, "a", a.numbers(), n)
	if s := box.Stats(); s.Queued != n || s.Lost != 0 || s.Error == "" || s.Sinks[0].Waiting != 0 || s.Sinks[0].Delivered != n {
		t.Errorf("stats: %+v", s)
	}
	cursor := filepath.Join(box.opts.Dir, "cursor-a")
	if text, err := os.ReadFile(cursor); err != nil || string(text) != cursorLine(0) {
		t.Errorf("cursor %q, %v", text, err)
	}
	disk.full.Store(false)
	for box.Stats().Error != "" { // the test's own time limit ends it
		time.Sleep(time.Millisecond)
	}
	must(t, box.Sync())
	must(t, box.Close())
	if s := box.Stats(); s.Queued != 0 || s.Appended != n || len(a.numbers()) != n {
		t.Errorf("stats: %+v, %d events", s, len(a.numbers()))
	}
	if text, err := os.ReadFile(cursor); err != nil || string(text) != cursorLine(n) {
		t.Errorf("cursor %q, %v", text, err)
	}
}

// TestFullDiskAtTheEnd: what a full disk did not take is lost only for the sinks
// that do not have it when the outbox is closed.
func TestFullDiskAtTheEnd(t *testing.T) {
	there, gone := &recorder{}, &recorder{instead: away}
	box, _ := onFullDisk(t, Options{}, Receiver{Name: "there", Sink: there})
	box.Append([]event.Event{numbered(1), numbered(2)})
	must(t, box.Close())
	check(t, "there", there.numbers(), 2)

	box, _ = onFullDisk(t, Options{closeTimeout: 50 * time.Millisecond}, Receiver{Name: "gone", Sink: gone})
	box.Append([]event.Event{numbered(1), numbered(2)})
	if err := box.Close(); err == nil || !strings.Contains(err.Error(), "2 events could not be kept") {
		t.Errorf("closed: %v", err)
	}
	if s := box.Stats(); s.Unsaved != 2 || s.Lost != 2 || s.Sinks[0].Lost != 2 || s.Sinks[0].Waiting != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// TestFullDiskGivesUp: of what waits for a full disk goes first what every sink
// has, which is no loss; then the oldest of the lowest severity.
func TestFullDiskGivesUp(t *testing.T) {
	var told heard
	a := &recorder{}
	const bound = 400
	box, disk := onFullDisk(t, Options{maxQueue: bound, Warn: told.warn}, Receiver{Name: "a", Sink: a})
	n := 0
	for range 10 {
		for range bound / 4 {
			n++
			box.Append([]event.Event{numbered(n)})
		}
		drain(t, box)
	}
	check(t, "a", a.numbers(), n)
	if s := box.Stats(); s.Lost != 0 || s.Queued > bound {
		t.Errorf("stats: %+v", s)
	}
	hung := make(chan struct{})
	a.set(func(_ context.Context, batch []event.Event) ([]sinks.Refusal, error) {
		<-hung
		return nil, a.take(batch)
	})
	severities := []alert.Severity{alert.Low, alert.High}
	lost := func() int { return int(box.Stats().Lost) }
	for i := 0; lost() == 0; i++ {
		n++
		box.Append([]event.Event{severe(n, severities[i%2])})
	}
	for range 3 * bound {
		n++
		box.Append([]event.Event{severe(n, alert.Low)})
	}
	if s := box.Stats(); s.Sinks[0].Lost != s.Lost {
		t.Errorf("stats: %+v", s)
	}
	told.await(t, "given up")
	close(hung)
	disk.full.Store(false)
	drain(t, box)
	got := a.numbers()
	slices.Sort(got)
	if got = slices.Compact(got); len(got)+lost() != n {
		t.Errorf("%d arrived and %d are lost of %d", len(got), lost(), n)
	}
}
