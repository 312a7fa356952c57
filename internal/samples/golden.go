package samples

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"wormscope/sinks/event"

	"github.com/google/go-cmp/cmp"
)

// Golden renders all samples, one per line after its name, and compares them with
// testdata/samples.txt of the package under test, or writes that file.
func Golden(t *testing.T, update bool, render func(*event.Event) ([]byte, error)) {
	t.Helper()
	var got bytes.Buffer
	for _, s := range All() {
		b, err := render(&s.Event)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if again, err := render(&s.Event); err != nil || !bytes.Equal(b, again) {
			t.Errorf("%s is rendered in two ways", s.Name)
		}
		if bytes.ContainsAny(b, "\r\n") {
			t.Errorf("%s is more than one line", s.Name)
		}
		got.WriteString("# " + s.Name + "\n")
		got.Write(append(b, '\n'))
	}
	path := filepath.Join("testdata", "samples.txt")
	if update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}
