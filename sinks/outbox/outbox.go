// Package outbox keeps events until every sink has delivered them. It is a log
// in a folder: an event counts as taken when it is on the disk. Each sink has a
// cursor of its own and a goroutine that delivers, so that one that is away,
// slow or hung holds up no other. After a crash the ledger, too, can be brought up
// to date from the log. docs/outbox.md says what is promised.
//
// An event goes from Outbox.Append (outbox.go) into a queue. The committer
// (commit.go) writes it to a segment of the log (segment.go, record.go) and shows it
// to the shippers, of which each sink has one (shipper.go). A shipper reads events
// from memory (tail.go) or from the log (reader.go), and notes how far its sink has
// got (cursor.go). Where room gets short, room.go and shrink.go say what gives way.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"wormscope/sinks"
	"wormscope/sinks/event"
)

// Options are the settings of an Outbox. The zero value of a field means its
// default.
type Options struct {
	// Dir is the folder that the outbox is kept in; it is made if it is not
	// there. Without one everything is kept in memory and gone with the process.
	Dir string
	// MaxBytes is how many bytes may be kept; DefaultMaxBytes, or without Dir
	// DefaultMaxMemory, if 0. Beyond it the oldest events of the lowest severity are
	// given up.
	MaxBytes int64
	// After is the last position of an earlier log, which may be gone: positions of
	// new events come after it.
	After uint64
	// Wait makes Append wait for room instead of giving events up. It waits for as
	// long as the sinks make progress, and this long for one that makes none: then
	// what that sink lacks is given up. 0 means not to wait, less than 0 for ever.
	// When Stop is closed nobody waits any longer.
	Wait time.Duration
	Stop <-chan struct{}
	// Warn takes what an operator should know, a line without a newline. It is
	// called by several goroutines, not for each event.
	Warn func(line string)

	segmentSize  int64         // 0: from MaxBytes
	maxLag       int64         // bytes beyond MaxBytes that a ledger which lags may cost; 0: from MaxBytes
	maxQueue     int           // 0 for maxQueue
	firstRetry   time.Duration // 0 for firstRetry
	tellEvery    time.Duration // how often a warning says what Append waits for; 0 for a minute
	closeTimeout time.Duration // 0 for closeTimeout
	lookEvery    time.Duration // 0 for lookEvery
	hangTimeout  time.Duration // 0 for hangTimeout
	medium       medium        // nil: by Dir
}

// The limits that hold when none is given, in bytes.
const (
	DefaultMaxBytes  = 1 << 30 // in a folder
	DefaultMaxMemory = 64 << 20
	// MinBytes is the least that an outbox can be bounded to.
	MinBytes = 16 << 20
)

const (
	maxQueue     = 16384 // events that wait to be made durable
	firstRetry   = time.Second
	lastRetry    = time.Minute
	closeTimeout = 5 * time.Second
	lookEvery    = time.Second // after which it is seen whether the newest segment was deleted
	// hangTimeout is how long Close waits for one write, in all.
	hangTimeout = 30 * time.Second
	// maxReceivers is how many sinks there can be, since each has a bit of a uint64.
	maxReceivers = 64
)

// A Receiver is a sink and what the outbox has to know of it.
type Receiver struct {
	// Name names the sink's cursor and dead-letter file, and the sink in
	// messages: letters, digits, dots, hyphens and underscores.
	Name string
	Sink sinks.Sink
	// Wants reports whether the sink should have an event; nil for whatever
	// Sink.Wants says. It is called by several goroutines.
	Wants func(e *event.Event) bool
}

// An Outbox takes events and has them delivered. It is safe for use by several
// goroutines, but events of one host must come from one.
type Outbox struct {
	opts     Options
	medium   medium
	stop     context.CancelFunc // ends deliveries
	closing  chan struct{}      // closed when no more events are taken
	work     chan struct{}      // holds one when there is something in the queue
	workers  sync.WaitGroup     // the committer
	shipping sync.WaitGroup     // the shippers

	// files is held to read while a segment's file is opened, and to write while
	// one is replaced or removed. It is taken before mu.
	files sync.RWMutex

	mu       sync.Mutex
	changed  chan struct{} // closed, and made anew, when anything below but the queue changes
	queue    []entry       // not yet taken by the committer
	held     int           // events that the committer has taken and that are not durable
	slow     bool          // Append waited in vain, and does not wait again until the queue is short
	closed   bool
	started  bool
	position uint64    // of the event that was appended last
	durable  uint64    // position up to which events are on the disk
	shown    uint64    // position up to which sinks may have events; beyond durable only while the disk fails
	ledger   uint64    // position up to which the ledger holds what events say
	failing  error     // why events can't be made durable now
	writing  time.Time // since when the committer waits for the disk, zero when it does not
	segments []*segment
	total    int64 // bytes of all segments
	written  int64 // bytes since the start
	tail     tail
	shippers []*shipper
	absent   []absentee
	stats    Stats

	// For the committer only.
	active   file   // that of the newest segment
	shrinkAt uint64 // before durable reaches this position, trying to shrink is useless
}

// An entry is an event that was appended.
type entry struct {
	event    event.Event
	position uint64
	seconds  uint32
	more     bool   // the next one belongs to the same group
	wanted   uint64 // a bit for each shipper that wants it
}

