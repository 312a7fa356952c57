package syslog

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"time"
)

// datagramWait is how long to wait, after the last datagram of a batch, for an error
// of the network that nobody listens (ICMP port unreachable).
const datagramWait = 100 * time.Millisecond

// sendDatagrams sends each message as a datagram of its own. The error that nobody
// listens may come only after datagramWait: then the last messages are sent again
// before the next.
func (k *Sink) sendDatagrams(ctx context.Context, messages [][]byte) error {
	if k.hangUp(time.Millisecond) != nil {
		k.doubt = true
	}
	d := net.Dialer{Timeout: k.config.Timeout}
	conn, err := d.DialContext(ctx, "udp", k.config.Address)
	if err != nil {
		return err
	}
	k.socket = conn
	if k.doubt {
		messages = slices.Concat(k.window.messages, messages)
	}
	for _, m := range messages {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := conn.Write(m); err != nil {
			return err
		}
	}
	return complaint(conn, datagramWait)
}

// complaint waits for an error of the network about what was sent.
func complaint(conn net.Conn, wait time.Duration) error {
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err // nil if the receiver answers, which syslog does not do: it means nothing
}

// hangUp closes the socket that datagrams were sent through last, and returns an
// error of the network that came meanwhile.
func (k *Sink) hangUp(wait time.Duration) error {
	if k.socket == nil {
		return nil
	}
	err := errors.Join(complaint(k.socket, wait), k.socket.Close())
	k.socket = nil
	return err
}
