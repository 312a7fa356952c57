package splunk_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"wormscope/sinks/splunk"
	"wormscope/sinks/web"
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
