// Package kafka delivers events to Apache Kafka, version 2.1 or later: at least
// once, in order for each host, acknowledged by all replicas in sync. An event
// that arrives twice has the same id both times. docs/kafka.md describes
// topics, keys and headers.
//
// It produces through kafka-go's Client rather than its Writer: a Writer can't be
// told to stop, and may still send messages after the caller has given up on it.
// Here at most one request of a partition is under way, and none is queued.
//
// A Sink (kafka.go, deliver.go) is a sensor's side. Central (central.go) and Worker
// (worker.go, share.go, shareout.go) are the other side: they make one joint ledger
// of what several sensors sent.
package kafka

import (
	"fmt"
	"os"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"wormscope/sinks"
	"wormscope/sinks/event"
)

// Headers of each message.
const (
	HeaderID     = "event-id" // the same for repeats of one event
	HeaderSensor = "sensor"   // who sent it
)

// A Sink delivers events to a Kafka. It is used by one goroutine.
type Sink struct {
	config   Config
	codec    kafkago.Compression
	render   sinks.Renderer
	link     *link
	balancer kafkago.Murmur2Balancer // as Kafka's own clients choose partitions
	counted  []int                   // 0, 1, 2, …, as the balancer wants them
	// arrived and refused are the outcome so far of a batch that failed in part and
	// is delivered again.
	arrived map[arrival]struct{} // messages that arrived or were refused
	refused []sinks.Refusal
}

// arrival identifies a message.
type arrival struct{ topic, id string }

// New makes a sink that renders events with r. It connects when it has
// something to deliver.
func New(c Config, r sinks.Renderer) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	codec, err := c.compression()
	if err != nil {
		return nil, err
	}
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = defaultMaxMessage
	}
	if c.Partitions == 0 {
		c.Partitions = defaultPartitions
	}
	if c.Sensor == "" {
		if c.Sensor, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("kafka: sensor is not set and the host has no name: %w", err)
		}
	}
	s := &Sink{config: c, codec: codec, render: r, arrived: map[arrival]struct{}{}}
	s.balancer.Consistent = true
	s.link, err = c.open(s.topicNames()...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return s, nil
}

// topicNames are the topics that the sink writes to.
func (s *Sink) topicNames() []string {
	var names []string
	for _, t := range []string{s.config.Topic, s.config.StateTopic, s.config.LedgerTopic} {
		if t != "" {
			names = append(names, t)
		}
	}
	return names
}

// Wants implements sinks.Sink.
func (s *Sink) Wants(e *event.Event) bool {
	c := &s.config
	switch {
	case e.Fact != nil:
		return c.LedgerTopic != ""
	case e.Change != nil:
		return c.Topic != "" || c.StateTopic != ""
	default:
		return c.Topic != "" || c.LedgerTopic != ""
	}
}

// Close implements sinks.Sink.
func (s *Sink) Close() error {
	s.link.close()
	return nil
}

// A message is a record for a topic, and the event that it is of.
type message struct {
	topic      string
	event      *event.Event
	id         string
	key, value []byte
	size       int // about how many bytes it takes in a request
}

// record is the message as the library takes it.
func (s *Sink) record(m *message, now time.Time) kafkago.Record {
	return kafkago.Record{
		Time: now, Key: kafkago.NewBytes(m.key), Value: kafkago.NewBytes(m.value),
		Headers: []kafkago.Header{{Key: HeaderID, Value: []byte(m.id)}, {Key: HeaderSensor, Value: []byte(s.config.Sensor)}},
	}
}

// overhead is about how many bytes a record takes beside key, value and headers.
const overhead = 64

// messages makes the messages of a batch, without those that have arrived.
func (s *Sink) messages(batch []event.Event) ([]message, []sinks.Refusal) {
	var refused []sinks.Refusal
	list := make([]message, 0, len(batch))
	for i := range batch {
		made, err := s.messagesOf(&batch[i])
		if err != nil {
			refused = append(refused, sinks.Refusal{Event: batch[i], Err: err})
		}
		list = append(list, made...)
	}
	return list, refused
}

// messagesOf makes the messages of one event.
func (s *Sink) messagesOf(e *event.Event) ([]message, error) {
	c := &s.config
	id := e.ID()
	key := []byte(e.Host().String())
	var list []message
	add := func(topic string, body []byte) {
		if _, there := s.arrived[arrival{topic, id}]; topic == "" || there {
			return
		}
		list = append(list, message{
			topic: topic, event: e, id: id, key: key, value: body,
			size: overhead + len(key) + len(body) + len(id) + len(c.Sensor) + len(HeaderID) + len(HeaderSensor),
		})
	}
	var errs error
	if e.Fact == nil && (c.Topic != "" || e.Change != nil && c.StateTopic != "") {
		body, err := s.render.Event(e)
		if err != nil {
			errs = fmt.Errorf("render: %w", err)
		} else {
			add(c.Topic, body)
			if e.Change != nil {
				add(c.StateTopic, body)
			}
		}
	}
	if e.Change == nil && c.LedgerTopic != "" {
		body, err := e.Append(nil)
		if err != nil {
			return list, err
		}
		add(c.LedgerTopic, body)
	}
	return list, errs
}
