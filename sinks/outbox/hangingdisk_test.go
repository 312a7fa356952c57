package outbox

import (
	"strings"
	"testing"
	"time"

	"wormscope/internal/testnet"
	"wormscope/sinks/event"
)

// A hangingDisk is a folder on which nothing is synced until it is told to go on.
type hangingDisk struct {
	folder
	goOn chan struct{}
}

func (d *hangingDisk) create(name string) (file, error) {
	f, err := d.folder.create(name)
	return hangingFile{f, d}, err
}

type hangingFile struct {
	file
	on *hangingDisk
}

func (f hangingFile) Sync() error {
	<-f.on.goOn
	return f.file.Sync()
}

// TestHangingDisk: a disk that hangs does not hold up the end for ever, and it is said
// what is not kept. What it takes after all is there for the next run.
func TestHangingDisk(t *testing.T) {
	a := &recorder{}
	disk := &hangingDisk{folder(t.TempDir()), make(chan struct{})}
	box := begin(t, Options{Dir: string(disk.folder), medium: disk, hangTimeout: 20 * time.Millisecond}, Receiver{Name: "a", Sink: a})
	box.Append([]event.Event{numbered(1)})
	testnet.Until(t, "the committer has it", func() bool {
		box.mu.Lock()
		defer box.mu.Unlock()
		return box.held == 1
	})
	box.Append([]event.Event{numbered(2), numbered(3)})
	if err := box.Close(); err == nil || !strings.HasSuffix(err.Error(), ": 3 events are not kept for the sinks") {
		t.Errorf("Close: %v", err)
	}
	if s := box.Stats(); s.Lost != 3 || s.Unsaved != 3 || !a.closed {
		t.Errorf("%+v, the sink is closed: %v", s, a.closed)
	}
	close(disk.goOn)
	box.workers.Wait()
	box = begin(t, Options{Dir: string(disk.folder)}, Receiver{Name: "a", Sink: a})
	drain(t, box)
	check(t, "a", a.numbers(), 1)
}
