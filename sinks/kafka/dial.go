package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"wormscope/sinks/tlsconf"
)

// How long things may take.
const (
	dialTimeout = 5 * time.Second // to be connected, all handshakes included
	// requestTimeout is for one request. The broker is told to wait half of it for
	// its replicas, which is longer than it takes to find out that one is dead.
	requestTimeout = 30 * time.Second
	// metadataTTL is how long it takes at most until a new leader is known, of brokers
	// that answer in this time.
	metadataTTL = time.Second
)

// A link is the way to a cluster: the pool of connections, and what it takes
// to make one.
type link struct {
	tls      *tls.Config // nil for none
	sasl     sasl.Mechanism
	clientID string
	pool     *patient
	client   *kafkago.Client
	cancel   context.CancelFunc
}

// open makes a link to a cluster, which connects when it is used.
func (c *Cluster) open(topics ...string) (*link, error) {
	l := &link{clientID: c.ClientID}
	if l.clientID == "" {
		l.clientID = defaultClientID
	}
	var err error
	if c.TLS != nil {
		if l.tls, err = c.TLS.Config(); err != nil {
			return nil, err
		}
	}
	if l.sasl, err = c.SASL.mechanism(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.pool = newPatient(func(ttl time.Duration) *kafkago.Transport {
		return &kafkago.Transport{
			Dial: l.dial, DialTimeout: dialTimeout, ClientID: l.clientID, SASL: l.sasl,
			MetadataTTL: ttl, MetadataTopics: topics, Context: ctx,
		}
	})
	l.client = &kafkago.Client{Addr: kafkago.TCP(c.Brokers...), Timeout: requestTimeout, Transport: l.pool}
	return l, nil
}

// close gives up all connections.
func (l *link) close() {
	l.pool.close()
	l.cancel()
}

// dial connects to a broker, with TLS if that is configured. Its errors, and those
// of the connection, say what to do.
func (l *link) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, tlsconf.Explain(addr, err)
	}
	if l.tls == nil {
		return &conn{Conn: c, addr: addr, plain: true, sasl: l.sasl != nil, since: time.Now()}, nil
	}
	config := l.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secure := tls.Client(c, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.Close() // it is useless
		return nil, tlsconf.Explain(addr, err)
	}
	return &conn{Conn: secure, addr: addr, sasl: l.sasl != nil, since: time.Now()}, nil
}

// A conn is a connection whose errors say what to do.
type conn struct {
	net.Conn
	addr  string
	plain bool // without TLS
	sasl  bool // a user is configured
	heard bool // the broker has said something
	since time.Time
}

// Types of TLS records (RFC 8446, section 5.1), with which a broker's answer begins
// if it wants TLS. No answer of Kafka begins so, since its length would be 352 MB.
const (
	tlsAlert     = 0x15
	tlsHandshake = 0x16
)

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.heard && c.plain && (b[0] == tlsAlert || b[0] == tlsHandshake) {
		return 0, &tlsconf.Error{Addr: c.addr, Words: "it speaks TLS: set tls, or use the port without it"}
	}
	c.heard = c.heard || n > 0
	return n, c.explain(err)
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.explain(err)
}

// settled is how old a connection is when its end can no longer be the fault of the
// settings.
const settled = dialTimeout

// explain returns an error that says what to do. Its guess why a connection ended
// depends on how far it had got.
func (c *conn) explain(err error) error {
	if err == nil {
		return nil
	}
	var words string
	var cause error
	explained := tlsconf.Explain(c.addr, err)
	known, ok := errors.AsType[*tlsconf.Error](explained)
	switch ended := ok && strings.HasPrefix(known.Words, "it closed the connection"); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		words = "it does not answer: the broker hangs, or the network drops"
		if c.heard {
			cause = errSilent
		}
	case ended && !c.heard && c.plain:
		words = "it closed the connection at the first word: this port may want TLS (tls)"
	case ended && !c.heard:
		words = "it closed the connection at the first word: it may refuse the client certificate (tls.cert)"
	case ended && time.Since(c.since) > settled:
		words = "it closed the connection: it stopped, or started again"
	case ended && !c.sasl:
		words = "it closed the connection: it stopped, or wants a user and a password (sasl)"
	case ended:
		words = "it closed the connection: it stopped, or does not know the user (sasl)"
	default:
		return explained
	}
	// Without what the connection said: the library replaces what comes of an io.EOF.
	return &tlsconf.Error{Addr: c.addr, Words: words, Err: cause}
}
