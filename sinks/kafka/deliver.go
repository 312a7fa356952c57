package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"wormscope/sinks"
	"wormscope/sinks/event"
)

// atOnce is how many partitions are written to at the same time.
const atOnce = 8

// Deliver implements sinks.Sink. Within a partition, and so for each host, a
// message is sent only after all before it are acknowledged; partitions are
// written to side by side. What has arrived of a batch that failed is not sent
// again with it.
func (s *Sink) Deliver(ctx context.Context, batch []event.Event) ([]sinks.Refusal, error) {
	list, refused := s.messages(batch)
	lanes := s.lanes(ctx, list)
	var sending sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, l := range lanes {
		if l.err != nil {
			continue
		}
		slots <- struct{}{}
		sending.Go(func() {
			defer func() { <-slots }()
			l.err = l.send(ctx, l.messages)
		})
	}
	sending.Wait()
	errs := make([]error, 0, len(lanes))
	for _, l := range lanes {
		if s.denied(l.err) {
			l.refuse(l.messages[l.done:], l.err)
			l.err = nil
		}
		s.refused = append(s.refused, l.refused...)
		errs = append(errs, l.err)
		for _, m := range l.messages[:l.done] {
			s.arrived[arrival{m.topic, m.id}] = struct{}{}
		}
	}
	if err := joined(errs); err != nil {
		return nil, err
	}
	refused = append(refused, s.refused...)
	s.refused = nil
	clear(s.arrived)
	return refused, nil
}

// joined joins errors; of those with the same text it keeps one.
func joined(errs []error) error {
	var different []error
	for _, err := range errs {
		if err != nil && !slices.ContainsFunc(different, func(d error) bool { return d.Error() == err.Error() }) {
			different = append(different, err)
		}
	}
	if len(different) == 1 {
		return different[0]
	}
	return errors.Join(different...)
}

// A lane is the messages for one partition, in order.
type lane struct {
	sink      *Sink
	topic     string
	partition int
	messages  []message
	done      int // how many of messages are acknowledged or refused
	refused   []sinks.Refusal
	err       error
}

// lanes sorts messages by partition. The messages of a topic of which the partitions
// are not known make a lane with the error.
func (s *Sink) lanes(ctx context.Context, list []message) []*lane {
	var lanes []*lane
	topics := map[string][]*lane{} // by partition
	failed := map[string]*lane{}   // by topic
	for _, m := range list {
		if topics[m.topic] == nil && failed[m.topic] == nil {
			partitions, err := s.partitions(ctx, m.topic)
			if err != nil {
				failed[m.topic] = &lane{sink: s, topic: m.topic, err: err}
				lanes = append(lanes, failed[m.topic])
			}
			topics[m.topic] = make([]*lane, partitions)
		}
		if l := failed[m.topic]; l != nil {
			l.messages = append(l.messages, m)
			continue
		}
		all := topics[m.topic]
		p := s.balancer.Balance(kafkago.Message{Key: m.key}, s.numbers(len(all))...)
		if all[p] == nil {
			all[p] = &lane{sink: s, topic: m.topic, partition: p}
			lanes = append(lanes, all[p])
		}
		all[p].messages = append(all[p].messages, m)
	}
	return lanes
}

// refuse gives up messages for good.
func (l *lane) refuse(list []message, err error) {
	for _, m := range list {
		l.refused = append(l.refused, sinks.Refusal{Event: *m.event, Body: m.value, Err: err})
	}
	l.done += len(list)
}

// send sends messages in requests of a bounded size, one after the other.
func (l *lane) send(ctx context.Context, list []message) error {
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && (n == 0 || size+list[n].size <= l.sink.config.MaxMessageBytes) {
			size += list[n].size
			n++
		}
		if err := l.request(ctx, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// request sends messages in one request. When that is refused, it finds the message
// to blame by sending them in halves, and refuses that one only.
func (l *lane) request(ctx context.Context, list []message) error {
	err := explain(l.topic, l.produce(ctx, list))
	if err == nil {
		l.done += len(list)
		return nil
	}
	switch {
	case !refusal(err):
		return err
	case len(list) == 1:
		l.refuse(list, err)
		return nil
	}
	if err := l.request(ctx, list[:len(list)/2]); err != nil {
		return err
	}
	return l.request(ctx, list[len(list)/2:])
}

// moments are the waits before the next attempts of a request that failed for a
// reason that soon passes, such as the election of a leader.
var moments = [...]time.Duration{100 * time.Millisecond, 300 * time.Millisecond, time.Second} //nolint:gochecknoglobals // a constant table

// produce sends one request, and again if it failed for a reason that soon passes.
func (l *lane) produce(ctx context.Context, list []message) error {
	for _, wait := range moments {
		err := l.try(ctx, list)
		code, _ := errors.AsType[kafkago.Error](err)
		if code != kafkago.NotLeaderForPartition && code != kafkago.LeaderNotAvailable {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
	return l.try(ctx, list)
}

func (l *lane) try(ctx context.Context, list []message) error {
	if size := list[0].size; len(list) == 1 && size > l.sink.config.MaxMessageBytes {
		return &Error{"the message is larger than max_message_bytes", kafkago.MessageSizeTooLarge}
	}
	records := make([]kafkago.Record, len(list))
	now := time.Now() // not packet time: a topic's retention goes by it
	for i := range list {
		records[i] = l.sink.record(&list[i], now)
	}
	response, err := l.sink.link.client.Produce(ctx, &kafkago.ProduceRequest{
		Topic: l.topic, Partition: l.partition, RequiredAcks: kafkago.RequireAll,
		Records: kafkago.NewRecordReader(records...), Compression: l.sink.codec,
	})
	if err != nil {
		return err
	}
	return response.Error
}

// refusal reports whether an error is for good: the broker will refuse the same
// message each time.
func refusal(err error) bool {
	code, _ := errors.AsType[kafkago.Error](err)
	switch code {
	case kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge, kafkago.InvalidRecord,
		kafkago.InvalidTimestamp, kafkago.PolicyViolation:
		return true
	default:
		return false
	}
}

// denied reports whether the user may not write to the topic, and the settings say
// not to wait until that changes.
func (s *Sink) denied(err error) bool {
	return s.config.WhenDenied == deniedRefuse && errors.Is(err, kafkago.TopicAuthorizationFailed)
}

// numbers returns 0 to n-1.
func (s *Sink) numbers(n int) []int {
	for len(s.counted) < n {
		s.counted = append(s.counted, len(s.counted))
	}
	return s.counted[:n]
}
