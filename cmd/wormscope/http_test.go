package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/capture/ring"
	"wormscope/sinks/outbox"
)

// fullBoard shows a run that has something of everything.
func fullBoard(now time.Time) *board {
	b := &board{}
	b.turned.Store(now.UnixNano())
	b.latest.Store(fullSnapshot(now))
	return b
}

// serveStatus starts a server as live does, and returns where it is.
func serveStatus(t *testing.T, v httpSetting, b *board) string {
	t.Helper()
	s, err := openStatus(t.Context(), &v, b, func(err error) { t.Errorf("the certificate is not used: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	s.serve(func(err error) { t.Errorf("the server ended: %v", err) })
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s.listener.Addr().String()
}

// get asks for a page and returns the status and the text.
func get(t *testing.T, client *http.Client, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// testCertificate writes a certificate for 127.0.0.1 and its key, and returns
// the files and a client that trusts it.
func testCertificate(t *testing.T, dir string) (cert, key string, client *http.Client) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "sensor"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pool := x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(text)
	for path, block := range map[string][]byte{cert: text, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(path, block, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	return cert, key, &http.Client{Transport: transport}
}

func TestHTTPAddress(t *testing.T) {
	for listen, want := range map[string]struct {
		address  string
		loopback bool
	}{
		"9445":             {"127.0.0.1:9445", true},
		":9445":            {"127.0.0.1:9445", true},
		"127.0.0.1:9445":   {"127.0.0.1:9445", true},
		"127.8.0.1:9445":   {"127.8.0.1:9445", true},
		"[::1]:9445":       {"[::1]:9445", true},
		"localhost:9445":   {"localhost:9445", true},
		"0.0.0.0:9445":     {"0.0.0.0:9445", false},
		"[::]:9445":        {"[::]:9445", false},
		"192.0.2.1:9445":   {"192.0.2.1:9445", false},
		"sensor:9445":      {"sensor:9445", false}, // whatever it resolves to
		"localhost.a:9445": {"localhost.a:9445", false},
	} {
		address, loopback, err := (&httpSetting{Listen: listen}).address()
		if err != nil || address != want.address || loopback != want.loopback {
			t.Errorf("%q: %q, loopback %v, %v; want %v", listen, address, loopback, err, want)
		}
	}
	for _, listen := range []string{"x", ":x", "127.0.0.1:", "127.0.0.1:70000", "::1", "::1:9445:"} {
		if address, _, err := (&httpSetting{Listen: listen}).address(); err == nil {
			t.Errorf("%q is taken for %q", listen, address)
		}
	}
}

// TestHTTPRefuses pins what the server says when it refuses to start.
func TestHTTPRefuses(t *testing.T) {
	t.Setenv(tokenVariable, "")
	dir := t.TempDir()
	cert, key, _ := testCertificate(t, dir)
	short, long, none := filepath.Join(dir, "short"), filepath.Join(dir, "long"), filepath.Join(dir, "none")
	for path, text := range map[string]string{short: "secret\n", long: "0123456789abcdef\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := "http: others than this machine can reach 0.0.0.0:0: that needs TLS (--http-cert, --http-key) and a token (--http-token-file or WORMSCOPE_HTTP_TOKEN)"
	for want, v := range map[string]httpSetting{
		open:        {Listen: "0.0.0.0:0"},
		open + " ":  {Listen: "0.0.0.0:0", TokenFile: long},
		open + "  ": {Listen: "0.0.0.0:0", Cert: cert, Key: key},
		"http token in " + short + ": want one word of at least 16 characters":                         {Listen: "0", TokenFile: short},
		"http token: open " + none + ": no such file or directory":                                     {Listen: "0", TokenFile: none},
		"http certificate " + none + ", key " + key + ": stat " + none + ": no such file or directory": {Listen: "0", Cert: none, Key: key},
		"http: a certificate and its key go together":                                                  {Listen: "0", Cert: cert},
		"http certificate " + cert + ", key " + cert + ": tls: ":                                       {Listen: "0", Cert: cert, Key: cert},
		`--http 127.0.0.1:x: "x" is no port`:                                                           {Listen: "127.0.0.1:x"},
	} {
		s, err := openStatus(t.Context(), &v, &board{}, nil)
		if err == nil {
			t.Errorf("%+v: it starts, want %q", v, want)
			_ = s.listener.Close()
			continue
		}
		if got := err.Error(); got != strings.TrimSpace(want) && (!strings.HasSuffix(want, "tls: ") || !strings.HasPrefix(got, want)) {
			t.Errorf("%+v:\n got %s\nwant %s", v, got, want)
		}
	}
	if s, err := openStatus(t.Context(), &httpSetting{}, &board{}, nil); s != nil || err != nil {
		t.Errorf("without an address: %v, %v", s, err)
	}
}

// TestHTTPAsks checks who is let through, over TLS.
func TestHTTPAsks(t *testing.T) {
	const token = "correct-horse-battery"
	t.Setenv(tokenVariable, token)
	dir := t.TempDir()
	cert, key, client := testCertificate(t, dir)
	ahead := time.Now().Add(time.Hour) // so that the run is alive, however slow the machine
	address := serveStatus(t, httpSetting{Listen: "127.0.0.1:0", Cert: cert, Key: key}, fullBoard(ahead))
	for given, want := range map[string]int{
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer wrong": 401, "Basic " + token: 401, "Bearer " + token + "x": 401,
		"Bearer " + token: 200, "bearer " + token: 200,
	} {
		for _, page := range []string{"/metrics", "/healthz", "/readyz", "/none"} {
			if page == "/none" && want == 200 {
				want = 404
			}
			if got, _ := get(t, client, "https://"+address+page, given); got != want {
				t.Errorf("%s with %q: %d, want %d", page, given, got, want)
			}
		}
	}
	if got, text := get(t, http.DefaultClient, "http://"+address+"/metrics", "Bearer "+token); got != 400 {
		t.Errorf("without TLS: %d %s", got, text)
	}

	// A new certificate is served without a restart.
	if err := os.Chtimes(cert, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, _, renewed := testCertificate(t, dir)
	if got, _ := get(t, renewed, "https://"+address+"/healthz", "Bearer "+token); got != 200 {
		t.Errorf("with the new certificate: %d", got)
	}
}

// TestCertificateThatStays: a certificate in place of which there is one that can't be
// used is served on, and that is said, once for each reason.
func TestCertificateThatStays(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := testCertificate(t, dir)
	var said []error
	c, err := serverTLS(cert, key, func(err error) { said = append(said, err) })
	if err != nil {
		t.Fatal(err)
	}
	hours := 0
	serves := func(told int) {
		t.Helper()
		hours++
		if err := os.Chtimes(cert, time.Time{}, time.Now().Add(-time.Duration(hours)*time.Hour)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, err := c.GetCertificate(nil); got == nil || err != nil {
				t.Errorf("no certificate: %v", err)
			}
		}
		if len(said) != told {
			t.Errorf("told %d times, want %d: %v", len(said), told, said)
		}
	}
	serves(0)
	for told := 1; told <= 2; told++ {
		if err := os.WriteFile(cert, []byte("no certificate"), 0o600); err != nil {
			t.Fatal(err)
		}
		serves(told)
		testCertificate(t, dir)
		serves(told)
	}
}

// TestHTTPHealth tells a run that starts, is well, hangs, and lacks something.
func TestHTTPHealth(t *testing.T) {
	now := time.Now().Add(time.Hour) // ahead, so that nothing is long ago, however slow the machine
	b := &board{}
	address := serveStatus(t, httpSetting{Listen: "0"}, b)
	check := func(page string, status int, text string) {
		t.Helper()
		if got, said := get(t, http.DefaultClient, "http://"+address+page, ""); got != status || said != text+"\n" {
			t.Errorf("%s: %d %q, want %d %q", page, got, said, status, text)
		}
	}
	check("/healthz", 200, "ok")
	check("/readyz", 503, "starting: feeds are being read")
	s := fullSnapshot(now)
	b.latest.Store(s)
	b.turned.Store(now.UnixNano())
	check("/healthz", 200, "ok")
	check("/readyz", 200, "ok")
	wrong := *s
	wrong.Interfaces = append([]ring.Interface{{Name: "eth7"}}, s.Interfaces...)
	wrong.Feeds = append([]feedSnapshot{{Path: "/etc/wormscope/feeds/empty.csv"}}, s.Feeds...)
	b.latest.Store(&wrong)
	check("/healthz", 200, "ok")
	check("/readyz", 503, "interface eth7 is down or gone\nfeed /etc/wormscope/feeds/empty.csv: no indicator of it is in use")
	wrong = *s
	wrong.EventsFailed = now
	b.latest.Store(&wrong)
	check("/readyz", 503, "the event file can't be written: see the log")
	wrong = *s
	wrong.StateFailed = now
	b.latest.Store(&wrong)
	check("/readyz", 503, "the state folder can't be written: see the log")
	wrong = *s
	wrong.Outbox = &outbox.Stats{Error: "disk full", Sinks: []outbox.SinkStats{{Name: "kafka", Waiting: 3, Error: "no broker", Since: time.Unix(1_700_000_000, 0)}}}
	b.latest.Store(&wrong)
	check("/readyz", 503, "events can't be kept for sinks: disk full\nsink kafka, since 2023-11-14T22:13:20Z, 3 events wait: no broker")
	b.latest.Store(s)
	b.turned.Store(time.Now().Add(-time.Hour).UnixNano())
	if got, said := get(t, http.DefaultClient, "http://"+address+"/healthz", ""); got != 503 || !strings.HasPrefix(said, "the capture loop has not turned for 1h0m") {
		t.Errorf("a loop that hangs: %d %q", got, said)
	}
}

// TestHTTPMethods checks that nothing can be changed.
func TestHTTPMethods(t *testing.T) {
	address := serveStatus(t, httpSetting{Listen: "0"}, fullBoard(time.Now()))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/metrics", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d, %v", method, res.StatusCode, err)
		}
	}
}

// TestHTTPKeepsNoStranger: connections are few, and a client without a token would keep
// its own for as long as one that idles, again and again.
func TestHTTPKeepsNoStranger(t *testing.T) {
	cert, key, _ := testCertificate(t, t.TempDir())
	t.Setenv(tokenVariable, "0123456789abcdef")
	at := serveStatus(t, httpSetting{Listen: "127.0.0.1:0", Cert: cert, Key: key}, fullBoard(time.Now()))
	for range maxConnections + 1 {
		c, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if p := c.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
			t.Fatalf("it speaks %s", p)
		}
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: sensor\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 401 ") {
			t.Fatalf("%q, %v", text, err)
		}
	}
}

// TestHTTPIsLocal: without a token, a page in a browser here that has its own name lead to
// this machine reads nothing.
func TestHTTPIsLocal(t *testing.T) {
	const token = "0123456789abcdef"
	ask := func(address, host, token string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	address := serveStatus(t, httpSetting{Listen: "0"}, fullBoard(time.Now()))
	for _, host := range []string{address, "localhost", "LOCALHOST.:80", "[::1]:9445", "sensor:9445", "localhost.localdomain", own} {
		if got := ask(address, host, ""); got != http.StatusOK {
			t.Errorf("%s is answered with %d", host, got)
		}
	}
	for _, host := range []string{"evil.example", "evil.example:9445", "127.0.0.1.evil.example", "localhost.evil.example."} {
		if got := ask(address, host, ""); got != http.StatusMisdirectedRequest {
			t.Errorf("%s is answered with %d", host, got)
		}
	}
	t.Setenv(tokenVariable, token)
	address = serveStatus(t, httpSetting{Listen: "0"}, fullBoard(time.Now()))
	if got := ask(address, "sensor.example", token); got != http.StatusOK {
		t.Errorf("who has the token is answered with %d", got)
	}
}
