package tlsconf_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/internal/testca"
	"wormscope/internal/testnet"
	"wormscope/sinks/tlsconf"
)

// serve answers each connection with what handle does, until the test ends.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				handle(c)
			}()
		}
	}()
	return l.Addr().String()
}

// serveTLS echoes one byte over TLS.
func serveTLS(t *testing.T, c *tls.Config) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		server := tls.Server(conn, c)
		defer server.Close()
		_, _ = io.CopyN(server, server, 1)
	})
}

// talk sends a byte and wants it back: under TLS 1.3 a refused client
// certificate is not told before the first read.
func talk(addr string, s tlsconf.Settings, wait time.Duration) error {
	c, err := s.Config()
	if err != nil {
		return err
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: wait}, Config: c}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err = conn.Write([]byte("x")); err == nil {
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	return err
}

// TestExplain makes each failure happen against a real server and compares
// the words.
func TestExplain(t *testing.T) {
	ca, other := testca.New(t, "house authority"), testca.New(t, "foreign authority")
	good := ca.Issue("server", testca.Options{})
	client := ca.Issue("client", testca.Options{})
	named := ca.Issue("named", testca.Options{Names: []string{"siem.example", "logs.example"}})
	old := ca.Issue("old", testca.Options{NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)})
	young := ca.Issue("young", testca.Options{NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour)})
	foreign := other.Issue("foreign", testca.Options{})
	server := func(p testca.Pair, change func(*tls.Config)) string {
		c := &tls.Config{Certificates: []tls.Certificate{p.TLS(t)}}
		if change != nil {
			change(c)
		}
		return serveTLS(t, c)
	}
	wantsClient := func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool() }
	plain := serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 mail.example ESMTP\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	nobody := fmt.Sprintf("127.0.0.1:%d", testnet.FreePorts(t, 1)[0])

	trusting := tlsconf.Settings{CA: ca.File}
	full := tlsconf.Settings{CA: ca.File, Cert: client.Cert, Key: client.Key}
	for _, c := range []struct {
		name, addr string
		s          tlsconf.Settings
		want       string // empty: it works
	}{
		{"good", server(good, nil), trusting, ""},
		{"mutual", server(good, wantsClient), full, ""},
		{"unknown authority", server(good, nil), tlsconf.Settings{}, `its certificate is signed by "CN=house authority", which is not trusted here: set tls.ca`},
		{"wrong authority", server(good, nil), tlsconf.Settings{CA: other.File}, `its certificate is signed by "CN=house authority", which is not trusted`},
		{"wrong name", server(named, nil), trusting, "its certificate is for siem.example, logs.example, not for 127.0.0.1: dial it by that name or set tls.server_name"},
		{"name set", server(named, nil), tlsconf.Settings{CA: ca.File, ServerName: "logs.example"}, ""},
		{"expired", server(old, nil), trusting, "its certificate expired on "},
		{"not yet valid", server(young, nil), trusting, "its certificate is valid only from "},
		{"no TLS there", plain, trusting, "it answers without TLS (\"220 m\"): wrong port, or TLS is off there"},
		{"closes", serve(t, func(net.Conn) {}), trusting, "it closed the connection: it may speak no TLS on this port"},
		{"no client certificate", server(good, wantsClient), trusting, "it wants a client certificate: set tls.cert and tls.key"},
		{"no client certificate, 1.2", server(good, func(c *tls.Config) { wantsClient(c); c.MaxVersion = tls.VersionTLS12 }), trusting, "client certificate"},
		{"client of another authority", server(good, wantsClient), tlsconf.Settings{CA: ca.File, Cert: foreign.Cert, Key: foreign.Key}, "client certificate"},
		{"too old", server(good, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), tlsconf.Settings{CA: ca.File, MinVersion: "1.3"}, "check tls.min_version"},
		{"nothing listens", nobody, trusting, "nothing listens there (connection refused)"},
		{"no such name", "no-such-host.invalid:6514", trusting, `the name "no-such-host.invalid" can't be looked up|there is no host named "no-such-host.invalid"`},
		{"hangs", serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), trusting, "no answer in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wait := 10 * time.Second
			if c.name == "hangs" {
				wait = 50 * time.Millisecond
			}
			got := tlsconf.Explain(c.addr, talk(c.addr, c.s, wait))
			if c.want == "" {
				if got != nil {
					t.Fatal(got)
				}
				return
			}
			if got == nil || !strings.HasPrefix(got.Error(), c.addr+": ") {
				t.Fatalf("got %v, want %q", got, c.want)
			}
			for want := range strings.SplitSeq(c.want, "|") {
				if strings.Contains(got.Error(), want) {
					return
				}
			}
			t.Errorf("got  %v\nwant %s\nfrom %v", got, c.want, errors.Unwrap(got))
		})
	}
}

