package kafka

import (
	"context"
	"errors"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// partitions returns how many partitions a topic has. It makes the topic where
// that is allowed and it is missing.
func (s *Sink) partitions(ctx context.Context, topic string) (int, error) {
	return s.link.topic(ctx, topic, s.config.Create, creation{s.config.Partitions, s.config.Replicas, topic == s.config.StateTopic})
}

// creation says how a topic is made: with how many partitions and replicas (0 for
// the cluster's default), and whether it is compacted.
type creation struct {
	partitions, replicas int
	compacted            bool
}

// topic returns how many partitions a topic has. It makes a missing one if it may,
// and waits for it: brokers hear of it later than the one that made it.
func (l *link) topic(ctx context.Context, topic string, mayCreate bool, how creation) (int, error) {
	n, err := l.partitions(ctx, topic)
	if mayCreate && errors.Is(err, kafkago.UnknownTopicOrPartition) {
		if err = l.create(ctx, topic, how); err == nil {
			n, err = l.await(ctx, topic)
		}
	}
	if err != nil {
		return 0, explain(topic, err)
	}
	return n, nil
}

// partitions returns how many partitions a topic has. What it says may be as old as
// metadataTTL.
func (l *link) partitions(ctx context.Context, topic string) (int, error) {
	r, err := l.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, err
	}
	for _, t := range r.Topics {
		switch {
		case t.Name != topic:
		case t.Error != nil:
			return 0, t.Error
		case len(t.Partitions) > 0:
			return len(t.Partitions), nil
		}
	}
	return 0, kafkago.UnknownTopicOrPartition
}

const (
	// createTimeout is how long making a topic may take, and then again how long it
	// may take until a broker knows of it.
	createTimeout = 10 * time.Second
	// createPoll is how often brokers are asked meanwhile.
	createPoll = 100 * time.Millisecond
)

// await returns how many partitions a topic has that was just made.
func (l *link) await(ctx context.Context, topic string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	for {
		n, err := l.partitions(ctx, topic)
		if !errors.Is(err, kafkago.UnknownTopicOrPartition) || ctx.Err() != nil {
			return n, err
		}
		pause(ctx, createPoll)
	}
}

// create makes a topic. It is not an error if that exists already.
func (l *link) create(ctx context.Context, topic string, how creation) error {
	wanted := kafkago.TopicConfig{Topic: topic, NumPartitions: how.partitions, ReplicationFactor: how.replicas}
	if how.replicas == 0 {
		wanted.ReplicationFactor = -1 // the cluster's default (KIP-464)
	}
	if how.compacted {
		wanted.ConfigEntries = []kafkago.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: "compact"}}
	}
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	r, err := l.client.CreateTopics(ctx, &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{wanted}})
	if err == nil {
		err = r.Errors[topic]
	}
	if errors.Is(err, kafkago.TopicAlreadyExists) {
		return nil
	}
	return explain(topic, err)
}
