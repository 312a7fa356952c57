// Package splunk delivers events to Splunk's HTTP Event Collector.
package splunk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"wormscope/sinks"
	"wormscope/sinks/event"
	"wormscope/sinks/web"
)

// Config says where events go and what Splunk makes of them.
type Config struct {
	web.Settings `yaml:",inline"`

	Token     string `yaml:"token"`
	TokenFile string `yaml:"token_file"` // its first line is the token

	Index      string `yaml:"index"`      // the token's own if empty
	Source     string `yaml:"source"`     // wormscope if empty
	SourceType string `yaml:"sourcetype"` // _json for JSON, wormscope for other text, if empty
	Host       string `yaml:"host"`       // name of the sensor; the system's host name if empty

	// Ack says that the token has indexer acknowledgement on: an event has
	// arrived when it is indexed.
	Ack        bool          `yaml:"ack"`
	AckTimeout time.Duration `yaml:"ack_timeout"` // how long indexing may take; 2 minutes if 0
}

const (
	requestBytes = 800 << 10 // of the documents of one request: Splunk Cloud takes 1 MB
	maxPause     = 2 * time.Second
)

// A Sink delivers to one collector.
//
// Without Ack, an event has arrived when Splunk has accepted the request: it is in a
// queue in memory then. With Ack, it has when Splunk says that it is indexed. Splunk
// does not drop repeats; they have the same event id.
type Sink struct {
	config  Config
	client  *web.Client
	render  sinks.Renderer
	channel string // id of the channel on which acknowledgements are asked for
	settled web.Settled
}

// Validate says what is wrong with the settings, files that they name
// included, without connecting.
func (c *Config) Validate() error {
	_, err := New(*c, nil)
	return err
}

// New makes a sink that renders events with r. It does not connect.
func New(c Config, r sinks.Renderer) (*Sink, error) {
	token, err := web.Secret("token", c.Token, c.TokenFile)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, errors.New("token or token_file: missing")
	}
	if c.AckTimeout == 0 {
		c.AckTimeout = 2 * time.Minute
	}
	if c.AckTimeout < 0 {
		return nil, fmt.Errorf("ack_timeout: %v: want more than 0", c.AckTimeout)
	}
	if c.Source == "" {
		c.Source = "wormscope"
	}
	if c.Host == "" {
		if c.Host, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("host: missing, and the system's name is not known: %w", err)
		}
	}
	k := &Sink{config: c, render: r, channel: newChannel()}
	header := http.Header{"User-Agent": {"wormscope"}, "Authorization": {"Splunk " + token}, "X-Splunk-Request-Channel": {k.channel}}
	k.client, err = web.New(c.Settings, header)
	return k, err
}

// newChannel makes a random UUID, version 4 (RFC 9562).
func newChannel() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Wants reports whether the event is one: facts are not.
func (k *Sink) Wants(e *event.Event) bool { return e.Fact == nil }

// Deliver sends a batch, in requests of 800 KiB at most, and with Ack waits
// until all is indexed. What was settled before something failed is not sent
// again with the same batch.
func (k *Sink) Deliver(ctx context.Context, batch []event.Event) ([]sinks.Refusal, error) {
	list := k.settled.Documents(batch, k.render)
	for i := range list {
		if err := k.wrap(&list[i]); err != nil {
			return nil, fmt.Errorf("splunk: event %s: %w", list[i].ID, err)
		}
	}
	pending := map[uint64][]web.Document{}
	var failed error
	for failed == nil && len(list) > 0 {
		n := web.Fits(list, requestBytes)
		failed = k.send(ctx, list[:n], pending)
		list = list[n:]
	}
	if err := errors.Join(failed, k.indexed(ctx, pending)); err != nil {
		return nil, fmt.Errorf("splunk: %w", err)
	}
	return k.settled.Done(batch), nil
}

// envelope is an event as the collector wants it.
type envelope struct {
	Time       json.Number     `json:"time"` // seconds since 1970
	Host       string          `json:"host"`
	Source     string          `json:"source"`
	SourceType string          `json:"sourcetype"`
	Index      string          `json:"index,omitempty"`
	Event      json.RawMessage `json:"event"`
}

