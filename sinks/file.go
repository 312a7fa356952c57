// Package sinks is where events go. A sink takes whole lines, one event each,
// and knows nothing of what they say.
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

	flushEvery time.Duration    // 0 for a second
	maxPending int              // 0 for maxPending
	now        func() time.Time // nil for time.Now
}

const (
	writeFrom  = 64 << 10 // bytes that are worth a write
	maxPending = 8 << 20  // bytes that wait for a disk that is full
)

// ErrFull says that so many events wait for a file that can't be written, that
// one more was given up. File.Stats counts them.
var ErrFull = errors.New("too many events wait to be written, this one is lost")

// A File is a file of events, one JSON document a line. It is safe for use by
// several goroutines.
//
// Events are collected and written after a second at the latest. When a write
// fails, because the disk is full or gone, they wait, up to 8 MiB, and are
// tried again; the error is returned, and returned again as long as it lasts.
// No line is ever written in part and then left so, unless the program dies:
// OpenFile ends such a line before it appends to the file.
type File struct {
	path string
	opts FileOptions
	stop chan struct{}
	done sync.WaitGroup

	compressing sync.Mutex // held for one compression at a time; taken before mu

	mu      sync.Mutex
	out     io.Writer // the file, or standard output; nil when it could not be reopened
	file    *os.File  // nil for standard output
	regular bool      // can be rotated
	size    int64     // bytes in the file
	since   time.Time // of its first event
	pending []byte    // whole lines that wait
	begun   int       // how much of the first of them is in the file
	failed  error     // what a background write met, not reported yet
	closed  bool
	stats   FileStats
}

// FileStats counts what happened to events.
type FileStats struct {
	Events    uint64 // taken
	Lost      uint64 // refused with ErrFull, or still waiting when the file was closed
	Errors    uint64 // failed writes, rotations and compressions
	Rotations uint64
}

// OpenFile opens an event file to append to, or makes it; "-" is standard
// output. The caller must close it: events wait to be written.
func OpenFile(path string, o FileOptions) (*File, error) {
	if o.flushEvery <= 0 {
		o.flushEvery = time.Second
	}
	if o.maxPending <= 0 {
		o.maxPending = maxPending
	}
	if o.now == nil {
		o.now = time.Now
	}
	f := &File{path: path, opts: o, stop: make(chan struct{})}
	if err := f.open(); err != nil {
		return nil, err
	}
	f.done.Go(f.flushNow)
	return f, nil
}

// open opens the file and ends a line that a crash left torn.
func (f *File) open() error {
	if f.path == "-" {
		f.out = f.opts.Stdout
		if f.out == nil {
			f.out = os.Stdout
		}
		return nil
	}
	// Read by the agent that ships events, often of another user in the same group.
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640) //nolint:gosec // see above
	if errors.Is(err, os.ErrPermission) {
		file, err = os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND, 0) // a device that only takes
	}
	if err != nil {
		return fmt.Errorf("event file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("event file: %w", err), file.Close())
	}
	f.out, f.file, f.regular = file, file, info.Mode().IsRegular()
	f.size, f.since = 0, f.opts.now()
	if f.regular && info.Size() > 0 {
		f.size = info.Size()
		f.since = info.ModTime() // the best there is
		return f.endTornLine()
	}
	return nil
}

// endTornLine appends a newline when the last line of the file has none.
func (f *File) endTornLine() error {
	var last [1]byte
	if _, err := f.file.ReadAt(last[:], f.size-1); err != nil || last[0] == '\n' {
		return nil //nolint:nilerr // a file that can't be read can still be appended to
	}
	n, err := f.file.Write([]byte("\n"))
	f.size += int64(n)
	if err != nil {
		return errors.Join(fmt.Errorf("event file: %w", err), f.file.Close())
	}
	return nil
}

// Event takes one event, with or without its final newline. The line is
// copied. An error is about the file: unless it is ErrFull, or the File is
// closed, the event itself waits and is not lost.
func (f *File) Event(line []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		f.stats.Lost++
		return fmt.Errorf("event file %s: %w", f.path, os.ErrClosed)
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	problem := f.rotateBefore(len(line) + 1)
	if len(f.pending)+len(line)+1 > f.opts.maxPending {
		if err := f.write(); err != nil {
			f.stats.Lost++
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	if f.size == 0 && len(f.pending) == 0 {
		f.since = f.opts.now()
	}
	f.pending = append(append(f.pending, line...), '\n')
	f.stats.Events++
	if len(f.pending) >= writeFrom {
		problem = errors.Join(problem, f.write())
	}
	return errors.Join(problem, f.takeFailed())
}

// Err returns what a write in the background met since this or another method
// last returned an error; nil when all went well.
func (f *File) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.takeFailed()
}

// takeFailed returns, once, what went wrong in the background.
func (f *File) takeFailed() error {
	err := f.failed
	f.failed = nil
	return err
}

// write writes what waits. What could not be written waits on.
func (f *File) write() error {
	if len(f.pending) == 0 {
		return nil
	}
	if f.out == nil {
		if err := f.open(); err != nil {
			f.stats.Errors++
			return err
		}
	}
	n, err := f.out.Write(f.pending[f.begun:])
	f.size += int64(n)
	whole := bytes.LastIndexByte(f.pending[:f.begun+n], '\n') + 1
	f.begun += n - whole
	f.pending = append(f.pending[:0], f.pending[whole:]...)
	if err != nil {
		f.stats.Errors++
		return fmt.Errorf("event file %s: %d bytes of events wait: %w", f.path, len(f.pending), err)
	}
	return nil
}

// Flush writes what waits.
func (f *File) Flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.write(), f.takeFailed())
}

// flushNow writes and rotates by the clock until the File is closed.
func (f *File) flushNow() {
	ticker := time.NewTicker(f.opts.flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-ticker.C:
		}
		f.mu.Lock()
		if err := errors.Join(f.write(), f.rotateBefore(0)); err != nil {
			f.failed = err
		}
		f.mu.Unlock()
	}
}

// Reopen closes the file and opens its path anew, for programs that rotate
// logs by renaming them and sending SIGHUP. When it fails, events wait and the
// path is tried again. For standard output it only flushes.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.write()
	if f.file == nil {
		return err
	}
	return errors.Join(err, f.switchFile())
}

// switchFile closes the file and opens the path. A line that is in the old
// file in part goes to the new one whole.
func (f *File) switchFile() error {
	err := f.file.Close()
	f.out, f.file, f.begun = nil, nil, 0
	return errors.Join(err, f.open())
}

// Close writes what waits, waits for compressions, and closes the file. Events
// that could not be written are lost: the error says how many bytes.
func (f *File) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	close(f.stop)
	f.mu.Unlock()
	f.done.Wait()

	f.mu.Lock()
	defer f.mu.Unlock()
	err := errors.Join(f.write(), f.takeFailed())
	for range bytes.Lines(f.pending) {
		f.stats.Lost++
	}
	if f.file != nil {
		err = errors.Join(err, f.file.Close())
	}
	return err
}

// Stats returns what happened to events so far.
func (f *File) Stats() FileStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}
