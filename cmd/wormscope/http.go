package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/net/netutil"

	"wormscope/internal/input"
)

// httpSetting is about the server for metrics and health of a live run.
type httpSetting struct {
	Listen    string `yaml:"listen"`     // address and port, or a port alone for the loopback interface; nothing for no server
	Cert      string `yaml:"cert"`       // file of the certificate chain, PEM
	Key       string `yaml:"key"`        // file of its key, PEM
	TokenFile string `yaml:"token_file"` // file with the bearer token that clients must have
}

// tokenVariable is the environment variable that holds the token if no file does.
const tokenVariable = "WORMSCOPE_HTTP_TOKEN" //nolint:gosec // the name of it

// minToken is how many characters a token must have.
const minToken = 16

// addFlags adds the flags of the server.
func (v *httpSetting) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&v.Listen, "http", "", "serve /metrics, /healthz and /readyz at `ADDR`; a port alone is on the loopback interface")
	f.StringVar(&v.Cert, "http-cert", "", "certificate of the server of --http, PEM `FILE`")
	f.StringVar(&v.Key, "http-key", "", "key of that certificate, PEM `FILE`")
	f.StringVar(&v.TokenFile, "http-token-file", "", "`FILE` with the bearer token that clients must have (or "+tokenVariable+")")
}

// needed refuses flags about a server that is not asked for.
func (v *httpSetting) needed(listen string) error {
	for _, f := range []struct{ flag, value string }{{"http-cert", v.Cert}, {"http-key", v.Key}, {"http-token-file", v.TokenFile}} {
		if f.value != "" && listen == "" {
			return usagef("--%s needs --http", f.flag)
		}
	}
	return nil
}

// override replaces settings of the file by those of the flags. given reports whether a
// flag was given.
func (v *httpSetting) override(s *httpSetting, given func(flag string) bool) {
	flagOver(given("http"), v.Listen, &s.Listen)
	flagOver(given("http-cert"), v.Cert, &s.Cert)
	flagOver(given("http-key"), v.Key, &s.Key)
	flagOver(given("http-token-file"), v.TokenFile, &s.TokenFile)
}

// address returns where to listen, and whether only this machine can reach that.
func (v *httpSetting) address() (address string, loopback bool, err error) {
	host, port := "", v.Listen
	if strings.Contains(v.Listen, ":") {
		if host, port, err = net.SplitHostPort(v.Listen); err != nil {
			return "", false, usagef("--http %s: want ADDRESS:PORT or a port", v.Listen)
		}
	}
	if _, err = strconv.ParseUint(port, 10, 16); err != nil {
		return "", false, usagef("--http %s: %q is no port", v.Listen, port)
	}
	if host == "" {
		return net.JoinHostPort("127.0.0.1", port), true, nil
	}
	addr, err := netip.ParseAddr(host)
	return net.JoinHostPort(host, port), host == "localhost" || err == nil && addr.Unmap().IsLoopback(), nil
}

// check is address with a check of what else the settings need.
func (v *httpSetting) check() (address string, loopback bool, err error) {
	address, loopback, err = v.address()
	switch {
	case err != nil:
	case (v.Cert == "") != (v.Key == ""):
		err = errors.New("http: a certificate and its key go together")
	case !loopback && v.Cert == "":
		err = errExposed(address)
	}
	return address, loopback, err
}

// refuse returns what is wrong with the settings themselves.
func (v *httpSetting) refuse() error {
	if v.Listen == "" {
		return nil
	}
	_, _, err := v.check()
	return err
}

// faults returns all that is wrong with the settings, including the files that they
// name. It can't know the token that a run will have in its environment.
func (v *httpSetting) faults() []error {
	if v.Listen == "" {
		return nil
	}
	_, tokenErr := v.token()
	list := []error{v.refuse(), tokenErr}
	if v.Cert != "" && v.Key != "" {
		_, err := serverTLS(v.Cert, v.Key, nil)
		list = append(list, err)
	}
	return list
}

// errExposed returns the error for an address that other machines can reach while TLS or
// a token is missing.
func errExposed(address string) error {
	return fmt.Errorf("http: others than this machine can reach %s: that needs TLS (--http-cert, --http-key) and a token (--http-token-file or %s)", address, tokenVariable)
}

// token returns the token that clients must have, empty for none.
func (v *httpSetting) token() (string, error) {
	token, from := os.Getenv(tokenVariable), tokenVariable
	if v.TokenFile != "" {
		text, err := input.Read(v.TokenFile)
		if err != nil {
			return "", fmt.Errorf("http token: %w", err)
		}
		token, from = strings.TrimSpace(string(text)), v.TokenFile
	} else if token == "" {
		return "", nil
	}
	if len(token) < minToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("http token in %s: want one word of at least %d characters", from, minToken)
	}
	return token, nil
}

// A statusServer serves metrics and health of a run over HTTP.
type statusServer struct {
	listener net.Listener
	server   *http.Server
	done     sync.WaitGroup
}

