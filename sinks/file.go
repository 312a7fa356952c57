// Package sinks is where events go. A Sink (sink.go) delivers them to one
// receiver; the packages below this one have one each for Kafka, syslog,
// Elasticsearch and Splunk, and package outbox hands them the events until they
// have arrived. A Renderer turns an event into what a receiver reads: ECS, OCSF,
// CEF or EVE.
//
// A File (file.go, write.go, rotate.go) is the event file of --alerts. It takes
// lines that are rendered already, and stands beside the outbox.
package sinks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// FileOptions are the settings of a File. The zero value neither rotates nor
// deletes anything.
type FileOptions struct {
	MaxSize  int64         // bytes after which the file is rotated; 0 for never
	MaxAge   time.Duration // age of its first event after which it is rotated; 0 for never
	Keep     int           // rotated files to keep, the newest; 0 for all
	Compress bool          // gzip rotated files
	Stdout   io.Writer     // what "-" stands for; os.Stdout if nil

	// MaxWaiting is how many bytes of events may wait in memory while the file
	// can't be written, or not as fast as they come; 0 for 8 MiB.
	MaxWaiting int
	// Patience is how long Event waits, once MaxWaiting is reached, for a write
	// that does not come back, as on a disk that hangs; 0 for as long as it takes.
	Patience time.Duration

	flushEvery   time.Duration    // 0 for a second
	lastPatience time.Duration    // 0 for lastPatience
	now          func() time.Time // nil for time.Now
}

const (
	writeFrom  = 64 << 10 // bytes that are worth a write
	maxWaiting = 8 << 20
	// slowWrite is how long a write may take before Err reports it.
	slowWrite = 5 * time.Second
	// lastPatience is how long Close waits for one, in all.
	lastPatience = 30 * time.Second
)

// ErrFull says that the event was given up, since too many others already wait for
// a file that can't be written. File.Stats counts such events as lost.
var ErrFull = errors.New("too many events wait to be written, this one is lost")

// ErrNoReader says that nobody reads standard output any more: events that were to go
// there are lost. Event does not return it, since whoever calls it can do nothing:
// see File.Unread.
var ErrNoReader = errors.New("nobody reads standard output any more")

// A File is a file of events, one JSON document a line. It is safe for use by
// several goroutines.
//
// Events are collected in memory and written by a goroutine, after a second at the
// latest, so that Event does not wait for the disk while there is room for them.
// When a write fails, because the disk is full or gone, they wait and are tried
// again; the error is returned by a later call, and again as long as it lasts. Only
// if the program dies can a line be left that was written in part: OpenFile ends it
// before it appends to the file.
type File struct {
	path string
	opts FileOptions
	stop chan struct{}
	wake chan struct{} // there is something worth writing
	done sync.WaitGroup

	compressing sync.Mutex // held for one compression at a time; taken before io

	io    sync.Mutex // held while the file is written or another is opened; taken before mu
	out   io.Writer  // the file, or standard output; nil when it could not be reopened
	file  *os.File   // nil for standard output
	real  string     // where the file is, with links resolved
	lent  bool       // standard output, or a file that a process has open
	batch lines      // lines that are being written, or could not be
	begun int        // bytes of the first of them that are in the file

	mu      sync.Mutex
	regular bool          // the file can be rotated
	size    int64         // bytes in the file, once all that waits is written
	since   time.Time     // when its first event came
	pending lines         // lines that came since the batch was taken
	held    int           // bytes of the batch
	begin   time.Time     // when the present write began, zero while there is none
	tried   chan struct{} // closed, and made anew, when a write has ended
	last    error         // the outcome of the last write
	stuck   bool          // Event waited for the present write as long as Patience
	failed  error         // an error of a write that was not reported yet
	closed  bool
	stats   FileStats
	unread  bool // the reader of standard output has gone
}

// FileStats counts what happened to events.
type FileStats struct {
	Events    uint64 // taken
	Lost      uint64 // refused with ErrFull, still waiting when the file was closed, or without a reader
	Errors    uint64 // failed writes, rotations and compressions
	Rotations uint64
}

// OpenFile opens an event file to append to, or makes it; "-" is standard
// output. The caller must close it: events wait to be written.
func OpenFile(path string, o FileOptions) (*File, error) {
	if o.flushEvery <= 0 {
		o.flushEvery = time.Second
	}
	if o.lastPatience <= 0 {
		o.lastPatience = lastPatience
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = maxWaiting
	}
	if o.now == nil {
		o.now = time.Now
	}
	f := &File{path: path, opts: o, stop: make(chan struct{}), wake: make(chan struct{}, 1), tried: make(chan struct{})}
	if err := f.open(); err != nil {
		return nil, err
	}
	f.resume()
	f.done.Go(f.writeOn)
	return f, nil
}

