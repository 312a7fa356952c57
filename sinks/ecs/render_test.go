package ecs_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/internal/samples"
	"wormscope/ioc"
	"wormscope/sinks/ecs"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func renderer(t testing.TB) *ecs.Renderer {
	t.Helper()
	m, err := samples.Zones()
	if err != nil {
		t.Fatal(err)
	}
	return ecs.New(ecs.Options{Version: "1.2.3", Observer: "tap-1", Zones: m})
}

func render(t testing.TB, r *ecs.Renderer, s samples.Sample) []byte {
	t.Helper()
	b, err := r.Event(&s.Event)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func itoa(n int) string { return strconv.Itoa(n) }

func contains(list []string, want string) bool { return slices.Contains(list, want) }

func TestGolden(t *testing.T) {
	r := renderer(t)
	for _, s := range samples.All() {
		t.Run(s.Name, func(t *testing.T) {
			line := render(t, r, s)
			if bytes.ContainsAny(line, "\n") {
				t.Error("an event is more than one line")
			}
			var got bytes.Buffer
			if err := json.Indent(&got, line, "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			path := filepath.Join("testdata", s.Name+".json")
			if *update {
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
		})
	}
}

// TestEventIDs: each word of an alert has an id of its own, and all share the
// id of the alert.
func TestEventIDs(t *testing.T) {
	r := renderer(t)
	ids := map[string]bool{}
	for _, s := range samples.All() {
		if s.Name != "ioc-ip" {
			continue
		}
		for seq := range 3 {
			a := *s.Event.Alert
			a.Seq = seq
			var e struct {
				Event struct {
					ID string `json:"id"`
				} `json:"event"`
				Wormscope struct {
					Alert struct {
						ID string `json:"id"`
					} `json:"alert"`
				} `json:"wormscope"`
			}
			b, err := r.Alert(&a)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &e); err != nil {
				t.Fatal(err)
			}
			ids[e.Event.ID] = true
			if e.Wormscope.Alert.ID != a.ID {
				t.Errorf("wormscope.alert.id is %q, want %q", e.Wormscope.Alert.ID, a.ID)
			}
		}
	}
	if len(ids) != 3 {
		t.Errorf("three words have %d event ids", len(ids))
	}
}

// TestLongDescription: a feed's comment is no longer than the schema searches.
func TestLongDescription(t *testing.T) {
	for _, text := range []string{strings.Repeat("ä", 5000), strings.Repeat("ä", 1024)} {
		e := samples.Alert(alert.Alert{Rule: alert.RuleContact, Indicator: &ioc.Indicator{Value: "198.51.100.7", Description: text}})
		var got struct {
			Threat struct {
				Indicator struct {
					Description string `json:"description"`
				} `json:"indicator"`
			} `json:"threat"`
		}
		if err := json.Unmarshal(render(t, renderer(t), samples.Sample{Event: e}), &got); err != nil {
			t.Fatal(err)
		}
		if d := got.Threat.Indicator.Description; d != strings.Repeat("ä", 1024) {
			t.Errorf("%d bytes of %d", len(d), len(text))
		}
	}
}

// FuzzNames: whatever is asked for, an event is one line of valid JSON.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"evil.example", "a\nb.example", "\xff\xfe.example", `"quoted"\\`, "<script>", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		a := samples.Alert(alert.Alert{
			Rule: alert.RuleDomain, Proto: 17,
			Evidence: alert.Evidence{DNS: &alert.DNS{Question: name, Matched: name, ResponseCode: "NXDOMAIN"}},
		})
		line, err := renderer(t).Event(&a)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(line) || bytes.ContainsAny(line, "\n\r") {
			t.Fatalf("no line of JSON: %q", line)
		}
	})
}
