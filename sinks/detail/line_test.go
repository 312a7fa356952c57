package detail_test

import (
	"encoding/json"
	"testing"

	"wormscope/sinks/detail"
)

// TestLineHidesNothing: an event that someone looks at on a terminal says what it
// says, and nothing to the terminal; for a program it is as it was.
func TestLineHidesNothing(t *testing.T) {
	for text, want := range map[string]string{
		"a <b> & 'ä' 世 😀":         `"a <b> & 'ä' 世 😀"`,
		"\u009b31m\x1b[31m\x7f":   `"\u009b31m\u001b[31m\u007f"`,
		"gnp.\u202eexe\u2066":     `"gnp.\u202eexe\u2066"`,
		"\U000e0041\u200b\u2028é": `"\udb40\udc41\u200b\u2028é"`,
		`\u202e`:                  `"\\u202e"`,
	} {
		got, err := detail.Line(text)
		if err != nil || string(got) != want {
			t.Errorf("%q is %s, want %s, %v", text, got, want, err)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != text {
			t.Errorf("%s is read as %q, want %q, %v", got, back, text, err)
		}
	}
}
