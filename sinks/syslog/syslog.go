// Package syslog delivers events as syslog messages: RFC 5424 over UDP
// (RFC 5426), over TCP with octet counting (RFC 6587, 3.4.1) and over TLS
// (RFC 5425).
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"wormscope/sinks"
	"wormscope/sinks/event"
	"wormscope/sinks/tlsconf"
)

// Config says where messages go and what their headers say.
type Config struct {
	Address  string           `yaml:"address"`  // host or host:port; the port is 6514 with TLS and 514 without if left out
	Protocol string           `yaml:"protocol"` // udp, tcp or tls; tls if empty
	TLS      tlsconf.Settings `yaml:"tls"`

	Facility string `yaml:"facility"`  // a name such as local0 or authpriv, or 0 to 23; local0 if empty
	Hostname string `yaml:"hostname"`  // HOSTNAME of the header; the system's if empty
	AppName  string `yaml:"app_name"`  // APP-NAME of the header; wormscope if empty
	SDID     string `yaml:"sd_id"`     // NAME@ENTERPRISE of a structured data element with the event's id; none if empty
	KeepOpen bool   `yaml:"keep_open"` // keep the connection between batches, and do without the receiver's confirmation

	// MaxMessage is how long a message may be, in bytes; 8192 if 0, the default of
	// rsyslog. A longer one is refused.
	MaxMessage int `yaml:"max_message"`
	// Timeout is how long each of these may take: to connect, to write a piece of a
	// batch, and to have the batch confirmed; 30 s if 0.
	Timeout time.Duration `yaml:"timeout"`
}

const (
	defaultMax     = 8192
	maxUDP         = 65507 // of a datagram over IPv4
	defaultTimeout = 30 * time.Second
	probeWait      = 300 * time.Millisecond

	// windowStream is how many bytes of messages are sent again after the receiver
	// was gone, or the last batch if that is more: what its kernel takes while its
	// process does not read (by default tcp_rmem is 6 MiB at most), and some more that
	// the process may have read and not stored.
	windowStream = 8 << 20
	// windowDatagrams is the same over UDP: what a kernel may have room for.
	windowDatagrams = 1 << 20
)

// A Sink sends messages to one receiver.
//
// Syslog has no acknowledgement. What counts as arrived:
//
//   - Over TCP and TLS, a batch is written, the receiver's kernel must
//     acknowledge it, this side of the connection is closed, and the receiver
//     must close its side in order. It does so once its process has read all:
//     a kernel that still holds unread bytes when the process dies resets the
//     connection instead (RFC 2525, 2.17).
//   - With KeepOpen, a batch has arrived when the receiver's kernel has
//     acknowledged all bytes and the connection is still open.
//   - After the receiver could not be reached, or a connection broke, the last
//     batch that it had confirmed is sent again before the next, and as many of
//     the messages before it as make 8 MiB together: the receiver's process or
//     kernel may have read them and lost them.
//   - Over UDP, what was sent has arrived, unless the network says that nobody
//     listens; then it is sent again. Other datagrams are lost without a sign.
type Sink struct {
	config Config
	header header
	render sinks.Renderer
	tls    *tls.Config // nil without TLS

	conn   *stream  // nil without KeepOpen between batches, and with UDP
	socket net.Conn // through which datagrams were sent last
	proved bool     // the receiver has taken bytes before, so it speaks the protocol that is set
	doubt  bool     // the receiver was gone: what is in window may not have arrived
	window window
}

// Validate says what is wrong with the settings, files that they name
// included, without connecting.
func (c *Config) Validate() error {
	_, err := New(*c, nil)
	return err
}

