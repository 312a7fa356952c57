package elastic_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/samples"
	"wormscope/sinks/elastic"
	"wormscope/sinks/event"
	"wormscope/sinks/web"

	"github.com/google/go-cmp/cmp"
)

// fake answers the bulk API as its documentation has it, for what a healthy
// server does not do on demand.
type fake struct {
	*httptest.Server
	status  map[string]string // by id: the item that answers it; a created one otherwise
	largest int               // documents in a request, 0 for any
	whole   int               // status of each request, 0 for 200
	after   string            // Retry-After
	asked   [][]string        // ids of each request
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{status: map[string]string{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	var ids []string
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		var head struct {
			Create *struct {
				ID string `json:"_id"`
			}
		}
		if json.Unmarshal(lines.Bytes(), &head) == nil && head.Create != nil {
			ids = append(ids, head.Create.ID)
		}
	}
	f.asked = append(f.asked, ids)
	if f.after != "" {
		w.Header().Set("Retry-After", f.after)
	}
	switch {
	case f.whole != 0:
		w.WriteHeader(f.whole)
		return
	case f.largest > 0 && len(ids) > f.largest:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	var items []string
	for _, id := range ids {
		said := f.status[id]
		if said == "" {
			said = `"status":201`
		}
		items = append(items, fmt.Sprintf(`{"create":{"_id":%q,%s}}`, id, said))
	}
	fmt.Fprintf(w, `{"errors":true,"items":[%s]}`, strings.Join(items, ","))
}

// sink makes a sink to it, and a batch.
func (f *fake) sink(t *testing.T) (*elastic.Sink, []event.Event, []string) {
	t.Helper()
	docs, batch := sampleDocuments(t)
	batch = batch[:6]
	var ids []string
	for i := range batch {
		ids = append(ids, batch[i].ID())
	}
	return newSink(t, elastic.Config{Settings: web.Settings{URL: f.URL, NoGzip: true}, Foreign: true}, docs), batch, ids
}

// TestOnlyWhatFailedIsSentAgain: of a batch, some events arrive, some were
// there, one is refused, and two must wait.
func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	f := newFake(t)
	k, batch, ids := f.sink(t)
	f.status[ids[1]] = `"status":409,"error":{"type":"version_conflict_engine_exception","reason":"document already exists"}`
	f.status[ids[2]] = `"status":429,"error":{"type":"rejected_execution_exception","reason":"queue is full"}`
	f.status[ids[3]] = `"status":400,"error":{"type":"document_parsing_exception","reason":"failed to parse","caused_by":{"type":"x","reason":"no date"}}`
	f.status[ids[4]] = `"status":503,"error":{"type":"unavailable_shards_exception","reason":"primary shard is not active"}`
	refused, err := k.Deliver(t.Context(), batch)
	if err == nil || len(refused) > 0 || !strings.HasSuffix(err.Error(), "429: rejected_execution_exception: queue is full") {
		t.Fatalf("%v, refused %v", err, refused)
	}
	delete(f.status, ids[2])
	if _, err = k.Deliver(t.Context(), batch); err == nil || !strings.HasSuffix(err.Error(), "503: unavailable_shards_exception: primary shard is not active") {
		t.Fatal(err)
	}
	delete(f.status, ids[4])
	refused, err = k.Deliver(t.Context(), batch)
	if err != nil || len(refused) != 1 || refused[0].Event.ID() != ids[3] ||
		!strings.HasSuffix(refused[0].Err.Error(), "the index does not take the document: document_parsing_exception: failed to parse: x: no date") {
		t.Fatalf("%v, refused %v", err, refused)
	}
	if _, err = k.Deliver(t.Context(), batch); err != nil { // all of it is new to the sink again
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{ids, {ids[2], ids[4]}, {ids[4]}, ids}, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// TestTooLarge: a request is halved until it fits; a document that never does
// is refused.
func TestTooLarge(t *testing.T) {
	f := newFake(t)
	k, batch, ids := f.sink(t)
	f.largest = 2
	if refused, err := k.Deliver(t.Context(), batch); err != nil || len(refused) > 0 {
		t.Fatalf("%v, refused %v", err, refused)
	}
	if diff := cmp.Diff([][]string{ids, ids[:3], ids[:1], ids[1:3], ids[3:], ids[3:4], ids[4:]}, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	f.whole = http.StatusRequestEntityTooLarge
	refused, err := k.Deliver(t.Context(), batch[:2])
	if err != nil || len(refused) != 2 || !strings.Contains(refused[0].Err.Error(), "too large for the server (http.max_content_length") {
		t.Fatalf("%v, refused %v", err, refused)
	}
}

// TestRetryAfter: the next request waits as long as it was asked to, and no
// longer than the caller does.
func TestRetryAfter(t *testing.T) {
	f := newFake(t)
	k, batch, _ := f.sink(t)
	f.whole, f.after = http.StatusTooManyRequests, "3600"
	if _, err := k.Deliver(t.Context(), batch); err == nil || !strings.Contains(err.Error(), "the server is overloaded or not ready") {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := k.Deliver(ctx, batch); !errors.Is(err, context.DeadlineExceeded) || len(f.asked) != 1 {
		t.Errorf("%v, asked %d times", err, len(f.asked))
	}
}

func TestAnswersInWords(t *testing.T) {
	f := newFake(t)
	k, batch, _ := f.sink(t)
	for status, want := range map[int]string{
		301: "the server sends elsewhere: set url", 401: "password or API key are wrong", 403: "the user may not do this",
		404: "there is no such API", 500: "500 Internal Server Error: nothing", 503: "overloaded or not ready",
	} {
		f.whole = status
		if _, err := k.Deliver(t.Context(), batch); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", status, err)
		}
	}
	body := ""
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
	defer other.Close()
	docs, _ := sampleDocuments(t)
	k = newSink(t, elastic.Config{Settings: web.Settings{URL: other.URL}, Foreign: true}, docs)
	item := `{"create":{"_id":"another","status":201}}`
	for answer, want := range map[string]string{
		"<html>hello":              "no answer of the bulk API to 6 documents: 200 OK: <html>hello",
		`{"items":[` + item + `]}`: "no answer of the bulk API to 6 documents: 200 OK: ",
		`{"items":[` + strings.Repeat(item+",", 5) + item + `]}`: `the answer is about "another" where "`,
	} {
		body = answer
		if _, err := k.Deliver(t.Context(), batch); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for want, s := range map[string]elastic.Config{
		`url: "": want http://HOST:PORT`:               {},
		`url: "ftp://a": want http`:                    {Settings: web.Settings{URL: "ftp://a"}},
		"url: no user or password in it":               {Settings: web.Settings{URL: "http://u:p@a:9200"}},
		"replicas: -1: must not be negative":           {Replicas: new(-1)},
		`data_stream: "Big": want small letters`:       {DataStream: "Big"},
		"username and api_key: give one of them":       {Username: "u", Password: "p", APIKey: "k"},
		"password or password_file: missing":           {Username: "u"},
		"username: missing":                            {Password: "p"},
		"password and password_file: give one of them": {Username: "u", Password: "p", PasswordFile: "f"},
		"api_key_file: open /nowhere: no such file":    {APIKeyFile: "/nowhere"},
		"timeout: -1s: want more than 0":               {Settings: web.Settings{URL: "http://a:9200", Timeout: -time.Second}},
	} {
		if _, err := elastic.New(s, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: got %v, want %s", s, err, want)
		}
	}
}

func TestWants(t *testing.T) {
	k, _, _ := newFake(t).sink(t)
	for _, s := range samples.All() {
		if !k.Wants(&s.Event) {
			t.Errorf("%s is not wanted", s.Name)
		}
	}
	if k.Wants(&event.Event{Fact: &alert.Fact{}}) {
		t.Error("facts are wanted")
	}
}
