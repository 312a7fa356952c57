package splunk_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// collector behaves as Splunk documents its HTTP Event Collector. Splunk
// itself can't be had for a test.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	ack     bool            // the token has acknowledgement on
	slow    int             // polls until an event is indexed
	bad     map[string]bool // event ids that are invalid
	silent  bool            // it does not name the invalid event
	largest int             // bytes of a request, 0 for any
	fail    []string        // answers to the next requests: "STATUS BODY"
	failAt  int             // the request that finds it busy

	held     map[uint64][]envelope // accepted, not indexed
	polls    map[uint64]int
	indexed  []envelope
	requests int
	channel  string
}

type envelope struct {
	Time       json.Number
	Host       string
	Source     string
	SourceType string
	Index      string
	Event      json.RawMessage
}

func (e envelope) id() string {
	var doc struct{ Event struct{ ID string } }
	_ = json.Unmarshal(e.Event, &doc)
	return doc.Event.ID
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{bad: map[string]bool{}, held: map[uint64][]envelope{}, polls: map[uint64]int{}}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.Close)
	return c
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, text)
}

func (c *collector) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	channel := r.Header.Get("X-Splunk-Request-Channel")
	switch {
	case r.Header.Get("Authorization") == "":
		say(w, 401, `{"text":"Token is required","code":2}`)
	case r.Header.Get("Authorization") != "Splunk good-token":
		say(w, 403, `{"text":"Invalid token","code":4}`)
	case c.ack && channel == "":
		say(w, 400, `{"text":"Data channel is missing","code":10}`)
	case r.URL.Path == "/services/collector/ack":
		c.answerPoll(w, r)
	case r.URL.Path == "/services/collector/event":
		c.channel = channel
		c.take(w, r)
	default:
		say(w, 404, `{"text":"The requested URL was not found on this server.","code":404}`)
	}
}

func (c *collector) answerPoll(w http.ResponseWriter, r *http.Request) {
	if !c.ack {
		say(w, 400, `{"text":"ACK is disabled","code":14}`)
		return
	}
	var question struct{ Acks []uint64 }
	_ = json.NewDecoder(body(r)).Decode(&question)
	acks := map[string]bool{}
	for _, id := range question.Acks {
		c.polls[id]++
		events, there := c.held[id]
		done := there && c.polls[id] > c.slow && r.URL.Query().Get("channel") == c.channel
		acks[strconv.FormatUint(id, 10)] = done
		if done {
			c.indexed = append(c.indexed, events...)
			delete(c.held, id)
		}
	}
	text, _ := json.Marshal(map[string]any{"acks": acks})
	say(w, 200, string(text))
}

func body(r *http.Request) io.Reader {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return r.Body
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return strings.NewReader("")
	}
	return z
}

func (c *collector) take(w http.ResponseWriter, r *http.Request) {
	if c.requests++; c.requests == c.failAt {
		say(w, http.StatusServiceUnavailable, `{"text":"Server is busy","code":9}`)
		return
	}
	if len(c.fail) > 0 {
		var status int
		var text string
		_, _ = fmt.Sscanf(c.fail[0], "%d", &status)
		_, text, _ = strings.Cut(c.fail[0], " ")
		c.fail = c.fail[1:]
		say(w, status, text)
		return
	}
	all, _ := io.ReadAll(body(r))
	if c.largest > 0 && len(all) > c.largest {
		say(w, 413, `{"text":"Request entity too large","code":27}`)
		return
	}
	var events []envelope
	for decoder := json.NewDecoder(strings.NewReader(string(all))); decoder.More(); {
		var e envelope
		if err := decoder.Decode(&e); err != nil || c.bad[e.id()] {
			named := fmt.Sprintf(`,"invalid-event-number":%d`, len(events))
			if c.silent {
				named = ""
			}
			say(w, 400, `{"text":"Invalid data format","code":6`+named+`}`)
			return
		}
		events = append(events, e)
	}
	switch {
	case len(events) == 0:
		say(w, 400, `{"text":"No data","code":5}`)
	case c.ack:
		id := uint64(c.requests)
		c.held[id] = events
		say(w, 200, fmt.Sprintf(`{"text":"Success","code":0,"ackId":%d}`, id))
	default:
		c.indexed = append(c.indexed, events...)
		say(w, 200, `{"text":"Success","code":0}`)
	}
}

// ids are those of the events that are indexed, in order.
func (c *collector) ids() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, e := range c.indexed {
		list = append(list, e.id())
	}
	return list
}

func renderer(t *testing.T) sinks.Renderer {
	t.Helper()
	zones, err := samples.Zones()
	if err != nil {
		t.Fatal(err)
	}
	return ecs.New(ecs.Options{Observer: "sensor-1", Zones: zones})
}

// sink makes a sink to the collector.
func (c *collector) sink(t *testing.T, change func(*splunk.Config)) *splunk.Sink {
	t.Helper()
	s := splunk.Config{Settings: web.Settings{URL: c.URL}, Token: "good-token", Host: "sensor-1", Index: "worms"}
	if change != nil {
		change(&s)
	}
	k, err := splunk.New(s, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
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
