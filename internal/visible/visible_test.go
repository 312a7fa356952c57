package visible_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"wormscope/internal/visible"
)

// TestJSON: JSON that someone looks at on a terminal says what it says, and nothing to
// the terminal; for a program it is as it was. So it is in pieces of any size.
func TestJSON(t *testing.T) {
	for text, want := range map[string]string{
		"a <b> & 'ä' 世 😀":         `"a <b> & 'ä' 世 😀"`,
		"\u009b31m\x1b[31m\x7f":   `"\u009b31m\u001b[31m\u007f"`,
		"gnp.\u202eexe\u2066":     `"gnp.\u202eexe\u2066"`,
		"\U000e0041\u200b\u2028é": `"\udb40\udc41\u200b\u2028é"`,
		`\u202e`:                  `"\\u202e"`,
	} {
		var wrote bytes.Buffer
		e := json.NewEncoder(&wrote)
		e.SetEscapeHTML(false)
		if err := e.Encode(text); err != nil {
			t.Fatal(err)
		}
		plain := bytes.TrimSpace(wrote.Bytes())
		if got := visible.JSON(plain); string(got) != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
		for size := 1; size <= len(plain); size++ {
			var got bytes.Buffer
			w := visible.NewWriter(&got)
			for i := 0; i < len(plain); i += size {
				if _, err := w.Write(plain[i:min(i+size, len(plain))]); err != nil {
					t.Fatal(err)
				}
			}
			if got.String() != want {
				t.Errorf("%q in pieces of %d bytes is %s, want %s", text, size, got.String(), want)
			}
		}
		var back string
		if err := json.Unmarshal([]byte(want), &back); err != nil || back != text {
			t.Errorf("%s is read as %q, want %q, %v", want, back, text, err)
		}
	}
}
