package elastic_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/internal/samples"
	"wormscope/internal/searchtest"
	"wormscope/internal/testca"
	"wormscope/internal/testnet"
	"wormscope/scope"
	"wormscope/sinks"
	"wormscope/sinks/ecs"
	"wormscope/sinks/elastic"
	"wormscope/sinks/event"
	"wormscope/sinks/tlsconf"
	"wormscope/sinks/web"

	"github.com/google/go-cmp/cmp"
)

// documents renders events that stand for documents which are there already,
// by their id.
type documents map[string][]byte

func (d documents) Event(e *event.Event) ([]byte, error) {
	if body, ok := d[e.ID()]; ok {
		return body, nil
	}
	return nil, errors.New("no such document")
}

func (d documents) events() []event.Event {
	list := make([]event.Event, 0, len(d))
	for id := range d {
		list = append(list, event.Event{Change: &scope.Change{ID: id}})
	}
	slices.SortFunc(list, func(a, b event.Event) int { return strings.Compare(a.ID(), b.ID()) })
	return list
}

// golden is every document that the project's captures lead to.
func golden(t *testing.T) documents {
	t.Helper()
	files, err := filepath.Glob("../../testdata/golden/*.alerts.json")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d golden files: %v", len(files), err)
	}
	d := documents{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var doc struct {
				Event struct {
					ID string `json:"id"`
				} `json:"event"`
			}
			if err := json.Unmarshal(line, &doc); err != nil {
				t.Fatal(err)
			}
			d[doc.Event.ID] = bytes.TrimSpace(line)
		}
	}
	return d
}

// sampleDocuments is one document of every rule and state.
func sampleDocuments(t *testing.T) (documents, []event.Event) {
	t.Helper()
	zones, err := samples.Zones()
	if err != nil {
		t.Fatal(err)
	}
	r := ecs.New(ecs.Options{Version: "1.0.0", Observer: "sensor-1", Zones: zones})
	d := documents{}
	var list []event.Event
	for i, s := range samples.All() {
		e := s.Event
		if e.Alert != nil { // samples of one rule share their id
			a := *e.Alert
			a.ID = fmt.Sprintf("%s-%d", a.ID, i)
			e.Alert = &a
		}
		body, err := r.Event(&e)
		if err != nil {
			t.Fatal(err)
		}
		d[e.ID()] = body
		list = append(list, e)
	}
	return d, list
}

