package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/internal/plural"
	"wormscope/scope"
	"wormscope/sinks/event"
	"wormscope/sinks/outbox"
)

// The bounds of an outbox, MiB.
const (
	minOutboxMB = outbox.MinBytes >> 20
	maxOutboxMB = 1 << 20
)

// stallTimeout is how long a replay waits by default for a sink that takes nothing while
// the outbox is full: longer than a receiver takes to restart, and than the minute
// between attempts.
const stallTimeout = 5 * time.Minute

// A delivery hands what is found to the sinks, by way of the outbox. A nil one
// has no sinks.
type delivery struct {
	box      *outbox.Outbox
	fileName func(int) string
	group    []event.Event // one word (package event), and the changes that it causes
	facts    bool          // facts are delivered as well, since a ledger needs them
	kept     bool          // in a folder, for a later run
}

// deliveryOptions are what differs between replay and live.
type deliveryOptions struct {
	live bool
	stop <-chan struct{}   // ends waiting for room
	warn func(line string) // takes what an operator should know
}

// openDelivery opens the outbox and the sinks of the settings; it returns nil without
// sinks. If an earlier run died after it had put events into the outbox and before it
// had told the state folder, they are told to that first, and written to out.
func openDelivery(s *settings, keep *state, out *events, o deliveryOptions) (_ *delivery, err error) {
	zones, err := zone.New(s.Internal, s.Zones)
	if err != nil {
		return nil, err
	}
	if len(s.Sinks) == 0 {
		return nil, recoverOnly(s.State, keep, zones, out, o.warn)
	}
	for _, line := range s.inTheClear() {
		o.warn(line)
	}
	options := outbox.Options{MaxBytes: s.Outbox.MaxMB << 20, Stop: o.stop, Warn: o.warn}
	if !o.live { // a capture can wait, traffic can't
		options.Wait = cmp.Or(s.drainTimeout, stallTimeout)
	}
	var known uint64
	if keep != nil {
		options.Dir = filepath.Join(s.State, outboxFolder)
		if known, err = keep.store.Position(); err != nil {
			return nil, err
		}
		options.After = known
	}
	box, err := outbox.Open(options)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, box.Close())
		}
	}()
	d := &delivery{box: box, facts: keep != nil, kept: keep != nil}
	if keep != nil {
		if err = keep.recoverFrom(box, known, zones, out); err != nil {
			return nil, err
		}
	}
	receivers, err := s.receivers(zones, o.live)
	if err != nil {
		return nil, err
	}
	for i := range receivers {
		d.facts = d.facts || receivers[i].Sink.Wants(&event.Event{Fact: &alert.Fact{}})
	}
	return d, box.Start(receivers)
}

// recoverOnly does for a run without sinks what openDelivery does after a run that died:
// the outbox is that of an earlier run, and keeps what waits for its sinks.
func recoverOnly(folder string, keep *state, zones *zone.Map, out *events, warn func(line string)) error {
	if keep == nil {
		return nil
	}
	dir := filepath.Join(folder, outboxFolder)
	if _, err := os.Stat(dir); err != nil {
		return nil //nolint:nilerr // there was no run with sinks
	}
	known, err := keep.store.Position()
	if err != nil {
		return err
	}
	box, err := outbox.Open(outbox.Options{Dir: dir, After: known, Warn: warn})
	if err != nil {
		return err
	}
	err = errors.Join(keep.recoverFrom(box, known, zones, out), box.Idle())
	keep.box = nil
	return errors.Join(err, box.Close())
}

// outboxFolder is where the outbox is in the state folder.
const outboxFolder = "outbox"

// receivers opens the sinks, which connect when they have something to deliver.
func (s *settings) receivers(zones *zone.Map, live bool) (list []outbox.Receiver, err error) {
	defer func() {
		for i := 0; err != nil && i < len(list); i++ {
			err = errors.Join(err, list[i].Sink.Close())
		}
	}()
	for i := range s.Sinks {
		k := &s.Sinks[i]
		sink, err := k.own.open(k.renderer(zones, live))
		if err != nil {
			return list, fmt.Errorf("sink %s: %w", k.Name, err)
		}
		list = append(list, outbox.Receiver{Name: k.Name, Sink: sink, Wants: k.wants()})
	}
	return list, nil
}

// recoverFrom tells the state folder what the outbox holds after a position, and writes
// it to the event file. The run that died may have written it there, too, so that it
// may now be there twice.
func (k *state) recoverFrom(box *outbox.Outbox, known uint64, zones *zone.Map, out *events) error {
	k.box = box
	box.Taken(known)
	r := recovery{keep: k, out: out, files: map[string]int{}}
	fileName := func(i int) string { return r.names[i] }
	out.prepare(zones, fileName)
	k.store.Begin(fileName, func() error {
		out.err = cmp.Or(out.err, out.flush()) // the run reports it, and goes on if it can
		return nil
	})
	if err := box.Recover(known, r.take); err != nil {
		return err
	}
	return k.flushNow()
}

// A recovery tells events of an outbox to a state folder, and writes them to the event
// file.
type recovery struct {
	keep  *state
	out   *events
	files map[string]int // by name, the index in names
	names []string
}

