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

// TestVisibleLetter: who looks at letters on a terminal is shown what a receiver, or a
// stranger on the wire, wrote, and the terminal is told nothing.
func TestVisibleLetter(t *testing.T) {
	text := letters("a", []sinks.Refusal{{Event: numbered(1), Body: []byte("b\u009b31m"), Err: errors.New("no\u202e: \x1b[31m")}})
	for _, want := range []string{`"b\u009b31m"`, `"no\u202e: \u001b[31m"`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%q has not %s", text, want)
		}
	}
}
