package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"

	"wormscope/capture"
	"wormscope/capture/kernelfilter"
	"wormscope/capture/ring"
)

const (
	// slice is how much traffic, by packet time, the loop takes before it attends to
	// anything else, and how long it waits for a quiet source.
	slice = 100 * time.Millisecond
	// publishEvery is how often the snapshot is renewed.
	publishEvery = 250 * time.Millisecond
	// noteEvery is how often the state folder is told what was captured, for reports
	// that are made during the run, and in case the run does not end well.
	noteEvery = 10 * time.Second
	// settled is how far behind the wall clock packet time advances while no packets
	// come: older packets must no longer be on their way through the ring.
	settled = 250 * time.Millisecond
)

// A liveRun is one run of live.
type liveRun struct {
	s        *settings
	std      streams
	log      *zap.Logger
	source   liveSource
	p        *pipeline
	shards   *shards // nil where the pipeline reads the rings itself
	board    board
	keeper   *feedKeeper
	watcher  *fsnotify.Watcher // of the feeds' folders, nil for none
	swaps    chan *feedSwap
	kernel   *kernelfilter.Filter // nil for none
	filtered atomic.Bool          // it is, or was, attached
	inKernel bool                 // --filter is run by the kernel
	started  time.Time
	shown    time.Time // when the last snapshot was published
	notedAny bool      // the state folder was told of packets
	noted    time.Time // when the state folder was last told what was captured
	faults   faults
	memory   residentMemory
	hangups  chan os.Signal

	addresses func() ([]net.Addr, error) // of this machine

	stateErrors uint64 // how often writing to the state folder failed
}

func newLiveRun(s *settings, std streams) *liveRun {
	return &liveRun{
		s: s, std: std, log: newLogger(std.err), swaps: make(chan *feedSwap), started: time.Now(),
		memory: openResidentMemory(), hangups: make(chan os.Signal, 1), addresses: net.InterfaceAddrs,
	}
}

// watch runs the capture loop until it is told to stop, and everything that was captured
// before that is through.
func (l *liveRun) watch(ctx context.Context, feeds *feedKeeper, read func() (settings, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.keeper = feeds
	batch := l.batches()
	if l.shards != nil {
		l.shards.start()
		defer l.shards.close()
	}
	l.board.turned.Store(time.Now().UnixNano())
	l.publish(time.Now())
	attendants := l.attend(ctx, read)
	err := l.loop(batch)
	cancel()
	attendants.Wait()
	l.notifyStopping()
	return err
}

// batches returns a function that takes the next frames through the pipeline.
func (l *liveRun) batches() func() error {
	if m := l.p.merger; m != nil {
		return func() error { return m.batch(l.p) }
	}
	var from source = l.source
	if n := l.s.Live.Count; n > 0 {
		from = &counted{source: from, left: n}
	}
	return func() error { return l.p.batch(from) }
}

// loop runs the pipeline to the end of the source. Errors of the event file or in a
// detector are logged and do not end it.
func (l *liveRun) loop(batch func() error) error {
	memory := newCollector()
	for {
		err := batch()
		now := time.Now()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, capture.ErrIdle):
			l.p.engine.Idle(now.Add(-settled).UnixNano())
		case err != nil:
			return err
		default:
			if run := &l.p.frames; run.N > 0 { // with several rings the merger does this
				l.p.engine.Idle(run.Sum.Newest - int64(settled))
			}
		}
		memory.adjust()
		l.board.turned.Store(now.UnixNano())
		if now.Sub(l.shown) >= publishEvery {
			l.publish(now)
		}
		l.heed(now)
	}
}

// heed takes over new feeds, addresses and marks, and notes errors of files.
func (l *liveRun) heed(now time.Time) {
	select {
	case swap := <-l.swaps:
		l.p.setIndicators(swap.set)
		close(swap.used)
	default:
	}
	if err := l.p.events.takeError(); err != nil {
		l.faults.note("events", l.s.Live.outOfReach(err))
	}
	if err := l.p.events.checkReader(func(line string) { l.log.Warn(line) }); err != nil {
		l.log.Warn("stopping: nothing takes what is found", zap.Error(err))
		l.source.Stop()
	}
	if now.Sub(l.noted) >= noteEvery || !l.notedAny && l.p.traffic.frames > 0 {
		l.notedAny = l.p.traffic.frames > 0
		seen := l.sight()
		l.p.state.note(&seen, l.p.summary(&seen).Warnings)
		l.noted = now
		l.renewOwn()
	}
	if err := l.p.state.flush(); err != nil {
		l.faults.note("state", err)
		l.stateErrors++
	}
	if marks := l.p.state.freshMarks(); marks != nil {
		l.p.takeMarks(*marks, now)
	}
	l.faults.say(l.log, now)
}