func newSink(t *testing.T, s elastic.Config, r sinks.Renderer) *elastic.Sink {
	t.Helper()
	k, err := elastic.New(s, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// deliver delivers a batch, of which nothing may be refused.
func deliver(t *testing.T, k *elastic.Sink, batch []event.Event) {
	t.Helper()
	for _, r := range try(t, k, batch) {
		t.Errorf("refused: %v\n%s", r.Err, r.Body)
	}
}

// try delivers a batch as an outbox does: again until it is done. It returns what
// was refused.
func try(t *testing.T, k *elastic.Sink, batch []event.Event) (refused []sinks.Refusal) {
	t.Helper()
	settled(t, func() (err error) {
		refused, err = k.Deliver(t.Context(), batch)
		return err
	})
	return refused
}

// settled does something again until it succeeds: a server that has much to do
// may say that it can't.
func settled(t *testing.T, do func() error) {
	t.Helper()
	for end := time.Now().Add(testnet.Patience); ; time.Sleep(100 * time.Millisecond) {
		err := do()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// compare holds what the index has against what was delivered.
func compare(t *testing.T, server *searchtest.Server, index string, want documents) {
	t.Helper()
	got := server.Documents(index)
	if len(got) != len(want) {
		t.Errorf("%d documents are there, want %d", len(got), len(want))
	}
	for id, body := range want {
		if diff := cmp.Diff(string(body), string(got[id])); diff != "" {
			t.Errorf("document %s (-want +got):\n%s", id, diff)
		}
	}
}

// TestOpenSearch delivers to a real OpenSearch.
func TestOpenSearch(t *testing.T) {
	server := searchtest.Start(t)
	settings := func(stream string) elastic.Config {
		none := 0
		return elastic.Config{Settings: web.Settings{URL: server.URL}, DataStream: stream, Replicas: &none}
	}
	t.Run("golden events", func(t *testing.T) {
		want := golden(t)
		k := newSink(t, settings("logs-wormscope-golden"), want)
		for part := range slices.Chunk(want.events(), 100) {
			deliver(t, k, part)
		}
		compare(t, server, "logs-wormscope-golden", want)
		t.Logf("%d documents, dynamic: strict", len(want))
	})
	t.Run("samples, repeated", func(t *testing.T) { testRepeats(t, server, settings("logs-wormscope-repeats")) })
	t.Run("unknown field", func(t *testing.T) { testUnknownField(t, server, settings("logs-wormscope-strict")) })
	t.Run("closed for writing", func(t *testing.T) { testBlocked(t, server, settings("logs-wormscope-blocked")) })
	t.Run("older index", func(t *testing.T) { testOlderIndex(t, server, settings("logs-wormscope-older")) })
	t.Run("behind a proxy", func(t *testing.T) { testProxy(t, server) })
}

// testRepeats delivers everything twice, the second time from another sink.
func testRepeats(t *testing.T, server *searchtest.Server, s elastic.Config) {
	t.Helper()
	want, batch := sampleDocuments(t)
	for range 2 {
		k := newSink(t, s, want)
		settled(t, func() error { return k.Check(t.Context()) })
		deliver(t, k, batch)
	}
	compare(t, server, s.DataStream, want)
}

// testUnknownField plants documents that the index must not take.
func testUnknownField(t *testing.T, server *searchtest.Server, s elastic.Config) {
	t.Helper()
	want, batch := sampleDocuments(t)
	bad := maps.Clone(want)
	faults := map[int]struct{ from, to, words string }{
		3: {`"message":`, `"massage":`, "strict_dynamic_mapping_exception"},
		5: {`"severity":`, `"severity":"x","odd":`, "parsing_exception"},
	}
	for i, f := range faults {
		id := batch[i].ID()
		bad[id] = bytes.Replace(bad[id], []byte(f.from), []byte(f.to), 1)
		if bytes.Equal(bad[id], want[id]) {
			t.Fatalf("nothing planted in %s", bad[id])
		}
		delete(want, id)
	}
	k := newSink(t, s, bad)
	refused := try(t, k, batch)
	if len(refused) != len(faults) {
		t.Fatalf("%d refused", len(refused))
	}
	for n, i := range []int{3, 5} {
		if r := refused[n]; r.Event.ID() != batch[i].ID() || !strings.Contains(r.Err.Error(), faults[i].words) || !bytes.Equal(r.Body, bad[batch[i].ID()]) {
			t.Errorf("refused: %s: %v", r.Event.ID(), r.Err)
		}
	}
	compare(t, server, s.DataStream, want)
}

// testBlocked closes the index, as a nearly full disk does, and opens it again.
func testBlocked(t *testing.T, server *searchtest.Server, s elastic.Config) {
	t.Helper()
	want, batch := sampleDocuments(t)
	k := newSink(t, s, want)
	deliver(t, k, batch[:5])
	for setting, words := range map[string]string{
		"index.blocks.write":                  "the index is closed for writing",
		"index.blocks.read_only_allow_delete": "its disk is nearly full",
	} {
		server.Do(http.MethodPut, "/"+s.DataStream+"/_settings", `{"`+setting+`": true}`, nil)
		refused, err := k.Deliver(t.Context(), batch)
		if err == nil || len(refused) > 0 || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %d refused, %v", setting, len(refused), err)
		}
		t.Log(err)
		server.Do(http.MethodPut, "/"+s.DataStream+"/_settings", `{"`+setting+`": null}`, nil)
	}
	deliver(t, k, batch)
	compare(t, server, s.DataStream, want)
}

// testOlderIndex has an index that an earlier version made, which lacks a field.
func testOlderIndex(t *testing.T, server *searchtest.Server, s elastic.Config) {
	t.Helper()
	server.Do(http.MethodPut, "/_index_template/"+s.DataStream, `{"index_patterns": ["`+s.DataStream+`"], "data_stream": {}, "priority": 250,
		"template": {"settings": {"number_of_replicas": 0}, "mappings": {"dynamic": "strict", "properties": {"message": {"type": "match_only_text"}}}}}`, nil)
	server.Do(http.MethodPut, "/_data_stream/"+s.DataStream, "", nil)
	want, batch := sampleDocuments(t)
	deliver(t, newSink(t, s, want), batch)
	compare(t, server, s.DataStream, want)
}

// testProxy has TLS and authentication before the server, as the published
// jars bring none, and checks what each mistake is called.
func testProxy(t *testing.T, server *searchtest.Server) {
	t.Helper()
	ca := testca.New(t, "house authority")
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	zipped := 0
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case user == "reader":
			w.WriteHeader(http.StatusForbidden)
			return
		case (user != "worm" || password != "secret") && r.Header.Get("Authorization") != "ApiKey aWQ6a2V5":
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Header.Get("Content-Encoding") == "gzip" {
			zipped++
		}
		r.Header.Del("Authorization")
		forward.ServeHTTP(w, r)
	}))
	proxy.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue("siem", testca.Options{}).TLS(t)}}
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	proxy.StartTLS()
	defer proxy.Close()

	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*elastic.Config)
		want   string // empty: it works
	}{
		"password":       {func(s *elastic.Config) { s.Username, s.PasswordFile = "worm", password }, ""},
		"API key":        {func(s *elastic.Config) { s.APIKey = "id:key" }, ""},
		"API key as is":  {func(s *elastic.Config) { s.APIKey = "aWQ6a2V5" }, ""},
		"not zipped":     {func(s *elastic.Config) { s.APIKey, s.NoGzip = "id:key", true }, ""},
		"wrong password": {func(s *elastic.Config) { s.Username, s.Password = "worm", "wrong" }, "does not know the user, or password or API key are wrong"},
		"no password":    {func(*elastic.Config) {}, "does not know the user"},
		"no right":       {func(s *elastic.Config) { s.Username, s.Password = "reader", "secret" }, "the user may not do this: it needs create_doc and manage on logs-wormscope-proxy"},
		"wrong CA":       {func(s *elastic.Config) { s.TLS.CA = testca.New(t, "foreign").File }, "its certificate is signed by"},
		"wrong name":     {func(s *elastic.Config) { s.TLS.ServerName = "siem.example" }, "not for siem.example"},
		"no TLS": {func(s *elastic.Config) {
			s.URL, s.TLS = strings.Replace(proxy.URL, "https", "http", 1), tlsconf.Settings{}
		}, "TLS"},
		"TLS to none": {func(s *elastic.Config) { s.URL = strings.Replace(server.URL, "http", "https", 1) }, "it answers without TLS: wrong port, or url must begin with http"},
	} {
		t.Run(name, func(t *testing.T) {
			none := 0
			s := elastic.Config{
				Settings:   web.Settings{URL: proxy.URL, TLS: tlsconf.Settings{CA: ca.File}},
				DataStream: "logs-wormscope-proxy", Replicas: &none,
			}
			c.change(&s)
			want, batch := sampleDocuments(t)
			k := newSink(t, s, want)
			if c.want == "" {
				settled(t, func() error { return k.Check(t.Context()) })
				deliver(t, k, batch)
				compare(t, server, s.DataStream, want)
				return
			}
			check := k.Check(t.Context())
			_, err := k.Deliver(t.Context(), batch)
			for _, err := range []error{check, err} {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
			}
		})
	}
	if zipped == 0 {
		t.Error("nothing was compressed")
	}
}
