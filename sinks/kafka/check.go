package kafka

import (
	"context"
	"fmt"
	"net"
	"strconv"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// Check connects, and returns an error that explains what would keep the sink from
// delivering: the connection, the user, a missing topic or the right to write to
// one. It changes nothing.
func (s *Sink) Check(ctx context.Context) error {
	return s.link.check(ctx, s.config.Brokers, s.topicNames(), func(t *metadata.ResponseTopic) error {
		switch code := kafkago.Error(t.ErrorCode); {
		case code == kafkago.UnknownTopicOrPartition && s.config.Create:
			return nil
		case code != 0:
			return explain(t.Name, code)
		case !may(t, operationWrite):
			return explain(t.Name, kafkago.TopicAuthorizationFailed)
		default:
			return nil
		}
	})
}

// operationWrite is the operation of writing to a topic, as Kafka numbers it
// (AclOperation).
const operationWrite = 4

// notAsked is what brokers answer that do not tell which operations are allowed.
const notAsked = -1 << 31

// may reports whether the user has the right to an operation on a topic.
func may(t *metadata.ResponseTopic, operation int) bool {
	o := t.TopicAuthorizedOperations
	return o == notAsked || o == 0 || o&(1<<operation) != 0
}

// check asks the first of the brokers that answers about the topics, has judge look
// at each, and connects to all brokers that the answer names.
func (l *link) check(ctx context.Context, brokers, topics []string, judge func(*metadata.ResponseTopic) error) error {
	s, err := l.anyOf(ctx, brokers)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // nothing is waited for
	r, err := ask[*metadata.Response](s, &metadata.Request{TopicNames: topics, IncludeTopicAuthorizedOperations: true})
	if err != nil {
		return explain("", err)
	}
	var errs []error
	for i := range r.Topics {
		errs = append(errs, judge(&r.Topics[i]))
	}
	for _, b := range r.Brokers {
		addr := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
		other, err := l.session(ctx, addr)
		if err != nil {
			errs = append(errs, &Error{fmt.Sprintf("broker %d is advertised as %s, but can't be reached so: %v", b.NodeID, addr, explain("", err)), err})
			continue
		}
		_ = other.Close() // nothing is waited for
	}
	return joined(errs)
}

// anyOf connects to the first of the brokers that answers and accepts the user.
func (l *link) anyOf(ctx context.Context, brokers []string) (*session, error) {
	var errs []error
	for _, addr := range brokers {
		s, err := l.session(ctx, addr)
		if err == nil {
			return s, nil
		}
		errs = append(errs, explain("", err))
	}
	return nil, joined(errs)
}
