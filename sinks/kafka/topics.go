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
	n, err := s.link.partitions(ctx, topic)
	code, _ := errors.AsType[kafkago.Error](err)
	if code == kafkago.UnknownTopicOrPartition && s.config.Create {
		if err = s.create(ctx, topic); err == nil {
			n, err = s.link.await(ctx, topic)
		}
	}
	if err != nil {
		return 0, explain(topic, err)
	}
	return n, nil
}

// partitions returns how many partitions a topic has, as far as the cluster
// said in the last second.
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
	// createTimeout is how long making a topic may take, and then until a broker
	// knows of it.
	createTimeout = 10 * time.Second
	// createPoll is how often brokers are asked meanwhile.
	createPoll = 100 * time.Millisecond
)

// await returns how many partitions a topic has that was just made: a broker may
// hear of it later than the one that made it.
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

// create makes a topic. That it is there already is as good.
func (s *Sink) create(ctx context.Context, topic string) error {
	return s.link.create(ctx, topic, s.config.Partitions, s.config.Replicas, topic == s.config.StateTopic)
}

// create makes a topic, compacted or not; 0 replicas are the cluster's default.
func (l *link) create(ctx context.Context, topic string, partitions, replicas int, compacted bool) error {
	wanted := kafkago.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: replicas}
	if replicas == 0 {
		wanted.ReplicationFactor = -1 // the cluster's default (KIP-464)
	}
	if compacted {
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
