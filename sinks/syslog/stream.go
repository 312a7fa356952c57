package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// stream is a connection over TCP, with TLS or without. It reads what comes from the
// other side, to notice TLS alerts and that the other side closes.
type stream struct {
	conn    net.Conn
	raw     *net.TCPConn
	timeout time.Duration // for writing, and then for the other side to confirm

	ended chan struct{} // closed when the other side has closed or broken off
	end   error         // why; io.EOF for an orderly close. To be read after ended is closed
}

// What receivers do that they should not.
var (
	errSpoke  = errors.New("it answers, which no syslog receiver does: check the port")
	errTLS    = errors.New("it speaks TLS on this port: set protocol: tls")
	errClosed = errors.New("it closed the connection before it had everything: it may be stopping, speak only TLS on this port, or want another client certificate; its log says more")
	errBroken = errors.New("it broke the connection off before it had read everything: it stopped, or was restarted; its log says more")
	errHangs  = errors.New("its kernel took all bytes, but it did not read them and close in time: it hangs or is overloaded, or never closes, then set keep_open")
	errTaking = errors.New("it takes no more bytes: it hangs, or is gone")
)

// dial connects within timeout.
func dial(ctx context.Context, addr string, c *tls.Config, timeout time.Duration) (*stream, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	d := net.Dialer{}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	raw, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T is no TCP connection", conn), conn.Close())
	}
	s := &stream{conn: conn, raw: raw, timeout: timeout, ended: make(chan struct{})}
	if c != nil {
		secure := tls.Client(conn, c)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		s.conn = secure
	}
	go s.listen()
	return s, nil
}

// listen reads until the other side ends.
func (s *stream) listen() {
	defer close(s.ended)
	var b [64]byte
	n, err := s.conn.Read(b[:])
	switch {
	case err != nil:
		s.end = err
	case n >= 2 && b[0] == 0x15 && b[1] == 3: // a TLS alert record (RFC 8446, 5.1)
		s.end = errTLS
	default:
		s.end = errSpoke
	}
}

// obey makes reads and writes fail when ctx ends. The caller must call stop when it
// is done.
func (s *stream) obey(ctx context.Context) (stop func()) {
	off := context.AfterFunc(ctx, func() { s.raw.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck,gosec // a closed connection needs none
	return func() { off() }
}

// closed reports whether the other side has ended.
func (s *stream) closed() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// stays waits, and returns an error if the other side closes meanwhile.
func (s *stream) stays(wait time.Duration) error {
	select {
	case <-s.ended:
		return s.early()
	case <-time.After(wait):
		return nil
	}
}

// early returns why the other side closed when it should not have.
func (s *stream) early() error {
	if errors.Is(s.end, io.EOF) {
		return errClosed
	}
	return s.end
}

// chunk is about how many bytes are written at once, each time within timeout.
const chunk = 64 << 10

// write writes messages with octet counting: length, space, message.
func (s *stream) write(messages [][]byte) error {
	var b bytes.Buffer
	for i, m := range messages {
		b.WriteString(strconv.Itoa(len(m)))
		b.WriteByte(' ')
		b.Write(m)
		if b.Len() < chunk && i < len(messages)-1 {
			continue
		}
		if err := s.flush(b.Bytes()); err != nil {
			return err
		}
		b.Reset()
	}
	return nil
}

func (s *stream) flush(b []byte) error {
	late := time.AfterFunc(s.timeout, func() { s.raw.SetWriteDeadline(time.Unix(1, 0)) }) //nolint:errcheck,gosec // a closed connection needs none
	defer late.Stop()
	_, err := s.conn.Write(b)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return errTaking
	}
	return s.told(err)
}

// told returns what the other side said before it closed, if anything: that tells
// more than gone, the error of a write that it has closed.
func (s *stream) told(gone error) error {
	if told := s.stays(probeWait); told != nil {
		return told
	}
	return gone
}

// finish closes this side of the connection and waits until the receiver has read
// everything and closed its side in order. Before that it waits until the receiver's
// kernel has acknowledged everything: if the receiver then closes without having
// read it all, its kernel resets the connection, which is not in order.
func (s *stream) finish() error {
	if err := s.acknowledged(); err != nil {
		return err
	}
	if secure, ok := s.conn.(*tls.Conn); ok {
		if err := secure.CloseWrite(); err != nil { // close_notify
			return s.told(err)
		}
	}
	if err := s.raw.CloseWrite(); err != nil {
		return s.told(err)
	}
	select {
	case <-s.ended:
	case <-time.After(s.timeout):
		return errHangs
	}
	if errors.Is(s.end, io.EOF) {
		return nil
	}
	return s.end
}

// acknowledged waits until the kernel of the other side has acknowledged every
// byte, and the connection is still open then.
func (s *stream) acknowledged() error {
	pause := time.Millisecond
	for begin := time.Now(); ; pause = min(2*pause, 50*time.Millisecond) {
		waiting, err := unacknowledged(s.raw)
		if err != nil {
			return err
		}
		if s.closed() {
			return s.early()
		}
		if waiting == 0 {
			return nil
		}
		if time.Since(begin) > s.timeout {
			return fmt.Errorf("%d bytes are not acknowledged: %w", waiting, errTaking)
		}
		if err := s.stays(pause); err != nil {
			return err
		}
	}
}

// close gives up the connection. The reader ends with it.
func (s *stream) close() error {
	err := s.raw.Close()
	<-s.ended
	return err
}
