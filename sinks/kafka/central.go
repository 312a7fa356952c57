package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"wormscope/sinks/event"
	"wormscope/sinks/joint"
)

// Central says where the joint ledger of several sensors is: in one topic all their
// words (package event), and in another, compacted one, what a joint.Set keeps of
// them. docs/central.md describes both.
type Central struct {
	Cluster `yaml:",inline"`

	// LedgerTopic is what the sensors write to; wormscope-ledger if empty.
	LedgerTopic string `yaml:"ledger_topic"`
	// JointTopic keeps the joint ledger; wormscope-joint if empty.
	JointTopic string `yaml:"joint_topic"`
	// StateTopic takes the changes of hosts' joint states, to be compacted;
	// empty for none.
	StateTopic string `yaml:"state_topic"`
	// Group is the consumer group of the workers; wormscope if empty.
	Group string `yaml:"group"`

	// Create says that missing topics are made, with this many Replicas (the
	// cluster's default if 0). The ledger topic gets this many Partitions (6 if 0),
	// and the others as many as the ledger topic has.
	Create     bool `yaml:"create"`
	Partitions int  `yaml:"partitions"`
	Replicas   int  `yaml:"replicas"`
}

// Defaults fills in the settings that are empty.
func (c *Central) Defaults() {
	for _, d := range []struct {
		field *string
		value string
	}{{&c.LedgerTopic, "wormscope-ledger"}, {&c.JointTopic, "wormscope-joint"}, {&c.Group, "wormscope"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if c.Partitions == 0 {
		c.Partitions = defaultPartitions
	}
}

// Validate says what is wrong with the settings, without connecting.
func (c *Central) Validate() error {
	errs := []error{c.Cluster.Validate()}
	seen := map[string]string{}
	for _, t := range []struct{ key, name string }{
		{"ledger_topic", c.LedgerTopic}, {"joint_topic", c.JointTopic}, {"state_topic", c.StateTopic},
	} {
		if t.name == "" {
			continue
		}
		if other, ok := seen[t.name]; ok {
			errs = append(errs, fmt.Errorf("%s and %s are both %q: each needs one of its own", other, t.key, t.name))
		}
		seen[t.name] = t.key
		errs = append(errs, checkTopic(t.key, t.name))
	}
	if c.Partitions < 0 || c.Replicas < 0 || c.Replicas > maxReplicas {
		errs = append(errs, errNumbers)
	}
	return errors.Join(errs...)
}

// A Tally counts the words that were read.
type Tally struct {
	Words   uint64
	Damaged uint64 // messages that are not words; they are passed over
	Example string // the first of those, and why
}

func (t *Tally) damaged(topic string, partition int, offset int64, err error) {
	if t.Damaged++; t.Damaged == 1 {
		t.Example = fmt.Sprintf("%s/%d at offset %d: %v", topic, partition, offset, err)
	}
}

// Read reads the whole joint ledger, as it is now, into a Set.
func (c *Central) Read(ctx context.Context, into *joint.Set) (Tally, error) {
	l, err := c.open(c.JointTopic)
	if err != nil {
		return Tally{}, fmt.Errorf("kafka: %w", err)
	}
	defer l.close()
	count, err := l.partitions(ctx, c.JointTopic)
	if err != nil {
		return Tally{}, fmt.Errorf("kafka: %w", explain(c.JointTopic, err))
	}
	var tally Tally
	for p := range count {
		if err := l.load(ctx, c.JointTopic, p, &tally, func(w *wordMessage) { into.Add(w.sensor, w.event) }); err != nil {
			return tally, fmt.Errorf("kafka: %w", err)
		}
	}
	return tally, nil
}

// A wordMessage is a word as a topic holds it.
type wordMessage struct {
	sensor string
	event  event.Event
}

// fetchSize is how many bytes are asked for at once, and fetchWait how long a
// broker may wait for one.
const (
	fetchSize = 4 << 20
	fetchWait = 250 * time.Millisecond
)

// load reads a partition from its beginning to its present end.
func (l *link) load(ctx context.Context, topic string, partition int, tally *Tally, take func(*wordMessage)) error {
	offset, end := kafkago.FirstOffset, int64(0)
	for {
		next, high, err := l.fetch(ctx, topic, partition, offset, tally, take)
		if err != nil {
			return explain(topic, err)
		}
		if end == 0 {
			end = high // as it was at the beginning: the topic may grow for ever
		}
		if next >= end || next == offset {
			return nil
		}
		offset = next
	}
}

// fetch reads what a broker sends of a partition from an offset on. It returns
// the offset after that, and the end of the partition.
func (l *link) fetch(
	ctx context.Context, topic string, partition int, offset int64, tally *Tally, take func(*wordMessage),
) (next, end int64, err error) {
	r, err := l.ask(ctx, &kafkago.FetchRequest{
		Topic: topic, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: fetchSize, MaxWait: fetchWait,
	})
	if err != nil {
		return offset, 0, err
	}
	next = offset
	for {
		m, err := r.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return next, r.HighWatermark, nil
		}
		if err != nil {
			return next, r.HighWatermark, err
		}
		if m.Offset < offset {
			continue // brokers send whole batches: this record is before the offset
		}
		next = m.Offset + 1
		w, err := readWord(m)
		if err != nil {
			tally.damaged(topic, partition, m.Offset, err)
			continue
		}
		tally.Words++
		take(w)
	}
}

// ask asks a broker for records. One that finds that a client has read as much as its
// quota allows answers without any topic, which the library takes for a missing one:
// it is asked again then. To begin anew would reach the quota again, each time.
func (l *link) ask(ctx context.Context, what *kafkago.FetchRequest) (*kafkago.FetchResponse, error) {
	for {
		r, err := l.client.Fetch(ctx, what)
		if err == nil {
			err = r.Error
		}
		if !errors.Is(err, protocol.ErrNoTopic) {
			return r, err
		}
		if _, missing := l.partitions(ctx, what.Topic); missing != nil {
			return nil, err
		}
		pause(ctx, fetchWait)
	}
}

// readWord reads a word of a record.
func readWord(m *kafkago.Record) (*wordMessage, error) {
	value, err := kafkago.ReadAll(m.Value)
	if err != nil {
		return nil, err
	}
	w := &wordMessage{}
	for _, h := range m.Headers {
		if h.Key == HeaderSensor {
			w.sensor = string(h.Value)
		}
	}
	if w.sensor == "" {
		return nil, errors.New("the header " + HeaderSensor + " is missing")
	}
	w.event, err = event.Decode(value)
	return w, err
}