// wrap puts a document into its envelope.
func (k *Sink) wrap(d *web.Document) error {
	at := d.Event.Time()
	e := envelope{
		Time: json.Number(fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000)),
		Host: k.config.Host, Source: k.config.Source, SourceType: k.config.SourceType, Index: k.config.Index, Event: d.Body,
	}
	kind := "_json"
	if !json.Valid(d.Body) {
		text, err := json.Marshal(string(d.Body))
		if err != nil {
			return err
		}
		kind, e.Event = "wormscope", text
	}
	if e.SourceType == "" {
		e.SourceType = kind
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the event stays as it was rendered
	err := enc.Encode(e)
	d.Body = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return err
}

// reply is what the collector says.
type reply struct {
	Text    string  `json:"text"`
	Code    int     `json:"code"`
	AckID   *uint64 `json:"ackId"`
	Invalid *int    `json:"invalid-event-number"` // from 0
}

// send sends documents in one request, or in several where the collector does
// not take them. What must still be indexed is added to pending.
func (k *Sink) send(ctx context.Context, list []web.Document, pending map[uint64][]web.Document) error {
	var body []byte
	for i := range list {
		body = append(append(body, list[i].Body...), '\n')
	}
	a, err := k.client.Do(ctx, http.MethodPost, "/services/collector/event", "application/json", body)
	if err != nil {
		return err
	}
	var r reply
	understood := json.Unmarshal(a.Body, &r) == nil
	switch {
	case a.Status == http.StatusRequestEntityTooLarge:
		if len(list) == 1 {
			k.settled.Refuse(&list[0], fmt.Errorf("splunk: %w", web.TooLarge(&list[0], "max_content_length of limits.conf", a)))
			return nil
		}
		return k.halves(ctx, list, pending)
	case understood && a.Status == http.StatusBadRequest && aboutEvents(r.Code):
		return k.without(ctx, list, r, pending)
	case !understood || a.Status != http.StatusOK || r.Code != 0:
		return k.problem(a, r)
	}
	return k.taken(list, r, pending)
}

// taken notes that the collector has accepted documents.
func (k *Sink) taken(list []web.Document, r reply, pending map[uint64][]web.Document) error {
	switch {
	case k.config.Ack && r.AckID == nil:
		return fmt.Errorf("%s: it acknowledges nothing: turn indexer acknowledgement on for the token, or ack off here", k.client.Host())
	case k.config.Ack:
		pending[*r.AckID] = list
	default:
		for i := range list {
			k.settled.Arrive(&list[i])
		}
	}
	return nil
}

// halves sends documents as two requests.
func (k *Sink) halves(ctx context.Context, list []web.Document, pending map[uint64][]web.Document) error {
	half := len(list) / 2
	if err := k.send(ctx, list[:half], pending); err != nil {
		return err
	}
	return k.send(ctx, list[half:], pending)
}

// without refuses the event that the collector does not take, and sends the others.
// If the collector does not name the event, it is found by sending halves. It is not
// documented what becomes of the events before it, so they are sent again.
func (k *Sink) without(ctx context.Context, list []web.Document, r reply, pending map[uint64][]web.Document) error {
	bad := 0
	switch {
	case len(list) == 1:
	case r.Invalid != nil && *r.Invalid >= 0 && *r.Invalid < len(list):
		bad = *r.Invalid
	default:
		return k.halves(ctx, list, pending)
	}
	k.settled.Refuse(&list[bad], fmt.Errorf("splunk: it does not take the event: %s (code %d)", r.Text, r.Code))
	for _, part := range [][]web.Document{list[:bad], list[bad+1:]} {
		if len(part) == 0 {
			continue
		}
		if err := k.send(ctx, part, pending); err != nil {
			return err
		}
	}
	return nil
}

// Check sends a request without events. A collector that knows the token and takes
// requests answers that there is no data.
func (k *Sink) Check(ctx context.Context) error {
	a, err := k.client.Do(ctx, http.MethodPost, "/services/collector/event", "application/json", nil)
	if err == nil {
		var r reply
		if json.Unmarshal(a.Body, &r) != nil || r.Code != codeNoData {
			err = k.problem(a, r)
		}
	}
	if err != nil {
		return fmt.Errorf("splunk: %w", err)
	}
	return nil
}

// Close gives up the connection.
func (k *Sink) Close() error {
	k.client.Close()
	return nil
}
