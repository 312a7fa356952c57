package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
)

// A session is a connection to one broker, for requests that kafka-go's pool of
// connections does not offer.
type session struct{ *protocol.Conn }

// session connects to a broker and authenticates.
func (l *link) session(ctx context.Context, addr string) (*session, error) {
	c, err := l.dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &session{protocol.NewConn(c, l.clientID)}
	err = s.SetDeadline(time.Now().Add(dialTimeout))
	if err == nil {
		err = s.versions()
	}
	if err == nil && l.sasl != nil {
		err = s.authenticate(ctx, l.sasl, addr)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// versions agrees on the versions of requests.
func (s *session) versions() error {
	r, err := ask[*apiversions.Response](s, &apiversions.Request{})
	if err != nil {
		return err
	}
	if r.ErrorCode != 0 {
		return kafkago.Error(r.ErrorCode)
	}
	versions := make(map[protocol.ApiKey]int16, len(r.ApiKeys))
	for _, k := range r.ApiKeys {
		key := protocol.ApiKey(k.ApiKey)
		versions[key] = key.SelectVersion(k.MinVersion, k.MaxVersion)
	}
	s.SetVersions(versions)
	return nil
}

// authenticate authenticates the user by SASL.
func (s *session) authenticate(ctx context.Context, m sasl.Mechanism, addr string) error {
	r, err := ask[*saslhandshake.Response](s, &saslhandshake.Request{Mechanism: m.Name()})
	if err != nil {
		return err
	}
	if r.ErrorCode != 0 {
		return kafkago.Error(r.ErrorCode)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	machine, say, err := m.Start(sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: n}))
	for done := false; err == nil && !done; {
		var answer *saslauthenticate.Response
		if answer, err = ask[*saslauthenticate.Response](s, &saslauthenticate.Request{AuthBytes: say}); err != nil {
			break
		}
		if answer.ErrorCode != 0 {
			return kafkago.Error(answer.ErrorCode)
		}
		done, say, err = machine.Next(ctx, answer.AuthBytes)
	}
	if errors.Is(err, io.EOF) { // some brokers hang up instead of saying no
		return kafkago.SASLAuthenticationFailed
	}
	return err
}

// ask sends a request and returns the answer to it.
func ask[T protocol.Message](s *session, request protocol.Message) (T, error) {
	var none T
	m, err := s.RoundTrip(request)
	if err != nil {
		return none, err
	}
	r, ok := m.(T)
	if !ok {
		return none, fmt.Errorf("the broker answered with a %T", m)
	}
	return r, nil
}