// Open opens an outbox, and makes it if it is not there. Start starts it.
func Open(o Options) (*Outbox, error) {
	b := &Outbox{
		opts: o.withDefaults(), medium: o.medium,
		changed: make(chan struct{}), closing: make(chan struct{}), work: make(chan struct{}, 1), ledger: everything,
	}
	switch {
	case b.medium != nil:
	case o.Dir == "":
		b.medium = newMemory()
	default:
		if err := os.MkdirAll(o.Dir, 0o750); err != nil {
			return nil, fmt.Errorf("outbox: %w", err)
		}
		b.medium = folder(o.Dir)
	}
	b.position = o.After
	if err := b.openLog(); err != nil {
		return nil, fmt.Errorf("outbox %s: %w", o.Dir, err)
	}
	return b, nil
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
		if o.Dir == "" {
			o.MaxBytes = DefaultMaxMemory
		}
	}
	if o.segmentSize <= 0 {
		o.segmentSize = min(max(o.MaxBytes/16, 1<<20), 16<<20)
	}
	if o.maxLag <= 0 {
		o.maxLag = max(o.MaxBytes/4, 64<<20)
	}
	if o.maxQueue <= 0 {
		o.maxQueue = maxQueue
	}
	if o.firstRetry <= 0 {
		o.firstRetry = firstRetry
	}
	if o.tellEvery <= 0 {
		o.tellEvery = time.Minute
	}
	if o.closeTimeout <= 0 {
		o.closeTimeout = closeTimeout
	}
	if o.hangTimeout <= 0 {
		o.hangTimeout = hangTimeout
	}
	if o.lookEvery <= 0 {
		o.lookEvery = lookEvery
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	return o
}

// Taken says that a ledger holds what events up to this position say. Later events
// are kept for it, even if every sink has them, until Taken is called with their
// positions. If it is never called, nothing is kept for a ledger.
func (b *Outbox) Taken(position uint64) {
	b.mu.Lock()
	b.ledger = position
	b.mu.Unlock()
	b.trim()
}

// CheckName says what is wrong with the name of a receiver.
func CheckName(name string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`).MatchString(name) {
		return errors.New("want letters, digits, dots, hyphens and underscores, at most 64")
	}
	if strings.HasSuffix(name, temporary) { // a cursor of this name would be taken for an unfinished one
		return fmt.Errorf("can't end in %s", temporary)
	}
	return nil
}

// Start begins to take events and to deliver them.
func (b *Outbox) Start(to []Receiver) error {
	if len(to) > maxReceivers {
		return fmt.Errorf("%d sinks: at most %d are possible", len(to), maxReceivers)
	}
	for _, r := range to {
		if err := CheckName(r.Name); err != nil {
			return fmt.Errorf("sink %q: %w", r.Name, err)
		}
		if slices.ContainsFunc(b.shippers, func(s *shipper) bool { return s.name == r.Name }) {
			return fmt.Errorf("sink %s: two sinks have this name", r.Name)
		}
		s, err := b.newShipper(r)
		if err != nil {
			return err
		}
		b.shippers = append(b.shippers, s)
		b.position = max(b.position, s.cursor)
	}
	b.durable, b.shown = b.position, b.position
	b.tail.from = b.position
	if err := b.findAbsentees(); err != nil {
		return err
	}
	b.started = true
	for _, s := range b.shippers {
		s.opened = b.position
		s.waiting = b.eventsAfter(s.cursor)
		s.noteAndSay(s.cursor) // from now on events are kept for it
	}
	b.trim()
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	b.workers.Go(b.commit)
	for _, s := range b.shippers {
		b.shipping.Go(func() { s.run(ctx) })
	}
	return nil
}

// Append takes a group of events: after a crash all of them are there or none. It
// returns the position of the last. The events must not be changed from then on; the
// slice stays the caller's. When the outbox or the disk is full, it gives up other
// events rather than fail, unless Options.Wait says to wait.
func (b *Outbox) Append(group []event.Event) uint64 {
	now := uint32(time.Now().Unix()) //nolint:gosec // G115: until 2106
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		b.stats.Lost += uint64(len(group))
		return b.position
	}
	b.makeRoom(len(group))
	for i := range group {
		b.position++
		b.queue = append(b.queue, entry{event: group[i], position: b.position, seconds: now, more: i < len(group)-1, wanted: b.wanted(&group[i])})
	}
	select {
	case b.work <- struct{}{}:
	default:
	}
	return b.position
}

// Position returns the position of the event that was appended last.
func (b *Outbox) Position() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.position
}

// Sync waits until everything that was appended is durable. It fails at once while
// the disk takes no events.
func (b *Outbox) Sync() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	target := b.position
	for b.durable < target {
		if b.failing != nil {
			return fmt.Errorf("outbox: %w", b.failing)
		}
		if b.closed {
			return errors.New("outbox: closed")
		}
		b.await(nil, 0)
	}
	return nil
}

// wake wakes everyone who waits for a change. It is called with b.mu held.
func (b *Outbox) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// await waits for a change, for done, or for atMost, unless that is 0. It is called
// with b.mu held, and releases it meanwhile.
func (b *Outbox) await(done <-chan struct{}, atMost time.Duration) {
	changed := b.changed
	b.mu.Unlock()
	defer b.mu.Lock()
	if atMost <= 0 {
		select {
		case <-changed:
		case <-done:
		}
		return
	}
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-changed:
	case <-done:
	case <-timer.C:
	}
}

func (b *Outbox) warn(format string, args ...any) { b.opts.Warn(fmt.Sprintf(format, args...)) }
