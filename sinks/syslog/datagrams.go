package syslog

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"time"
)

// datagramWait is how long the network has, after the last datagram of a batch,
// to say that nobody listens.
const datagramWait = 100 * time.Millisecond

// sendDatagrams sends each message as a datagram of its own. The network may say
// later than it is asked that nobody listens: then the last messages are sent
// again before the next.
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

// complaint waits for the network to say that what was sent can't arrive.
func complaint(conn net.Conn, wait time.Duration) error {
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err // nil for a receiver that answers, which means nothing
}

// hangUp gives up the socket that datagrams were sent through last, and says what
// the network had to say meanwhile.
func (k *Sink) hangUp(wait time.Duration) error {
	if k.socket == nil {
		return nil
	}
	err := errors.Join(complaint(k.socket, wait), k.socket.Close())
	k.socket = nil
	return err
}
