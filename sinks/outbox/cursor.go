package outbox

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wormscope/internal/plural"
)

// cursorFile returns the path of a sink's cursor: a file of one line, with the
// position up to which the sink is done, and a checksum. It is written without a
// sync: if it is lost, or older than it should be, events are delivered again.
func (b *Outbox) cursorFile(sink string) string {
	return filepath.Join(b.opts.Dir, cursorPrefix+sink)
}

const cursorPrefix = "cursor-"

const cursorFormat = "wormscope-cursor 1 %d %08x\n"

func cursorLine(position uint64) string {
	sum := crc32.Checksum(fmt.Appendf(nil, "%d", position), castagnoli())
	return fmt.Sprintf(cursorFormat, position, sum)
}

// readCursor reads a sink's cursor, 0 when there is none.
func (b *Outbox) readCursor(sink string) (uint64, error) {
	if b.opts.Dir == "" {
		return 0, nil
	}
	text, err := os.ReadFile(b.cursorFile(sink))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("outbox: %w", err)
	}
	var position uint64
	var sum uint32
	if _, err := fmt.Sscanf(string(text), cursorFormat, &position, &sum); err != nil || cursorLine(position) != string(text) {
		b.warn("outbox: the cursor of the sink %s is damaged: everything that is kept is delivered again", sink)
		return 0, nil //nolint:nilerr // said, and costs repeats only
	}
	return position, nil
}

// writeCursor replaces a sink's cursor, which is complete at any time.
func (b *Outbox) writeCursor(sink string, position uint64) error {
	if b.opts.Dir == "" {
		return nil
	}
	path := b.cursorFile(sink)
	if err := os.WriteFile(path+temporary, []byte(cursorLine(position)), 0o600); err != nil {
		return err
	}
	return os.Rename(path+temporary, path)
}

// An absentee is a sink that an earlier run had and this one does not have. What it
// lacks is kept as long as there is room.
type absentee struct {
	name   string
	cursor uint64
}

// Idle warns of what waits for the sinks that an earlier run had. It is to be called
// instead of Start when this run has no sinks.
func (b *Outbox) Idle() error { return b.findAbsentees() }

// findAbsentees finds the sinks that have a cursor and are not there.
func (b *Outbox) findAbsentees() error {
	if b.opts.Dir == "" {
		return nil
	}
	names, err := b.medium.list()
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	for _, n := range names {
		name, ok := strings.CutPrefix(n, cursorPrefix)
		if !ok || strings.HasSuffix(n, temporary) || slices.ContainsFunc(b.shippers, func(s *shipper) bool { return s.name == name }) {
			continue
		}
		cursor, err := b.readCursor(name)
		if err != nil {
			return err
		}
		b.absent = append(b.absent, absentee{name, cursor})
		if lacks := b.eventsAfter(cursor); lacks > 0 {
			b.warn("outbox: %s for sink %s, which is not configured, and are kept as long as there is room: to let them go, delete %s",
				plural.Count(lacks, "event waits", "events wait"), name, b.cursorFile(name))
		}
	}
	return nil
}

// dismiss stops keeping events for absent sinks.
func (b *Outbox) dismiss() {
	b.mu.Lock()
	gone := b.absent
	b.absent = nil
	b.mu.Unlock()
	for _, a := range gone {
		if lacks := b.eventsAfter(a.cursor); lacks > 0 {
			b.warn("outbox: it is full at %d MiB: %s given up that waited for sink %s, which is not configured",
				b.opts.MaxBytes>>20, plural.Count(lacks, "event is", "events are"), a.name)
		}
	}
}
