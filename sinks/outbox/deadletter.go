package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"wormscope/internal/visible"
	"wormscope/sinks"
)

// deadLetters keeps the events that a sink's receiver will never take: in a file,
// one JSON document a line. Without a folder a warning names the first few.
type deadLetters struct {
	path string
	warn func(format string, args ...any)
}

// maxDead is how large a dead-letter file gets, in bytes. It is then renamed, and
// replaces the one that was renamed before.
const maxDead = 64 << 20

// A deadLetter is a line of the file.
type deadLetter struct {
	Time   time.Time       `json:"time"` // when it was given up
	Sink   string          `json:"sink"`
	Reason string          `json:"reason"`
	ID     string          `json:"event_id,omitempty"`
	Event  json.RawMessage `json:"event,omitempty"` // what was found
	Body   string          `json:"body,omitempty"`  // as it was rendered
}

func (b *Outbox) deadLetters(sink string) deadLetters {
	d := deadLetters{warn: b.warn}
	if b.opts.Dir != "" {
		d.path = filepath.Join(b.opts.Dir, "deadletter-"+sink+".jsonl")
	}
	return d
}

// where says where the events are.
func (d *deadLetters) where() string {
	if d.path == "" {
		return "without a state folder they are kept nowhere"
	}
	return "see " + d.path
}

// write keeps refused events. When it returns without an error they are on the
// disk.
func (d *deadLetters) write(sink string, refused []sinks.Refusal) (err error) {
	if d.path == "" {
		for i := range refused[:min(len(refused), 3)] {
			d.warn("sink %s: event %s: %s", sink, refused[i].Event.ID(), oneLine(refused[i].Err))
		}
		return nil
	}
	if old, failed := os.Stat(d.path); failed == nil && old.Size() > maxDead {
		if err = os.Rename(d.path, d.path+".old"); err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
	}
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	text := letters(sink, refused)
	if isTorn(f, info.Size()) {
		text = append([]byte("\n"), text...)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("dead letters: %w", err), f.Truncate(info.Size()))
	}
	return nil
}

// letters writes refused events as lines.
func letters(sink string, refused []sinks.Refusal) []byte {
	var lines []byte
	for i := range refused {
		r := &refused[i]
		letter := deadLetter{Time: time.Now().UTC(), Sink: sink, ID: r.Event.ID(), Body: string(r.Body)}
		if r.Err != nil {
			letter.Reason = oneLine(r.Err)
		}
		if text, err := json.Marshal(&r.Event); err == nil && letter.ID != "" {
			letter.Event = text
		}
		text, err := json.Marshal(&letter)
		if err != nil {
			text = fmt.Appendf(nil, `{"sink":%q,"event_id":%q}`, sink, letter.ID)
		}
		lines = append(append(lines, visible.JSON(text)...), '\n')
	}
	return lines
}

// isTorn reports whether the last line of a file has no end, as a crash leaves it.
func isTorn(f *os.File, size int64) bool {
	var last [1]byte
	n, err := f.ReadAt(last[:], size-1)
	return n == 1 && err == nil && last[0] != '\n'
}
