package scope_test

import (
	"strings"
	"testing"

	"wormscope/detect/alert"
)

// TestReachedBeforeAlarm: what a slow scan reached between its beginning and its
// alarm may have been infected by it, and what was reached before may not.
func TestReachedBeforeAlarm(t *testing.T) {
	const worm, host = "10.1.0.15", "10.1.0.14"
	slow := scan(worm, "sequential", alert.Scan{Port: 445, Targets: 20, Silent: 12, Answered: 8}, 500, 50)
	slow.First = at(100)
	for _, tt := range []struct {
		name    string
		reached int
		want    string
	}{
		{"after its beginning", 150, "10.1.0.15 30 targeted@10"},
		{"before", 50, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := ledgerOf(t, []said{
				alertOf(exposed(host, 445, worm, 1, false, 9, 9)),
				alertOf(scan(host, "sequential", alert.Scan{Port: 445, Targets: 30, Silent: 30}, 300, 30)),
				alertOf(slow), factOf(targeted(host, worm, tt.reached, 10)),
			})
			h := find(l.Document(capture()), host)
			if got := strings.Join(sources(&h), "|"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