// take takes one event, which is at a position of the outbox.
func (r *recovery) take(position uint64, e *event.Event) error {
	db := r.keep.store
	db.Took(position)
	r.keep.position = position
	switch {
	case e.Alert != nil:
		a := *e.Alert
		for i := range a.Frames {
			a.Frames[i] = r.frame(e, a.Frames[i])
		}
		r.out.alert(&a)
		db.Alert(a)
	case e.Fact != nil:
		f := *e.Fact
		f.Frame = r.frame(e, f.Frame)
		db.Fact(f)
	case e.Change != nil:
		c := *e.Change
		c.Frame = r.frame(e, c.Frame)
		if say := r.out.onChange(); say != nil {
			say(c)
		}
		db.Change(c)
	}
	return nil
}

// frame turns a frame reference of an event into one whose File is an index of names.
func (r *recovery) frame(e *event.Event, f alert.FrameRef) alert.FrameRef {
	if f.Number == 0 {
		return f
	}
	name := e.FileName(f.File)
	if _, ok := r.files[name]; !ok {
		r.files[name] = len(r.names)
		r.names = append(r.names, name)
	}
	f.File = r.files[name]
	return f
}

// alert begins a group with a phase of an alert.
func (d *delivery) alert(a *alert.Alert) {
	if d != nil {
		d.group = append(d.group, event.OfAlert(a, d.fileName))
	}
}

// fact begins a group with a fact.
func (d *delivery) fact(f *alert.Fact) {
	if d != nil && d.facts {
		d.group = append(d.group, event.OfFact(f, d.fileName))
	}
}

// change adds a change of state, which the ledger made of the word that began the group.
func (d *delivery) change(c *scope.Change) {
	if d != nil {
		d.group = append(d.group, event.OfChange(c, d.fileName))
	}
}

// commit hands the group over, and returns the outbox's position after it, 0
// without an outbox.
func (d *delivery) commit() uint64 {
	if d == nil {
		return 0
	}
	var position uint64
	if len(d.group) > 0 {
		position = d.box.Append(d.group)
	}
	clear(d.group)
	d.group = d.group[:0]
	return position
}

// sync waits until everything that was handed over is durable.
func (d *delivery) sync() error {
	if d == nil {
		return nil
	}
	return d.box.Sync()
}

// drain waits until every sink has everything, or ctx ends, or atMost has passed, unless
// that is 0. The error says how many events still wait.
func (d *delivery) drain(ctx context.Context, atMost time.Duration, show func(waiting int)) error {
	if d == nil {
		return nil
	}
	if atMost > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, atMost)
		defer cancel()
	}
	err := d.box.Drain(ctx, func(s outbox.Stats) { show(s.Waiting()) })
	if err == nil {
		return nil
	}
	stats := d.box.Stats()
	waiting := perSink(&stats, func(k *outbox.SinkStats) uint64 { return uint64(k.Waiting) }) //nolint:gosec // G115: never negative
	switch {
	case waiting == "":
		waiting = fmt.Sprintf("%d not yet on the disk", stats.Queued)
	case !d.kept:
		waiting += "; without a state folder nothing keeps them"
	case stats.Queued == 0:
		waiting += "; the next run with this state folder delivers them"
	}
	return errors.New("events were not delivered: " + waiting)
}

// perSink lists the sinks of which a count is not 0.
func perSink(stats *outbox.Stats, count func(*outbox.SinkStats) uint64) string {
	var list []string
	for i := range stats.Sinks {
		k := &stats.Sinks[i]
		if n := count(k); n > 0 {
			list = append(list, fmt.Sprintf("%d for sink %s", n, k.Name))
		}
	}
	return strings.Join(list, ", ")
}

// shortfall says which sinks lack events for good.
func (d *delivery) shortfall() error {
	if d == nil {
		return nil
	}
	stats := d.box.Stats()
	lacking := perSink(&stats, func(k *outbox.SinkStats) uint64 { return k.Lost })
	if lacking == "" {
		return nil
	}
	return errors.New("events were given up: " + lacking + ": replay the capture again when that works")
}

// describe adds the counts of the outbox to a snapshot.
func (d *delivery) describe(s *snapshot) {
	if d == nil {
		return
	}
	stats := d.box.Stats()
	s.Outbox = &stats
}

// warnings returns warnings about events that sinks will not get.
func (d *delivery) warnings() []string {
	if d == nil {
		return nil
	}
	stats := d.box.Stats()
	var out []string
	if stats.Lost > 0 {
		out = append(out, plural.Count(stats.Lost, "event was given up before it was", "events were given up before they were")+" delivered: the outbox was full, or the disk took none")
	}
	for i := range stats.Sinks {
		if k := &stats.Sinks[i]; k.Refused > 0 {
			out = append(out, fmt.Sprintf("sink %s refused %s for good", k.Name, plural.Count(k.Refused, "event", "events")))
		}
	}
	return out
}

// close makes what was handed over durable, and closes the sinks.
func (d *delivery) close() error {
	if d == nil {
		return nil
	}
	return d.box.Close()
}
