// Package web is what the sinks that speak HTTP share: TLS, authentication,
// compression, bounded answers, errors that say what to do, and what of a batch was
// settled.
package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"wormscope/internal/input"
	"wormscope/sinks/tlsconf"
)

// Settings say where a server is and how to speak to it.
type Settings struct {
	URL     string           `yaml:"url"`     // http or https, host, port and the path that all requests begin with
	TLS     tlsconf.Settings `yaml:"tls"`     // with https only
	Timeout time.Duration    `yaml:"timeout"` // for one request with its answer; 30 s if 0
	NoGzip  bool             `yaml:"no_gzip"` // send bodies as they are
}

const (
	defaultTimeout = 30 * time.Second
	maxAnswer      = 64 << 20        // bytes; a longer one is an error
	maxWait        = 2 * time.Minute // before the next request, even if the server asks for more
	excerpt        = 300             // bytes of an answer that an error quotes
)

// A Client speaks to one server. It is used by one goroutine.
type Client struct {
	base   *url.URL
	http   http.Client
	header http.Header
	gzip   bool
	// notBefore is the earliest time for the next request (Retry-After).
	notBefore time.Time
}

// InTheClear reports whether anybody on the way can read what is sent.
func (s *Settings) InTheClear() bool {
	u, err := url.Parse(s.URL)
	return err == nil && u.Scheme == "http" && !tlsconf.IsLocal(u.Hostname())
}

// New makes a client that sends header with each request. It does not connect.
func New(s Settings, header http.Header) (*Client, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		quoted := ""
		if !strings.ContainsAny(s.URL, "@?#") { // or there may be a password or token in it
			quoted = fmt.Sprintf("%q: ", s.URL)
		}
		return nil, fmt.Errorf("url: %swant http://HOST:PORT or https://HOST:PORT", quoted)
	}
	if port := u.Port(); port != "" {
		if n, _ := strconv.Atoi(port); n < 1 || n > 65535 {
			return nil, fmt.Errorf("url: port %s: want 1 to 65535", port)
		}
	}
	if u.User != nil {
		return nil, errors.New("url: no user or password in it: there are settings for them")
	}
	if u.Scheme == "http" && s.TLS != (tlsconf.Settings{}) {
		return nil, errors.New("tls: settings are given, but url is http")
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	if s.Timeout < 0 {
		return nil, fmt.Errorf("timeout: %v: want more than 0", s.Timeout)
	}
	c := &Client{base: u, header: header, gzip: !s.NoGzip}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: s.Timeout}).DialContext,
		MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
	}
	if u.Scheme == "https" {
		if t.TLSClientConfig, err = s.TLS.Config(); err != nil {
			return nil, err
		}
	}
	c.http = http.Client{
		Transport: t, Timeout: s.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// An Answer is what a server said.
type Answer struct {
	Status int // of HTTP
	Body   []byte
}

// Excerpt is the beginning of the answer, on one line.
func (a Answer) Excerpt() string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(a.Body[:min(len(a.Body), excerpt)]), "")), " ")
	if text == "" {
		text = "nothing"
	}
	return fmt.Sprintf("%d %s: %s", a.Status, http.StatusText(a.Status), text)
}

// Do sends a request; path is appended to the URL of the settings, and body may be
// nil. It first waits as long as the last answer demanded. It returns an error only
// if there is no answer: an answer of any status is not an error.
func (c *Client) Do(ctx context.Context, method, path, contentType string, body []byte) (Answer, error) {
	if err := c.wait(ctx); err != nil {
		return Answer{}, err
	}
	request, err := c.request(ctx, method, path, contentType, body)
	if err != nil {
		return Answer{}, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		return Answer{}, c.explain(err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end or given up
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return Answer{}, c.explain(err)
	}
	if len(text) > maxAnswer {
		return Answer{}, fmt.Errorf("%s: an answer of more than %d bytes", c.base.Host, maxAnswer)
	}
	if c.base.Scheme == "http" && response.StatusCode == http.StatusBadRequest && bytes.Contains(text, []byte("HTTPS")) {
		return Answer{}, fmt.Errorf("%s: it wants TLS: url must begin with https", c.base.Host)
	}
	c.retryAfter(response)
	return Answer{Status: response.StatusCode, Body: text}, nil
}

func (c *Client) request(ctx context.Context, method, path, contentType string, body []byte) (*http.Request, error) {
	target := *c.base
	p, query, _ := strings.Cut(path, "?")
	target.Path, target.RawQuery = strings.TrimSuffix(target.Path, "/")+p, query
	zipped := body
	if c.gzip && len(body) > 0 {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write(body)
		if err = errors.Join(err, w.Close()); err != nil {
			return nil, err
		}
		zipped = b.Bytes()
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	maps.Copy(request.Header, c.header)
	if len(body) > 0 {
		request.Header.Set("Content-Type", contentType)
		if c.gzip {
			request.Header.Set("Content-Encoding", "gzip")
		}
	}
	return request, nil
}

// explain returns an error that says what to do, with the server's address before it.
func (c *Client) explain(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the request's address, which is long
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return &tlsconf.Error{Addr: c.base.Host, Words: "it answers without TLS: wrong port, or url must begin with http", Err: err}
	}
	err = tlsconf.Explain(c.base.Host, err)
	if c.base.Scheme == "http" && errors.Is(err, io.EOF) {
		return &tlsconf.Error{Addr: c.base.Host, Words: "it closed the connection without an answer: it may want TLS, then url must begin with https", Err: err}
	}
	return err
}

// Host is the host and port of the URL.
func (c *Client) Host() string { return c.base.Host }

// wait waits as long as the server demanded in its last answer.
func (c *Client) wait(ctx context.Context) error {
	left := time.Until(c.notBefore)
	if left <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(left):
		return nil
	}
}

// retryAfter remembers how long the server wants to be left alone (RFC 9110,
// 10.2.3), two minutes at most.
func (c *Client) retryAfter(r *http.Response) {
	text := r.Header.Get("Retry-After")
	if text == "" {
		return
	}
	var left time.Duration
	if seconds, err := strconv.Atoi(text); err == nil {
		left = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		left = time.Until(at)
	}
	c.notBefore = time.Now().Add(min(max(left, 0), maxWait))
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Secret returns a password or token: value, or the first line of the file at path.
// name is the name of its setting. Without value and path it is empty.
func Secret(name, value, path string) (string, error) {
	if path == "" {
		return value, nil
	}
	if value != "" {
		return "", fmt.Errorf("%s and %s_file: give one of them", name, name)
	}
	text, err := input.Read(path)
	if err != nil {
		return "", fmt.Errorf("%s_file: %w", name, err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("%s_file: %s: its first line is empty", name, path)
	}
	return line, nil
}
