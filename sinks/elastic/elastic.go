// Package elastic delivers events to a data stream of Elasticsearch (7.14 or
// later) or OpenSearch (2.12 or later), with the bulk API.
package elastic

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"wormscope/sinks"
	"wormscope/sinks/event"
	"wormscope/sinks/web"
)

// Config says where events go.
type Config struct {
	web.Settings `yaml:",inline"`

	Username     string `yaml:"username"`
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"` // its first line is the password
	APIKey       string `yaml:"api_key"`       // ID:KEY, or that in Base64
	APIKeyFile   string `yaml:"api_key_file"`  // its first line is the key

	DataStream string `yaml:"data_stream"` // logs-wormscope-default if empty
	// Foreign says that somebody else makes the index template.
	Foreign bool `yaml:"foreign_template"`
	// Replicas is how many copies an index has besides the first; nil leaves
	// it to the server.
	Replicas *int `yaml:"replicas"`
}

const (
	defaultStream = "logs-wormscope-default"
	bulkBytes     = 5 << 20 // of the documents of one request, before compression
	ndjson        = "application/x-ndjson"
)

// A Sink delivers to one data stream. The document's id is the event's, so that an
// event that is delivered again is not indexed twice (the server answers 409), as
// long as the stream has not rolled over to its next index.
type Sink struct {
	config Config
	client *web.Client
	render sinks.Renderer
	ready  bool // the template is there

	settled web.Settled
}

// Validate says what is wrong with the settings, files that they name
// included, without connecting.
func (c *Config) Validate() error {
	_, err := New(*c, nil)
	return err
}

// InTheClear reports whether anybody on the way can read a password or key.
func (c *Config) InTheClear() bool {
	return c.Settings.InTheClear() && c.Password+c.PasswordFile+c.APIKey+c.APIKeyFile != ""
}

