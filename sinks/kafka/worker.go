package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"wormscope/detect/zone"
	"wormscope/scope"
	"wormscope/sinks"
	"wormscope/sinks/event"
)

// WorkerOptions are the settings of a Worker that are not Kafka's.
type WorkerOptions struct {
	Zones  *zone.Map // must be set
	Trust  scope.Trust
	Render sinks.Renderer // for the state topic; may be nil without one
	// OnChange is called with each change of a host's joint state, once the
	// topics have it. It is called by one goroutine at a time, may be nil, and
	// may be called again for a change that was not committed.
	OnChange func(event.Event)
	// Warn is called with errors in spite of which the worker goes on. It is called
	// by one goroutine at a time, and may be nil.
	Warn func(error)
}

// A Worker keeps its share of the joint ledger. It reads the partitions of the
// ledger topic that its consumer group assigns to it, writes the words of the
// sensors to the joint topic, and commits its offset only then. When it dies, its
// partitions go to another worker of the group, which reads what the joint topic
// holds of them and goes on.
type Worker struct {
	config Central
	opts   WorkerOptions
	link   *link

	mu    sync.Mutex // guards what follows, and the calls of opts
	tally Tally
}

// NewWorker makes a worker. It makes topics that are missing where the settings
// allow it.
func NewWorker(ctx context.Context, c Central, o WorkerOptions) (*Worker, error) {
	c.Defaults()
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	topics := []string{c.LedgerTopic, c.JointTopic}
	if c.StateTopic != "" {
		topics = append(topics, c.StateTopic)
	}
	l, err := c.open(topics...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	w := &Worker{config: c, opts: o, link: l}
	if err := w.topics(ctx); err != nil {
		l.close()
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return w, nil
}

// topics makes sure that the topics exist, and that the joint topic has as many
// partitions as the ledger topic.
func (w *Worker) topics(ctx context.Context) error {
	c := &w.config
	count, err := w.topic(ctx, c.LedgerTopic, c.Partitions, false)
	if err != nil {
		return err
	}
	kept, err := w.topic(ctx, c.JointTopic, count, true)
	switch {
	case err != nil:
		return err
	case kept < count:
		return fmt.Errorf("topic %q has %d partitions and %q has %d: give the first as many", c.JointTopic, kept, c.LedgerTopic, count)
	case c.StateTopic == "":
		return nil
	}
	_, err = w.topic(ctx, c.StateTopic, count, true)
	return err
}

// topic returns how many partitions a topic has, and makes it if it may.
func (w *Worker) topic(ctx context.Context, name string, partitions int, compacted bool) (int, error) {
	return w.link.topic(ctx, name, w.config.Create, creation{partitions, w.config.Replicas, compacted})
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Times of the consumer group: how long a worker may be silent before its
// partitions are assigned to others, and how often it says that it is alive.
const (
	sessionTimeout = 10 * time.Second
	heartbeat      = time.Second
)

// Run works until ctx ends, and then returns nil. It goes on when brokers are away
// and when the group changes. It can be called once.
func (w *Worker) Run(ctx context.Context) error {
	defer w.link.close()
	group, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{
		ID: w.config.Group, Brokers: w.config.Brokers, Topics: []string{w.config.LedgerTopic},
		Dialer: &kafkago.Dialer{
			ClientID: w.link.clientID, DialFunc: w.link.dial, Timeout: dialTimeout, SASLMechanism: w.link.sasl,
		},
		SessionTimeout: sessionTimeout, HeartbeatInterval: heartbeat, RebalanceTimeout: sessionTimeout,
		JoinGroupBackoff: time.Second, StartOffset: kafkago.FirstOffset, WatchPartitionChanges: true,
	})
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer group.Close() //nolint:errcheck // it always returns nil
	for {
		gen, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, kafkago.RebalanceInProgress):
			continue
		case err != nil:
			w.warn(fmt.Errorf("group %s: %w", w.config.Group, explain(w.config.LedgerTopic, err)))
			pause(ctx, heartbeat)
			continue
		}
		w.start(gen)
	}
}

// start works on the partitions that a generation of the group gives the
// worker.
func (w *Worker) start(gen *kafkago.Generation) {
	for _, a := range gen.Assignments[w.config.LedgerTopic] {
		gen.Start(func(ctx context.Context) {
			s := newShare(w, a.ID)
			s.run(ctx, a.Offset, func(next int64) error {
				return gen.CommitOffsets(map[string]map[int]int64{w.config.LedgerTopic: {a.ID: next}})
			})
		})
	}
}

func (w *Worker) warn(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opts.Warn != nil {
		w.opts.Warn(err)
	}
}

// count adds what was read.
func (w *Worker) count(t *Tally) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tally.Damaged == 0 && t.Damaged > 0 {
		w.tally.Example = t.Example
		if w.opts.Warn != nil {
			w.opts.Warn(fmt.Errorf("messages that are no words of a sensor are passed over, the first in %s", t.Example))
		}
	}
	w.tally.Words += t.Words
	w.tally.Damaged += t.Damaged
}

// changed tells of changes of states.
func (w *Worker) changed(list []event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opts.OnChange == nil {
		return
	}
	for _, e := range list {
		w.opts.OnChange(e)
	}
}

// Tally returns what the worker has read so far. It may be called from any goroutine.
func (w *Worker) Tally() Tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tally
}
