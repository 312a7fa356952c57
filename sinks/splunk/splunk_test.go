package splunk_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/samples"
	"wormscope/sinks"
	"wormscope/sinks/ecs"
	"wormscope/sinks/event"
	"wormscope/sinks/splunk"
	"wormscope/sinks/web"

	"github.com/google/go-cmp/cmp"
)

func renderer(t *testing.T) sinks.Renderer {
	t.Helper()
	zones, err := samples.Zones()
	if err != nil {
		t.Fatal(err)
	}
	return ecs.New(ecs.Options{Observer: "sensor-1", Zones: zones})
}

// events are n events with ids of their own.
func events(n int) (batch []event.Event, ids []string) {
	for i := range n {
		e := samples.Alert(alert.Alert{Rule: alert.RuleScan, Severity: alert.High, Seq: i})
		batch, ids = append(batch, e), append(ids, e.ID())
	}
	return batch, ids
}

func TestDelivered(t *testing.T) {
	for _, zipped := range []bool{true, false} {
		c := newCollector(t)
		k := c.sink(t, func(s *splunk.Config) { s.NoGzip = !zipped })
		if err := k.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		batch, ids := events(5)
		if refused, err := k.Deliver(t.Context(), batch); err != nil || len(refused) > 0 {
			t.Fatalf("%v, refused %v", err, refused)
		}
		if diff := cmp.Diff(ids, c.ids()); diff != "" {
			t.Errorf("indexed (-want +got):\n%s", diff)
		}
		doc, err := renderer(t).Event(&batch[0])
		if err != nil {
			t.Fatal(err)
		}
		want := envelope{"1767600001.123456", "sensor-1", "wormscope", "_json", "worms", doc}
		if diff := cmp.Diff(want, c.indexed[0]); diff != "" {
			t.Errorf("envelope (-want +got):\n%s", diff)
		}
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(c.channel) {
			t.Errorf("channel %q", c.channel)
		}
	}
}

// TestAcknowledged: an event has arrived when it is indexed, not before.
func TestAcknowledged(t *testing.T) {
	c := newCollector(t)
	c.ack, c.slow = true, 2
	k := c.sink(t, func(s *splunk.Config) { s.Ack = true })
	batch, ids := events(5)
	if _, err := k.Deliver(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids, c.ids()); diff != "" {
		t.Errorf("indexed (-want +got):\n%s", diff)
	}
	c.slow = 1 << 30
	late := c.sink(t, func(s *splunk.Config) { s.Ack, s.AckTimeout = true, time.Millisecond })
	if _, err := late.Deliver(t.Context(), batch); err == nil || !strings.Contains(err.Error(), "1 requests are accepted, but not indexed in 1ms") {
		t.Errorf("got %v", err)
	}
}