// Event takes one event, with or without its final newline. The line is
// copied. An error is about the file, and may be of an earlier write: unless it is
// ErrFull, or the File is closed, the event itself waits and is not lost.
func (f *File) Event(line []byte) error {
	line = bytes.TrimSuffix(line, []byte("\n"))
	f.mu.Lock()
	defer f.mu.Unlock()
	full := f.makeRoom(len(line) + 1)
	switch {
	case f.closed:
		f.stats.Lost++
		return fmt.Errorf("event file %s: %w", f.path, os.ErrClosed)
	case f.unread:
		f.stats.Lost++
		return nil
	case full != nil:
		f.stats.Lost++
		return errors.Join(fmt.Errorf("%w: %w", ErrFull, full), f.takeFailed())
	}
	f.cutBefore(len(line) + 1)
	if f.size == 0 {
		f.since = f.opts.now()
	}
	f.pending.add(line)
	f.size += int64(len(line) + 1)
	f.stats.Events++
	if len(f.pending.text) >= writeFrom {
		f.wakeUp()
	}
	return f.takeFailed()
}

// makeRoom waits until there is room for n bytes more. It waits for two writes at
// most: the first may have begun before, but the second takes all that waits now.
// An error says why there is no room. f.mu is held, and released meanwhile.
func (f *File) makeRoom(n int) error {
	for range 2 {
		if f.hasRoom(n) || f.stuck || f.closed {
			break
		}
		begun := !f.begin.IsZero()
		f.await()
		if !begun && f.last != nil {
			break
		}
	}
	switch {
	case f.hasRoom(n):
		return nil
	case f.stuck:
		return fmt.Errorf("event file %s: a write does not come back", f.path)
	}
	return f.last
}

// hasRoom reports whether so many bytes may wait besides those that do.
func (f *File) hasRoom(n int) bool { return f.held+len(f.pending.text)+n <= f.opts.MaxWaiting }

// await wakes the writer, and waits until a write has ended, or for Patience.
func (f *File) await() {
	tried := f.tried
	var out <-chan time.Time
	if f.opts.Patience > 0 {
		timer := time.NewTimer(f.opts.Patience)
		defer timer.Stop()
		out = timer.C
	}
	f.wakeUp()
	f.mu.Unlock()
	defer f.mu.Lock()
	select {
	case <-tried:
	case <-out:
		f.mu.Lock()
		f.stuck = f.tried == tried
		f.mu.Unlock()
	}
}

// wakeUp has the writer write what waits.
func (f *File) wakeUp() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Err returns the error of a write in the background, unless another method has
// returned it before, or says that a write takes very long; nil when all goes well.
func (f *File) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since := f.opts.now().Sub(f.begin); !f.begin.IsZero() && since >= slowWrite {
		return errors.Join(f.takeFailed(), fmt.Errorf("event file %s: a write has not come back for %v; %d bytes of events wait",
			f.path, since.Truncate(time.Second), f.held+len(f.pending.text)))
	}
	return f.takeFailed()
}

// takeFailed returns an error of the background that was not returned yet.
func (f *File) takeFailed() error {
	err := f.failed
	f.failed = nil
	return err
}

// Close writes what waits, waits for compressions, and closes the file. Events
// that could not be written are lost: the error says how many. With Patience, a write
// to a regular file that does not come back for half a minute is left.
func (f *File) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	close(f.stop)
	f.mu.Unlock()
	ended := make(chan error, 1)
	go func() { ended <- f.end() }()
	look := time.NewTicker(min(f.opts.lastPatience, time.Second))
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-look.C:
			if err := f.hangs(); err != nil {
				return err
			}
		}
	}
}

// end does for Close what takes time.
func (f *File) end() error {
	f.done.Wait()
	err := f.Flush()
	f.done.Wait() // for what that had to be compressed

	f.io.Lock()
	defer f.io.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	err = errors.Join(err, f.takeFailed(), f.giveUp())
	if f.file != nil {
		err = errors.Join(err, f.file.Close())
	}
	return err
}

// hangs returns what is lost where the last write does not come back.
func (f *File) hangs() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	since := f.opts.now().Sub(f.begin)
	if f.opts.Patience == 0 || !f.regular || f.begin.IsZero() || since < f.opts.lastPatience {
		return nil
	}
	return fmt.Errorf("event file %s: a write has not come back for %v: %d bytes of events are lost",
		f.path, since.Truncate(time.Second), f.held+len(f.pending.text))
}

// giveUp counts the events that still wait as lost. The error says how many these
// are, and how many were lost before them. f.mu is held.
func (f *File) giveUp() error {
	before, waiting := f.stats.Lost, uint64(bytes.Count(f.batch.text, []byte("\n"))) //nolint:gosec // G115: never negative
	f.stats.Lost += waiting
	switch {
	case f.unread:
		return fmt.Errorf("event file %s: %w: events that are lost: %d", f.path, ErrNoReader, f.stats.Lost)
	case waiting == 0:
		return nil
	case before > 0:
		return fmt.Errorf("event file %s: events that waited are lost: %d, and before these: %d", f.path, waiting, before)
	}
	return fmt.Errorf("event file %s: events that waited are lost: %d", f.path, waiting)
}

// Unread reports whether nobody reads standard output any more, where events go there.
func (f *File) Unread() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unread
}

// Paused reports whether a write waits for whoever reads a pipe, and not for a disk.
func (f *File) Paused() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.regular && !f.begin.IsZero()
}

// Stats returns what happened to events so far.
func (f *File) Stats() FileStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}
