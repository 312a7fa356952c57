package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"wormscope/sinks/tlsconf"
)

// An Error is an error whose text says what to do. It wraps that of the library.
type Error struct {
	Words string
	Err   error
}

func (e *Error) Error() string { return e.Words }

// Unwrap returns what the library said.
func (e *Error) Unwrap() error { return e.Err }

// explain returns an error whose text says what to do, nil for nil. topic is what
// err is about, empty where it is not about a topic.
func explain(topic string, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	if network, ok := errors.AsType[*tlsconf.Error](err); ok {
		return &Error{"broker " + network.Error(), err}
	}
	words := ""
	if code, ok := errors.AsType[kafkago.Error](err); ok {
		words = codeWords(topic, code)
	}
	switch {
	case words != "":
	case errors.Is(err, protocol.ErrNoTopic), errors.Is(err, protocol.ErrNoPartition):
		words = codeWords(topic, kafkago.UnknownTopicOrPartition)
	case errors.Is(err, protocol.ErrNoLeader):
		words = codeWords(topic, kafkago.LeaderNotAvailable)
	case errors.Is(err, context.DeadlineExceeded):
		words = fmt.Sprintf("no answer about topic %q in time: the broker hangs, or the network drops", topic)
	case errors.Is(err, context.Canceled):
		words = "stopped before the broker answered"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, io.ErrNoProgress):
		words = "a broker closed the connection: " + err.Error()
	default:
		words = err.Error()
	}
	return &Error{words, err}
}

// codeWords explains an error code of a broker; it returns an empty string for one
// that needs no explanation.
// https://kafka.apache.org/protocol#protocol_error_codes
func codeWords(topic string, code kafkago.Error) string {
	if words := rightWords(topic, code); words != "" {
		return words
	}
	switch code {
	case kafkago.UnknownTopicOrPartition, kafkago.InvalidTopic:
		return fmt.Sprintf("topic %q does not exist: make it, or set create: true", topic)
	case kafkago.LeaderNotAvailable, kafkago.NotLeaderForPartition, kafkago.BrokerNotAvailable,
		kafkago.ReplicaNotAvailable, kafkago.FencedLeaderEpoch, kafkago.UnknownLeaderEpoch:
		return fmt.Sprintf("a partition of topic %q has no leader at the moment: a broker is away or just came back", topic)
	case kafkago.NotEnoughReplicas, kafkago.NotEnoughReplicasAfterAppend:
		return fmt.Sprintf("topic %q has fewer copies in sync than min.insync.replicas asks for: a broker is away", topic)
	case kafkago.RequestTimedOut:
		return fmt.Sprintf("the copies of topic %q were not written in time: a broker is away or slow", topic)
	case kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge:
		return fmt.Sprintf("the message is larger than topic %q takes: raise max.message.bytes of the topic", topic)
	case kafkago.InvalidReplicationFactor:
		return fmt.Sprintf("topic %q can't be made: replicas is more than there are brokers", topic)
	case kafkago.InvalidPartitionNumber:
		return fmt.Sprintf("topic %q can't be made: the cluster does not take so many partitions", topic)
	case kafkago.PolicyViolation:
		return fmt.Sprintf("a policy of the cluster forbids it for topic %q: %v", topic, code)
	case kafkago.InvalidRecord, kafkago.InvalidTimestamp:
		return fmt.Sprintf("topic %q does not take the message: %v", topic, code)
	case kafkago.KafkaStorageError:
		return fmt.Sprintf("the broker can't write topic %q: its disk is full or broken", topic)
	default:
		return ""
	}
}

// rightWords explains the error codes about rights and authentication.
func rightWords(topic string, code kafkago.Error) string {
	switch code {
	case kafkago.TopicAuthorizationFailed:
		return fmt.Sprintf("the user has no right to topic %q: it needs Describe and Write (and Create, where create is set)", topic)
	case kafkago.ClusterAuthorizationFailed:
		return fmt.Sprintf("the user has no right to make topic %q: make it, or allow Create", topic)
	case kafkago.GroupAuthorizationFailed:
		return "the user has no right to the consumer group: it needs Read"
	case kafkago.SASLAuthenticationFailed:
		return "the broker does not know the user, or the password is wrong: check sasl.user and the password"
	case kafkago.UnsupportedSASLMechanism:
		return "the broker does not take this sasl.mechanism: use one that it offers"
	case kafkago.IllegalSASLState:
		return "the broker wants no user on this port, or another mechanism: check sasl and the port"
	default:
		return ""
	}
}
