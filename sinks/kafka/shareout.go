package kafka

import (
	"context"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"wormscope/sinks/event"
)

// A post is a message of a worker.
type post struct {
	key, value []byte
	id, sensor string // sensor is empty where it is not of one sensor
}

// record makes a record for one request: the library reads a record only once.
func (p *post) record(now time.Time) kafkago.Record {
	r := kafkago.Record{
		Time: now, Key: kafkago.NewBytes(p.key), Value: kafkago.NewBytes(p.value),
		Headers: []kafkago.Header{{Key: HeaderID, Value: []byte(p.id)}},
	}
	if p.sensor != "" {
		r.Headers = append(r.Headers, kafkago.Header{Key: HeaderSensor, Value: []byte(p.sensor)})
	}
	return r
}

// tellStates writes changes of states to the state topic, if there is one, and there
// to the same partitions as a sensor would. It reports false when ctx ends before.
func (s *share) tellStates(ctx context.Context, changes []event.Event) bool {
	w := s.worker
	if w.config.StateTopic == "" || w.opts.Render == nil || len(changes) == 0 {
		return true
	}
	count := 0
	if !s.keepTrying(ctx, func(ctx context.Context) (err error) {
		count, err = w.link.partitions(ctx, w.config.StateTopic)
		return explain(w.config.StateTopic, err)
	}) {
		return false
	}
	balancer := kafkago.Murmur2Balancer{Consistent: true}
	numbers := make([]int, count)
	for i := range numbers {
		numbers[i] = i
	}
	lists := map[int][]post{}
	for i := range changes {
		body, err := w.opts.Render.Event(&changes[i])
		if err != nil {
			w.warn(err)
			continue
		}
		p := post{key: []byte(changes[i].Host().String()), value: body, id: changes[i].ID()}
		to := balancer.Balance(kafkago.Message{Key: p.key}, numbers...)
		lists[to] = append(lists[to], p)
	}
	for partition, list := range lists {
		if !s.produce(ctx, w.config.StateTopic, partition, list) {
			return false
		}
	}
	return true
}

// perRequest is how many posts go into one request, if the broker takes as much.
const perRequest = 500

// produce writes posts to a partition of a topic until all replicas have them.
// It reports false when ctx ends before.
func (s *share) produce(ctx context.Context, topic string, partition int, list []post) bool {
	for most := perRequest; len(list) > 0; {
		most = min(most, len(list))
		done := s.keepTrying(ctx, func(ctx context.Context) error {
			err := s.request(ctx, topic, partition, list[:most])
			for refusal(err) && most > 1 { // too large, all of them together
				most /= 2
				err = s.request(ctx, topic, partition, list[:most])
			}
			return err
		})
		if !done {
			return false
		}
		list = list[most:]
	}
	return true
}

// request writes posts to a partition of a topic in one request.
func (s *share) request(ctx context.Context, topic string, partition int, list []post) error {
	now := time.Now()
	records := make([]kafkago.Record, 0, len(list))
	for i := range list {
		records = append(records, list[i].record(now))
	}
	r, err := s.worker.link.client.Produce(ctx, &kafkago.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafkago.RequireAll,
		Records: kafkago.NewRecordReader(records...), Compression: kafkago.Zstd,
	})
	if err == nil {
		err = r.Error
	}
	return explain(topic, err)
}
