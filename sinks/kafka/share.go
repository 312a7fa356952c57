package kafka

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"wormscope/detect/alert"
	"wormscope/scope"
	"wormscope/sinks/event"
	"wormscope/sinks/joint"
)

// A share is one partition of the joint ledger, as long as it is assigned to a
// worker.
type share struct {
	worker    *Worker
	partition int
	set       *joint.Set
	states    map[netip.Addr]scope.State
}

func newShare(w *Worker, partition int) *share {
	return &share{worker: w, partition: partition, set: joint.New(), states: map[netip.Addr]scope.State{}}
}

// run works on the partition until ctx ends.
func (s *share) run(ctx context.Context, offset int64, commit func(int64) error) {
	if !s.keepTrying(ctx, s.load) {
		return
	}
	for {
		batch, next, ok := s.fetch(ctx, offset)
		switch {
		case !ok:
			return
		case next == offset:
			continue
		case !s.take(ctx, batch):
			return
		case next >= 0 && !s.keepTrying(ctx, func(context.Context) error { return commit(next) }):
			return
		}
		offset = next
	}
}

// fetch reads the next words, if there are any yet, and returns the offset
// after them. It reports false when ctx ends before.
func (s *share) fetch(ctx context.Context, offset int64) (batch []wordMessage, next int64, ok bool) {
	w, topic := s.worker, s.worker.config.LedgerTopic
	ok = s.keepTrying(ctx, func(ctx context.Context) error {
		var tally Tally
		batch = batch[:0]
		n, _, err := w.link.fetch(ctx, topic, s.partition, offset, &tally, func(m *wordMessage) { batch = append(batch, *m) })
		switch {
		case errors.Is(err, kafkago.OffsetOutOfRange):
			w.warn(fmt.Errorf("topic %q has forgotten words of partition %d before they were read: keep them for longer (retention.ms)", topic, s.partition))
			next = kafkago.FirstOffset
			return nil
		case err != nil:
			return explain(topic, err)
		}
		next = n
		w.count(&tally)
		return nil
	})
	return batch, next, ok
}

// keepTrying calls do until it succeeds. It reports false when ctx ends before.
func (s *share) keepTrying(ctx context.Context, do func(context.Context) error) bool {
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		err := do(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			s.worker.warn(err)
			pause(ctx, wait)
		}
	}
	return false
}

// load reads what the joint topic keeps of the partition.
func (s *share) load(ctx context.Context) error {
	s.set = joint.New()
	w := s.worker
	var tally Tally
	err := w.link.load(ctx, w.config.JointTopic, s.partition, &tally, func(m *wordMessage) { s.set.Add(m.sensor, m.event) })
	if err != nil {
		return err
	}
	for _, c := range s.judge(s.set.Tell) {
		s.states[c.Host()] = c.Change.To
	}
	w.count(&Tally{Damaged: tally.Damaged, Example: tally.Example})
	return nil
}

// judge tells a new ledger and returns the last change of each host's state.
func (s *share) judge(tell func(alert.Emitter, *joint.Files)) []event.Event {
	last := map[netip.Addr]int{}
	var files joint.Files
	var list []event.Event
	ledger := scope.New(s.worker.opts.Zones, scope.Options{Alone: true, Trust: s.worker.opts.Trust, OnChange: func(c scope.Change) {
		e := event.OfChange(&c, func(i int) string { return files.Names()[i] })
		if i, ok := last[c.Host]; ok {
			list[i] = e
			return
		}
		last[c.Host] = len(list)
		list = append(list, e)
	}})
	tell(ledger, &files)
	return list
}

// take writes the changes of state that words cause to the state topic, and then
// the words to the joint topic: if the worker dies in between, a change is written
// again rather than never. It reports false when ctx ends before.
//
// A worker may hang for so long that its partitions are assigned to another, and
// then come back with a request under way. Then an older word of an alert replaces a
// later one, until the sensor sends the next.
func (s *share) take(ctx context.Context, batch []wordMessage) bool {
	var kept []post
	touched := map[netip.Addr]bool{}
	for _, m := range batch {
		for _, slot := range s.set.Add(m.sensor, m.event) {
			body, err := slot.Event.Append(nil)
			if err != nil {
				s.worker.warn(err)
				continue
			}
			touched[m.event.Host()] = true
			kept = append(kept, post{key: []byte(slot.Name), value: body, id: slot.Event.ID(), sensor: m.sensor})
		}
	}
	changes := s.changes(touched)
	if !s.tellStates(ctx, changes) || !s.produce(ctx, s.worker.config.JointTopic, s.partition, kept) {
		return false
	}
	for i := range changes {
		s.states[changes[i].Host()] = changes[i].Change.To
	}
	s.worker.changed(changes)
	return true
}

// changes returns a change for each host whose state is not what it was.
func (s *share) changes(hosts map[netip.Addr]bool) []event.Event {
	var list []event.Event
	for host := range hosts {
		for _, e := range s.judge(func(to alert.Emitter, files *joint.Files) { s.set.TellHost(host, to, files) }) {
			if known := s.states[host]; e.Change.Host == host && e.Change.To != known {
				e.Change.From = known
				list = append(list, e)
			}
		}
	}
	return list
}