// New makes a sink that renders documents with r. It does not connect. The
// template is made for ECS documents: with another renderer, set Foreign.
func New(c Config, r sinks.Renderer) (*Sink, error) {
	if c.DataStream == "" {
		c.DataStream = defaultStream
	}
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`).MatchString(c.DataStream) {
		return nil, fmt.Errorf("data_stream: %q: want small letters, digits, dots, hyphens and underscores", c.DataStream)
	}
	if c.Replicas != nil && *c.Replicas < 0 {
		return nil, fmt.Errorf("replicas: %d: must not be negative", *c.Replicas)
	}
	header, err := authorization(c)
	if err != nil {
		return nil, err
	}
	client, err := web.New(c.Settings, header)
	if err != nil {
		return nil, err
	}
	return &Sink{config: c, client: client, render: r}, nil
}

func authorization(c Config) (http.Header, error) {
	h := http.Header{"User-Agent": {"wormscope"}}
	password, err := web.Secret("password", c.Password, c.PasswordFile)
	if err != nil {
		return nil, err
	}
	key, err := web.Secret("api_key", c.APIKey, c.APIKeyFile)
	if err != nil {
		return nil, err
	}
	switch {
	case key != "" && c.Username != "":
		return nil, errors.New("username and api_key: give one of them")
	case key != "":
		if strings.Contains(key, ":") {
			key = base64.StdEncoding.EncodeToString([]byte(key))
		}
		h.Set("Authorization", "ApiKey "+key)
	case c.Username != "":
		if password == "" {
			return nil, errors.New("password or password_file: missing")
		}
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.Username+":"+password)))
	case password != "":
		return nil, errors.New("username: missing")
	}
	return h, nil
}

// Wants reports whether the event is one: facts are not.
func (k *Sink) Wants(e *event.Event) bool { return e.Fact == nil }

// Deliver sends a batch, in requests of 5 MiB at most. It returns an error if there
// are events that the server can't take now. When the batch is delivered again,
// only these are sent.
func (k *Sink) Deliver(ctx context.Context, batch []event.Event) ([]sinks.Refusal, error) {
	if err := k.prepare(ctx); err != nil {
		return nil, fmt.Errorf("elastic: %w", err)
	}
	var waiting error // why the first event that has to wait was not taken
	for rest := k.settled.Documents(batch, k.render); len(rest) > 0; {
		n := web.Fits(rest, bulkBytes)
		late, err := k.bulk(ctx, rest[:n])
		if err != nil {
			return nil, fmt.Errorf("elastic: %w", err)
		}
		if waiting == nil {
			waiting = late
		}
		rest = rest[n:]
	}
	if waiting != nil {
		return nil, fmt.Errorf("elastic: %s: %w", k.client.Host(), waiting)
	}
	return k.settled.Done(batch), nil
}

// bulk sends documents in one request. waiting is the first reason why one of
// them was not taken yet; an error is about the request as a whole.
func (k *Sink) bulk(ctx context.Context, list []web.Document) (waiting, err error) {
	var b bytes.Buffer
	for i := range list {
		fmt.Fprintf(&b, "{\"create\":{\"_id\":%q}}\n%s\n", list[i].ID, list[i].Body)
	}
	a, err := k.client.Do(ctx, http.MethodPost, "/"+k.config.DataStream+"/_bulk", ndjson, b.Bytes())
	if err != nil {
		return nil, err
	}
	if a.Status == http.StatusRequestEntityTooLarge {
		return k.halve(ctx, list, a)
	}
	if a.Status != http.StatusOK {
		return nil, k.problem(a)
	}
	return k.settle(list, a)
}

// halve sends a request that the server finds too large as two, down to a
// single document, which is then refused.
func (k *Sink) halve(ctx context.Context, list []web.Document, a web.Answer) (waiting, err error) {
	if len(list) == 1 {
		k.settled.Refuse(&list[0], web.TooLarge(&list[0], "http.max_content_length", a))
		return nil, nil
	}
	half := len(list) / 2
	waiting, err = k.bulk(ctx, list[:half])
	if err != nil {
		return nil, err
	}
	more, err := k.bulk(ctx, list[half:])
	if waiting == nil {
		waiting = more
	}
	return waiting, err
}

// item is the server's answer about one document.
type item struct {
	Create struct {
		ID     string  `json:"_id"`
		Status int     `json:"status"`
		Error  failure `json:"error"`
	} `json:"create"`
}

// failure is an error as the server tells it.
type failure struct {
	Type     string   `json:"type"`
	Reason   string   `json:"reason"`
	CausedBy *failure `json:"caused_by"`
}

func (f *failure) String() string {
	if f.CausedBy != nil {
		return f.Type + ": " + f.Reason + ": " + f.CausedBy.String()
	}
	return f.Type + ": " + f.Reason
}

// settle notes the outcome of each document. waiting is the first reason why one of
// them was not taken yet.
func (k *Sink) settle(list []web.Document, a web.Answer) (waiting, err error) {
	var answer struct {
		Items []item `json:"items"`
	}
	if err := json.Unmarshal(a.Body, &answer); err != nil || len(answer.Items) != len(list) {
		return nil, fmt.Errorf("%s: no answer of the bulk API to %d documents: %s", k.client.Host(), len(list), a.Excerpt())
	}
	for i := range list {
		d, said := &list[i], &answer.Items[i].Create
		switch {
		case said.ID != "" && said.ID != d.ID:
			return nil, fmt.Errorf("%s: the answer is about %q where %q was sent", k.client.Host(), said.ID, d.ID)
		case said.Status == http.StatusOK, said.Status == http.StatusCreated, said.Status == http.StatusConflict:
			k.settled.Arrive(d)
		case said.Status == http.StatusBadRequest && unfit(said.Error.Type):
			k.settled.Refuse(d, fmt.Errorf("the index does not take the document: %s", &said.Error))
		case waiting == nil:
			waiting = fmt.Errorf("%d: %s%s", said.Status, &said.Error, advice(&said.Error))
		}
	}
	return waiting, nil
}

// unfit reports whether an error is about the document itself, so that it
// would be the same at any time.
func unfit(kind string) bool {
	return strings.HasSuffix(kind, "parsing_exception") || strings.HasSuffix(kind, "mapping_exception") ||
		kind == "illegal_argument_exception" || kind == "mapper_exception" || kind == "max_bytes_length_exceeded_exception"
}

// advice explains an error, where the server's own words do not say what to do.
func advice(f *failure) string {
	switch {
	case strings.Contains(f.Reason, "flood-stage"), strings.Contains(f.Reason, "FORBIDDEN/12"), strings.Contains(f.Reason, "TOO_MANY_REQUESTS/12"):
		return " (its disk is nearly full)"
	case f.Type == "cluster_block_exception":
		return " (the index is closed for writing)"
	case f.Type == "index_not_found_exception":
		return " (the data stream is not there and is not made by itself: make it, or allow action.auto_create_index)"
	default:
		return ""
	}
}

// problem puts an answer to a request as a whole into words.
func (k *Sink) problem(a web.Answer) error {
	host, words := k.client.Host(), ""
	switch a.Status {
	case http.StatusUnauthorized:
		words = "the server does not know the user, or password or API key are wrong"
	case http.StatusForbidden:
		words = "the user may not do this: it needs create_doc and manage on " + k.config.DataStream + ", and manage_index_templates unless foreign_template is set"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		words = "there is no such API: is it Elasticsearch or OpenSearch, and url right?"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		words = "the server is overloaded or not ready"
	default:
		if a.Status/100 == 3 {
			words = "the server sends elsewhere: set url to where it is"
		}
	}
	if words == "" {
		return fmt.Errorf("%s: %s", host, a.Excerpt())
	}
	return fmt.Errorf("%s: %s (%s)", host, words, a.Excerpt())
}

// Check connects, and makes or updates the template unless that is someone
// else's. Nothing is written to the data stream.
func (k *Sink) Check(ctx context.Context) error {
	a, err := k.client.Do(ctx, http.MethodGet, "/", "", nil)
	if err == nil && a.Status != http.StatusOK {
		err = k.problem(a)
	}
	if err == nil {
		k.ready = false
		err = k.prepare(ctx)
	}
	if err != nil {
		return fmt.Errorf("elastic: %w", err)
	}
	return nil
}

// Close gives up the connection.
func (k *Sink) Close() error {
	k.client.Close()
	return nil
}