// New makes a sink that renders messages with r. It does not connect.
func New(c Config, r sinks.Renderer) (*Sink, error) {
	k := &Sink{render: r, window: window{limit: windowStream}}
	if c.Protocol == "" {
		c.Protocol = "tls"
	}
	if !slices.Contains([]string{"udp", "tcp", "tls"}, c.Protocol) {
		return nil, fmt.Errorf("protocol: %q: want udp, tcp or tls", c.Protocol)
	}
	if err := c.address(); err != nil {
		return nil, err
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = defaultMax
	}
	if c.MaxMessage < 480 || c.Protocol == "udp" && c.MaxMessage > maxUDP {
		return nil, fmt.Errorf("max_message: %d: want 480 bytes or more, and with udp at most %d", c.MaxMessage, maxUDP)
	}
	if c.Protocol == "udp" {
		k.window.limit = windowDatagrams
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Timeout < 0 {
		return nil, fmt.Errorf("timeout: %v: want more than 0", c.Timeout)
	}
	var err error
	if k.header, err = newHeader(c); err != nil {
		return nil, err
	}
	if c.Protocol == "tls" {
		if k.tls, err = c.tls(); err != nil {
			return nil, err
		}
	} else if c.TLS != (tlsconf.Settings{}) {
		return nil, fmt.Errorf("tls: settings are given, but protocol is %s", c.Protocol)
	}
	k.config = c
	return k, nil
}

// address completes the address.
func (c *Config) address() error {
	if c.Address == "" {
		return errors.New("address: missing: want host:port")
	}
	if host, port, err := net.SplitHostPort(c.Address); err == nil {
		if host == "" { // which would be this machine
			return fmt.Errorf("address: %q: names no host: want host:port", c.Address)
		}
		return c.port(port)
	}
	port := "514"
	if c.Protocol == "tls" {
		port = "6514"
	}
	host := strings.Trim(c.Address, "[]")
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ":") {
		return fmt.Errorf("address: %q: want host:port", c.Address)
	}
	c.Address = net.JoinHostPort(host, port)
	return nil
}

// port says what is wrong with the address's port, a number or a name.
func (c *Config) port(port string) error {
	network := "tcp"
	if c.Protocol == "udp" {
		network = "udp"
	}
	if n, err := net.DefaultResolver.LookupPort(context.Background(), network, port); err != nil || n == 0 {
		return fmt.Errorf("address: %q: its port is none", c.Address)
	}
	return nil
}

func (c *Config) tls() (*tls.Config, error) {
	t, err := c.TLS.Config()
	if err != nil {
		return nil, err
	}
	if t.ServerName == "" {
		if t.ServerName, _, err = net.SplitHostPort(c.Address); err != nil {
			return nil, fmt.Errorf("address: %w", err)
		}
	}
	return t, nil
}

// Wants reports whether the event is one: facts are not.
func (k *Sink) Wants(e *event.Event) bool { return e.Fact == nil }

// Deliver sends a batch; Sink says what counts as arrived.
func (k *Sink) Deliver(ctx context.Context, batch []event.Event) ([]sinks.Refusal, error) {
	messages, refused := k.messages(batch)
	if len(messages) == 0 {
		return refused, nil
	}
	if err := k.send(ctx, messages); err != nil {
		return nil, err
	}
	return refused, nil
}

// send sends messages, and before them, if in doubt, the last ones again.
func (k *Sink) send(ctx context.Context, messages [][]byte) error {
	by := k.sendStream
	if k.config.Protocol == "udp" {
		by = k.sendDatagrams
	}
	err := by(ctx, messages)
	k.doubt = err != nil
	if err != nil {
		return fmt.Errorf("syslog: %w", tlsconf.Explain(k.config.Address, err))
	}
	k.window.add(messages)
	return nil
}

// messages renders a batch.
func (k *Sink) messages(batch []event.Event) ([][]byte, []sinks.Refusal) {
	messages := make([][]byte, 0, len(batch))
	var refused []sinks.Refusal
	for i := range batch {
		m, refusal := k.message(&batch[i])
		if refusal != nil {
			refused = append(refused, *refusal)
			continue
		}
		messages = append(messages, m)
	}
	return messages, refused
}

