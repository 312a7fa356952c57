package scope

import (
	"strings"
	"testing"
	"time"
)

// TestFloodOfManyPorts: a flood that goes to many ports is told as of many, not of port 0.
func TestFloodOfManyPorts(t *testing.T) {
	at := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	d := Document{Attacks: []Attack{
		{Kind: "flood", Target: "10.1.0.80", Sources: 1, First: at, Last: at.Add(time.Second)},
		{Kind: "flood", Target: "10.1.0.81", Port: 80, Sources: 5976, First: at, Last: at.Add(29 * time.Second)},
	}}
	var text strings.Builder
	if err := WriteText(&text, &d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"10.1.0.80        flood on many ports from about 1 source; 2026-01-05 08:00:00, for 1 second",
		"10.1.0.81        flood on port 80 from about 5,976 sources; 2026-01-05 08:00:00, for 29 seconds",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &text)
		}
	}
}