func TestExplainKeepsTheCause(t *testing.T) {
	if tlsconf.Explain("a:1", nil) != nil {
		t.Error("nil is explained")
	}
	cause := x509.UnknownAuthorityError{}
	err := tlsconf.Explain("a:1", cause)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("%v does not wrap its cause", err)
	}
	if again := tlsconf.Explain("b:2", err); again.Error() != err.Error() {
		t.Errorf("explained twice: %v", again)
	}
	odd := errors.New("odd")
	if got := tlsconf.Explain("a:1", odd); !errors.Is(got, odd) || got.Error() != "a:1: odd" {
		t.Errorf("got %v", got)
	}
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	ca := testca.New(t, "ca")
	a, b := ca.Issue("a", testca.Options{}), ca.Issue("b", testca.Options{})
	old := ca.Issue("old", testca.Options{NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)})
	dir := t.TempDir()
	empty, locked := filepath.Join(dir, "empty.pem"), filepath.Join(dir, "locked.key")
	key, err := os.ReadFile(a.Key)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{empty: nil, locked: bytes.ReplaceAll(key, []byte("PRIVATE KEY"), []byte("ENCRYPTED PRIVATE KEY"))} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		s    tlsconf.Settings
		want string
	}{
		{tlsconf.Settings{MinVersion: "1.1"}, `tls.min_version: "1.1": want 1.2 or 1.3`},
		{tlsconf.Settings{CA: filepath.Join(dir, "none")}, "tls.ca: open " + filepath.Join(dir, "none")},
		{tlsconf.Settings{CA: empty}, "tls.ca: " + empty + ": no certificate in it: want PEM"},
		{tlsconf.Settings{Cert: a.Cert}, "tls.cert and tls.key: give both or neither"},
		{tlsconf.Settings{Cert: empty, Key: a.Key}, "tls.cert " + empty + " with tls.key " + a.Key},
		{tlsconf.Settings{Cert: a.Cert, Key: b.Key}, "private key does not match"},
		{tlsconf.Settings{Cert: a.Cert, Key: locked}, "tls.key: " + locked + " is encrypted"},
		{tlsconf.Settings{Cert: filepath.Join(dir, "none"), Key: a.Key}, "tls.cert: open "},
		{tlsconf.Settings{Cert: a.Cert, Key: filepath.Join(dir, "none")}, "tls.key: open "},
		{tlsconf.Settings{Cert: old.Cert, Key: old.Key}, "tls.cert: " + old.Cert + " expired on "},
	} {
		if _, err := c.s.Config(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v:\ngot  %v\nwant %s", c.s, err, c.want)
		}
	}
}

// TestRenewedCertificateIsUsed replaces the files of a client's certificate
// between two connections.
func TestRenewedCertificateIsUsed(t *testing.T) {
	ca := testca.New(t, "ca")
	server := ca.Issue("server", testca.Options{})
	seen := make(chan string, 2)
	addr := serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{server.TLS(t)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
		VerifyConnection: func(s tls.ConnectionState) error {
			seen <- s.PeerCertificates[0].Subject.CommonName
			return nil
		},
	})
	first, second := ca.Issue("first", testca.Options{}), ca.Issue("second", testca.Options{})
	c, err := tlsconf.Settings{CA: ca.File, Cert: first.Cert, Key: first.Key}.Config()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second"} {
		conn, err := tls.Dial("tcp", addr, c)
		if err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		conn.Close()
		for from, to := range map[string]string{second.Cert: first.Cert, second.Key: first.Key} {
			if err := os.Rename(from, to); err != nil && want == "first" {
				t.Fatal(err)
			}
		}
	}
}