// openStatus begins to listen where the settings say; it returns nil if they do not. An
// address that other machines can reach needs TLS and a token.
func openStatus(ctx context.Context, v *httpSetting, b *board, stale func(error)) (*statusServer, error) {
	if v.Listen == "" {
		return nil, nil //nolint:nilnil // there is nothing to close
	}
	address, loopback, err := v.check()
	if err != nil {
		return nil, err
	}
	token, err := v.token()
	if err != nil {
		return nil, err
	}
	if !loopback && token == "" {
		return nil, errExposed(address)
	}
	handler, err := statusHandler(b, token)
	if err != nil {
		return nil, err
	}
	s := &statusServer{server: newServer(handler)}
	if v.Cert != "" {
		if s.server.TLSConfig, err = serverTLS(v.Cert, v.Key, stale); err != nil {
			return nil, err
		}
	}
	if s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	return s, nil
}

// newServer returns a server with time-outs, so that no client can hold it up for long.
// It speaks HTTP/1.1 alone: an HTTP/2 client that asks for nothing would keep its
// connection as long as one that idles.
func newServer(h http.Handler) *http.Server {
	var spoken http.Protocols
	spoken.SetHTTP1(true)
	return &http.Server{
		Protocols:         &spoken,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo), // clients that give up are no news
	}
}

// maxConnections is how many clients are served at a time.
const maxConnections = 32

// serve answers until the server is closed. failed is called when it ends for
// any other reason.
func (s *statusServer) serve(failed func(error)) {
	if s == nil {
		return
	}
	listener := netutil.LimitListener(s.listener, maxConnections)
	s.done.Go(func() {
		var err error
		if s.server.TLSConfig != nil {
			err = s.server.ServeTLS(listener, "", "")
		} else {
			err = s.server.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			failed(err)
		}
	})
}

// close ends the server, whatever it is doing.
func (s *statusServer) close() error {
	if s == nil {
		return nil
	}
	err := errors.Join(s.server.Close(), ignoreClosed(s.listener.Close()))
	s.done.Wait()
	return err
}

// ignoreClosed returns err, unless it says that something was closed before.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// serverTLS returns a configuration with a certificate that is read again when its file
// changes. stale is called when a new one can't be read, so that the old one stays.
func serverTLS(cert, key string, stale func(error)) (*tls.Config, error) {
	c := &certificate{cert: cert, key: key, stale: stale}
	if _, err := c.current(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current() },
	}, nil
}

// A certificate is a certificate and key in files.
type certificate struct {
	cert, key string
	stale     func(error)

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time // of the file that was loaded
	said    string    // what stale was told last
}

// current returns the certificate. A new one that can't be read, because only
// half of it is there yet, is tried again next time.
func (c *certificate) current() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.cert)
	if err == nil && c.loaded != nil && info.ModTime().Equal(c.changed) {
		return c.loaded, nil
	}
	pair, loadErr := tls.LoadX509KeyPair(c.cert, c.key)
	if err = cmp.Or(err, loadErr); err != nil {
		if c.loaded != nil {
			if text := err.Error(); text != c.said {
				c.said = text
				c.stale(err)
			}
			return c.loaded, nil
		}
		return nil, fmt.Errorf("http certificate %s, key %s: %w", c.cert, c.key, err)
	}
	c.loaded, c.changed, c.said = &pair, info.ModTime(), ""
	return c.loaded, nil
}

// files returns the files that the server reads while it runs.
func (v *httpSetting) files() []string {
	if v.Listen == "" || v.Cert == "" {
		return nil
	}
	return []string{v.Cert, v.Key}
}

// statusHandler answers GET and HEAD of the three pages, from clients that
// have the token.
func statusHandler(b *board, token string) (http.Handler, error) {
	registry, err := newRegistry(b)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 20 * time.Second, Registry: registry,
	}))
	mux.Handle("GET /healthz", answer(func() []string { return b.ailments(time.Now()) }))
	mux.Handle("GET /readyz", answer(func() []string { return b.unready(time.Now()) }))
	if token == "" {
		return demandLocal(mux), nil
	}
	return demandToken(token, mux), nil
}

// demandLocal answers only requests for this machine, by an address or a name that only
// it has. A page that somebody here looks at in a browser could have its own name lead
// here (DNS rebinding), and then read what only this machine may.
func demandLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local(r.Host) {
			http.Error(w, "ask for localhost or 127.0.0.1, or set a token: other names may be anybody's", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// local reports whether a request's host is an address, or a name that nobody on the
// internet can have: of one label, as localhost, or this machine's own.
func local(host string) bool {
	name := strings.ToLower(strings.TrimSuffix((&url.URL{Host: host}).Hostname(), "."))
	if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") {
		return true
	}
	own, err := os.Hostname()
	return strings.HasSuffix(name, ".localhost") || strings.HasSuffix(name, ".localdomain") || err == nil && strings.EqualFold(name, own)
}

// answer says ok, or what is wrong, one thing a line.
func answer(wrong func() []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		text := "ok"
		if lines := wrong(); len(lines) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			text = strings.Join(lines, "\n")
		}
		_, _ = fmt.Fprintln(w, text) // a client that has gone has gone
	})
}

// demandToken answers only requests that have the token. It compares hashes, so that
// the time it takes tells nothing about the token, not even its length. It closes the
// connections of others, of which there are few, so that they are free for who has it.
func demandToken(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.Header().Set("Connection", "close")
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