// publish renews the snapshot.
func (l *liveRun) publish(now time.Time) {
	s := l.p.snapshot()
	s.At, s.Started = now, l.started
	s.StateErrors = l.stateErrors
	s.Interfaces = l.source.Stats().Interfaces
	if l.keeper != nil {
		l.keeper.describe(s)
	}
	l.p.events.sinks.describe(s)
	if before := l.board.snapshot(); before != nil {
		s.EventsFailed, s.StateFailed = before.EventsFailed, before.StateFailed
		if s.Events.Errors > before.Events.Errors {
			s.EventsFailed = now
		}
		if s.StateErrors > before.StateErrors {
			s.StateFailed = now
		}
	}
	s.Memory = l.memory.read()
	l.shown = now
	l.board.latest.Store(s)
}

// statusFailed logs that the server for metrics and health has ended.
func (l *liveRun) statusFailed(err error) {
	l.log.Error("metrics and health can't be served any more; the run goes on", zap.Error(err))
}

// certificateStale logs that a certificate that was replaced is not used. Its key is
// often one that root alone may read, which the run is no more.
func (l *liveRun) certificateStale(err error) {
	l.log.Warn("the new certificate for metrics and health can't be used, the old one stays", zap.Error(err))
}

// interfaceSaid logs a warning about an interface.
func (l *liveRun) interfaceSaid(iface, text string) {
	l.log.Warn(text, zap.String("interface", iface))
}

// A counted source ends after a given number of frames.
type counted struct {
	source
	left uint64
}

func (c *counted) Next(f *capture.Frame) error {
	if c.left == 0 {
		return io.EOF
	}
	err := c.source.Next(f)
	if err == nil {
		c.left--
	}
	return err
}

// More returns no frames if the source has no runs.
func (c *counted) More(run *capture.Run, most int) int {
	runs, ok := c.source.(runSource)
	if !ok {
		return 0
	}
	n := runs.More(run, int(min(uint64(most), c.left))) //nolint:gosec // G115: never negative
	c.left -= uint64(n)                                 //nolint:gosec // G115: "
	return n
}

// faults are errors that may last, each logged at once, then once a minute, and when
// it is over. Several goroutines may use them.
type faults struct {
	mu   sync.Mutex
	what map[string]*fault
}

type fault struct {
	err   error
	times uint64    // how often since it was last logged
	next  time.Time // when to log it again
}

func (f *faults) note(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.what == nil {
		f.what = map[string]*fault{}
	}
	v := f.what[what]
	if v == nil {
		v = &fault{}
		f.what[what] = v
	}
	v.err = err
	v.times++
}

func (f *faults) say(log *zap.Logger, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for what, v := range f.what {
		switch {
		case now.Before(v.next):
		case v.times == 0: // what can't be written is tried again each second
			log.Info(what + " can be written again")
			delete(f.what, what)
		default:
			log.Error(what+" can't be written; the run goes on", zap.Error(v.err), zap.Uint64("times", v.times))
			v.times, v.next = 0, now.Add(time.Minute)
		}
	}
}

// fileStats returns the counts of an interface in the form of those of a capture file.
func fileStats(f *ring.Interface) capture.FileStats {
	return capture.FileStats{Frames: f.Received, Bytes: f.Bytes, WireBytes: f.Bytes, Truncated: f.Truncated, Dropped: f.Dropped}
}

// renewOwn finds out which addresses this machine has now, without those of the loopback
// interface: a sensor may start before it has any, and may get others.
func (l *liveRun) renewOwn() {
	if l.s.Live.OwnTraffic {
		return
	}
	addrs, err := l.addresses()
	if err != nil {
		return // the addresses known so far may still be right
	}
	own := map[netip.Addr]struct{}{}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLoopback() {
			own[p.Addr().Unmap().WithZone("")] = struct{}{}
		}
	}
	l.p.own = own
}

// residentMemory reads how much memory the process has.
type residentMemory struct {
	file *os.File // nil where there is no such file
}

func openResidentMemory() residentMemory {
	f, _ := os.Open("/proc/self/statm") // nil where it is not known
	return residentMemory{f}
}

func (m *residentMemory) read() memorySnapshot {
	s := memorySnapshot{Goroutines: runtime.NumGoroutine()}
	if m.file == nil {
		return s
	}
	var text [128]byte
	n, _ := m.file.ReadAt(text[:], 0) // to the end, which is an error
	if fields := strings.Fields(string(text[:n])); len(fields) > 1 {
		pages, _ := strconv.ParseUint(fields[1], 10, 64) // 0 where it makes no sense
		s.Resident = pages * uint64(os.Getpagesize())    //nolint:gosec // never negative
	}
	return s
}
