package scope

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// FuzzIndenter compares with encoding/json, whatever the pieces in which a
// document comes.
func FuzzIndenter(f *testing.F) {
	for _, seed := range []string{
		`{"a":[],"b":{},"c":[{}],"d":[[1,2.5e-3],null],"e":"\\\"{[,:\\","f":true}`,
		`[]`, `{}`, `"text"`, `12`, `[[[[]]],{"":{"":""}}]`, `{"é":"\u2028"}`, `["\\","]"]`,
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, document []byte, piece int) {
		var compact, want, got bytes.Buffer
		if json.Compact(&compact, document) != nil {
			t.Skip("no JSON")
		}
		compact.WriteByte('\n')
		if err := json.Indent(&want, compact.Bytes(), "", " "); err != nil {
			t.Fatal(err)
		}
		x := newIndenter(&got)
		for rest := compact.Bytes(); len(rest) > 0; {
			n := min(max(piece, 1), len(rest))
			if _, err := x.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := x.Flush(); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("%q\nbecame %q\nwant   %q", compact.String(), got.String(), want.String())
		}
	})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriteJSONReportsErrors(t *testing.T) {
	if err := (&Document{}).WriteJSON(broken{}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("WriteJSON: %v", err)
	}
}