// message renders an event, shortened if it would be too long: an attacker must not
// be able to hide an alert by a long name.
func (k *Sink) message(e *event.Event) ([]byte, *sinks.Refusal) {
	body, err := k.render.Event(e)
	if err != nil {
		return nil, &sinks.Refusal{Event: *e, Err: fmt.Errorf("syslog: %w", err)}
	}
	m := k.header.message(e, body)
	if len(m) <= k.config.MaxMessage {
		return m, nil
	}
	short := e.Short()
	if less, failed := k.render.Event(&short); failed == nil {
		if m = k.header.message(e, less); len(m) <= k.config.MaxMessage {
			return m, nil
		}
	}
	err = fmt.Errorf("syslog: a message of %d bytes, more than the %d that are allowed: raise max_message, and the receiver's limit", len(m), k.config.MaxMessage)
	return nil, &sinks.Refusal{Event: *e, Body: body, Err: err}
}

// sendStream sends messages over TCP or TLS and waits until they have arrived.
func (k *Sink) sendStream(ctx context.Context, messages [][]byte) error {
	err := k.tryStream(ctx, messages)
	if err == nil {
		return nil
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case k.proved && k.tls == nil && isBroken(err): // the wrong protocol can't be the reason
		err = errBroken
	}
	return errors.Join(err, k.drop())
}

// isBroken reports whether the receiver ended a connection too early.
func isBroken(err error) bool {
	return errors.Is(err, errClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (k *Sink) tryStream(ctx context.Context, messages [][]byte) error {
	if k.conn != nil && k.conn.closed() {
		k.doubt = true
		if err := k.drop(); err != nil {
			return err
		}
	}
	if k.conn == nil {
		var err error
		if k.conn, err = dial(ctx, k.config.Address, k.tls, k.config.Timeout); err != nil {
			return err
		}
	}
	defer k.conn.obey(ctx)()
	if k.doubt {
		if err := k.conn.write(k.window.messages); err != nil {
			return err
		}
	}
	if !k.proved && k.tls == nil {
		if err := k.probe(messages[0]); err != nil {
			return err
		}
		messages = messages[1:]
	}
	if err := k.conn.write(messages); err != nil {
		return err
	}
	if err := k.confirm(); err != nil {
		return err
	}
	k.proved = true
	return nil
}

// confirm waits until what was written has arrived.
func (k *Sink) confirm() error {
	if k.config.KeepOpen {
		return k.conn.acknowledged()
	}
	err := k.conn.finish()
	return errors.Join(err, k.drop())
}

// probe sends one message and checks that the receiver does not close upon it. Else
// a receiver that speaks only TLS might read a whole batch, close, and seem to have
// accepted it.
func (k *Sink) probe(message []byte) error {
	if err := k.conn.write([][]byte{message}); err != nil {
		return err
	}
	return k.conn.stays(probeWait)
}

// drop gives up the connection.
func (k *Sink) drop() error {
	if k.conn == nil {
		return nil
	}
	err := k.conn.close()
	k.conn = nil
	return err
}

// Check connects as Deliver does and sends one message of severity
// informational, MSGID check, that says it is a test. Over UDP nobody can tell
// whether it arrived.
func (k *Sink) Check(ctx context.Context) error {
	probe := &Sink{config: k.config, header: k.header, tls: k.tls}
	return errors.Join(probe.send(ctx, [][]byte{k.header.test(time.Now())}), probe.Close())
}

// Close ends the connection in order. An error says that the last messages may not
// have been read by the receiver.
func (k *Sink) Close() error {
	err := k.hangUp(time.Millisecond)
	if k.conn != nil {
		err = errors.Join(err, k.conn.finish(), k.drop())
	}
	if err != nil {
		return fmt.Errorf("syslog: the last messages may not have arrived: %w", tlsconf.Explain(k.config.Address, err))
	}
	return nil
}

// window keeps the last messages that were delivered, to send them again.
type window struct {
	messages [][]byte
	size     int // bytes of messages
	limit    int // bytes to keep at most, but for the last batch
}

// add adds a batch and drops the oldest messages beyond the limit, but none of the
// batch itself: the receiver may have read all of that before it died.
func (w *window) add(messages [][]byte) {
	older := len(w.messages)
	w.messages = append(w.messages, messages...)
	for _, m := range messages {
		w.size += len(m)
	}
	first := 0
	for ; w.size > w.limit && first < older; first++ {
		w.size -= len(w.messages[first])
	}
	w.messages = slices.Delete(w.messages, 0, first)
}

// hostname is the system's name, as a default.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
