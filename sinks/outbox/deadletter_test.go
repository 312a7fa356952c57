package outbox

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"wormscope/sinks"
)

// TestTornLetter: what comes after a letter that a crash left torn is on lines of its
// own.
func TestTornLetter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deadletter-a.jsonl")
	const torn = `{"time":"2026-01-05T08:00:00Z","sin`
	must(t, os.WriteFile(path, []byte(torn), 0o600))
	d := deadLetters{path: path}
	for range 2 {
		must(t, d.write("a", []sinks.Refusal{{Event: numbered(1), Err: errors.New("too large")}}))
	}
	text, err := os.ReadFile(path)
	must(t, err)
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if len(lines) != 3 || string(lines[0]) != torn || !bytes.HasPrefix(lines[1], []byte(`{"time":`)) || !bytes.HasPrefix(lines[2], []byte(`{"time":`)) {
		t.Errorf("the file has %q", lines)
	}
}