// TestInvalidIsRefused: the collector names the invalid event, or it is found
// by halves; the others arrive.
func TestInvalidIsRefused(t *testing.T) {
	for _, silent := range []bool{false, true} {
		for _, ack := range []bool{false, true} {
			c := newCollector(t)
			c.silent, c.ack = silent, ack
			k := c.sink(t, func(s *splunk.Config) { s.Ack = ack })
			batch, ids := events(9)
			c.bad[ids[0]], c.bad[ids[4]], c.bad[ids[8]] = true, true, true
			refused, err := k.Deliver(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range refused {
				got = append(got, r.Event.ID())
				if !strings.HasSuffix(r.Err.Error(), "it does not take the event: Invalid data format (code 6)") {
					t.Error(r.Err)
				}
			}
			if diff := cmp.Diff([]string{ids[0], ids[4], ids[8]}, got); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			arrived := c.ids()
			slices.Sort(arrived)
			if diff := cmp.Diff(slices.Concat(ids[1:4], ids[5:8]), arrived); diff != "" {
				t.Errorf("silent %v, ack %v: indexed (-want +got):\n%s", silent, ack, diff)
			}
		}
	}
}

// TestInvalidNumber: a collector that names an event which was not sent is taken for one
// that names none.
func TestInvalidNumber(t *testing.T) {
	for _, number := range []int{-1, 3} {
		c := newCollector(t)
		batch, ids := events(3)
		c.fail = []string{fmt.Sprintf(`400 {"text":"Invalid data format","code":6,"invalid-event-number":%d}`, number)}
		refused, err := c.sink(t, nil).Deliver(t.Context(), batch)
		if err != nil || len(refused) > 0 || !slices.Equal(c.ids(), ids) {
			t.Errorf("number %d: %v, refused %v, indexed %v", number, err, refused, c.ids())
		}
	}
}

func TestTooLarge(t *testing.T) {
	c := newCollector(t)
	c.largest = 4000
	k := c.sink(t, nil)
	batch, ids := events(7)
	if refused, err := k.Deliver(t.Context(), batch); err != nil || len(refused) > 0 {
		t.Fatalf("%v, refused %v", err, refused)
	}
	if diff := cmp.Diff(ids, c.ids()); diff != "" {
		t.Errorf("indexed (-want +got):\n%s", diff)
	}
	c.largest = 100
	refused, err := k.Deliver(t.Context(), batch[:2])
	if err != nil || len(refused) != 2 || !strings.Contains(refused[0].Err.Error(), "too large for the server (max_content_length of limits.conf") {
		t.Errorf("%v, refused %v", err, refused)
	}
}

// TestOnlyTheRestIsSentAgain: what one request of a batch brought there is not
// sent again when another failed.
func TestOnlyTheRestIsSentAgain(t *testing.T) {
	c := newCollector(t)
	k := c.sink(t, nil)
	batch, ids := events(2000) // several requests
	probe, err := renderer(t).Event(&batch[0])
	if err != nil || len(probe)*len(batch) < 2*800<<10 {
		t.Fatalf("%d bytes an event: too little for several requests, %v", len(probe), err)
	}
	c.bad[ids[10]] = true // refused before the failure, and not asked for again
	c.failAt = 4          // after the whole first request, and its two parts without that event
	if _, err = k.Deliver(t.Context(), batch); err == nil || !strings.Contains(err.Error(), "it is overloaded or stopping (503 Service Unavailable") {
		t.Fatal(err)
	}
	refused, err := k.Deliver(t.Context(), batch)
	if err != nil || len(refused) != 1 || refused[0].Event.ID() != ids[10] {
		t.Fatalf("%v, refused %v", err, refused)
	}
	want := append(slices.Clone(ids[:10]), ids[11:]...)
	if diff := cmp.Diff(want, c.ids()); diff != "" {
		t.Errorf("indexed (-want +got):\n%s", diff)
	}
}

func TestAnswersInWords(t *testing.T) {
	c := newCollector(t)
	batch, _ := events(1)
	for answer, want := range map[string]string{
		`403 {"text":"Token disabled","code":1}`:           "the token is disabled there",
		`400 {"text":"Incorrect index","code":7}`:          `the index "worms" is not there or not one of the token's`,
		`500 {"text":"Internal server error","code":8}`:    "it is overloaded or stopping",
		`503 {"text":"Server is busy","code":9}`:           "it is overloaded or stopping",
		`400 {"text":"Data channel is missing","code":10}`: "the token wants acknowledgement: set ack",
		`400 {"text":"ACK is disabled","code":14}`:         "acknowledgement is off for the token",
		`503 {"text":"Server is shutting down","code":23}`: "it is overloaded or stopping",
		`404 not found`: "there is no event collector: check url",
		`302 `:          "it sends elsewhere",
		`200 <html>`:    "no answer of an event collector: check url",
		`418 short`:     "418 I'm a teapot: short",
		`401 <html>`:    "it does not let this sensor in",
	} {
		c.fail = []string{answer, answer}
		k := c.sink(t, nil)
		_, err := k.Deliver(t.Context(), batch)
		for what, err := range map[string]error{"deliver": err, "check": k.Check(t.Context())} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s: got %v, want %s", answer, what, err, want)
			}
		}
	}
	for want, change := range map[string]func(*splunk.Config){
		"it does not know the token: check token":                                                 func(s *splunk.Config) { s.Token = "bad-token" },
		"it acknowledges nothing: turn indexer acknowledgement on for the token, or ack off here": func(s *splunk.Config) { s.Ack = true },
	} {
		if _, err := c.sink(t, change).Deliver(t.Context(), batch); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	c.Close()
	if err := c.sink(t, nil).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("got %v", err)
	}
}

// text renders an event as something that is no JSON.
type text struct{}

func (text) Event(*event.Event) ([]byte, error) { return []byte("CEF:0|é|\x01"), nil }

func TestTextIsAString(t *testing.T) {
	c := newCollector(t)
	k, err := splunk.New(splunk.Config{Settings: web.Settings{URL: c.URL}, Token: "good-token", Host: "h"}, text{})
	if err != nil {
		t.Fatal(err)
	}
	batch, _ := events(1)
	if _, err := k.Deliver(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal(c.indexed[0].Event, &got); err != nil || got != "CEF:0|é|\x01" || c.indexed[0].SourceType != "wormscope" {
		t.Errorf("%v, %+v", err, c.indexed[0])
	}
}

func TestSettingsAreChecked(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]splunk.Config{
		"token or token_file: missing":                       {},
		"token and token_file: give one of them":             {Token: "a", TokenFile: "b"},
		"token_file: " + empty + ": its first line is empty": {TokenFile: empty},
		"ack_timeout: -1s: want more than 0":                 {Token: "a", AckTimeout: -time.Second},
		`url: "": want http`:                                 {Token: "a"},
	} {
		if _, err := splunk.New(s, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: got %v, want %s", s, err, want)
		}
	}
}
