package sinks

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lines are events that wait, one per line, and the places between them where the
// file is to be rotated.
type lines struct {
	text []byte
	cuts []cut
}

// cut says that the file is rotated before the line at an index into lines.text.
type cut struct {
	at   int
	when time.Time // when this was decided
}

// add adds a line.
func (l *lines) add(line []byte) { l.text = append(append(l.text, line...), '\n') }

// take moves all lines of from to the end of l.
func (l *lines) take(from *lines) {
	if len(l.text) == 0 && len(l.cuts) == 0 {
		*l, *from = *from, *l
		return
	}
	for _, c := range from.cuts {
		l.cuts = append(l.cuts, cut{len(l.text) + c.at, c.when})
	}
	l.text = append(l.text, from.text...)
	from.text, from.cuts = from.text[:0], from.cuts[:0]
}

// drop drops the first n bytes.
func (l *lines) drop(n int) {
	l.text = append(l.text[:0], l.text[n:]...)
	for i := range l.cuts {
		l.cuts[i].at -= n
	}
}

// writeOn writes, and rotates by the clock, until the File is closed.
func (f *File) writeOn() {
	ticker := time.NewTicker(f.opts.flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-f.wake:
		case <-ticker.C:
			f.mu.Lock()
			f.cutBefore(0)
			f.mu.Unlock()
		}
		f.io.Lock()
		if err := f.write(); err != nil {
			f.fail(err)
		}
		f.io.Unlock()
	}
}

// fail notes what went wrong in the background.
func (f *File) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = err
}

// Flush writes what waits.
func (f *File) Flush() error {
	f.io.Lock()
	defer f.io.Unlock()
	err := f.write()
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(err, f.takeFailed())
}

// write writes what waits. What can't be written goes on waiting. f.io is held.
func (f *File) write() error {
	f.mu.Lock()
	f.batch.take(&f.pending)
	f.held, f.begin = len(f.batch.text), f.opts.now()
	f.mu.Unlock()

	err := f.writeBatch()

	f.mu.Lock()
	defer f.mu.Unlock()
	f.held, f.begin, f.last, f.stuck = len(f.batch.text), time.Time{}, err, false
	close(f.tried)
	f.tried = make(chan struct{})
	return err
}

// writeBatch writes the batch, and rotates the file where that is due. If the file
// can't be rotated, it is written to all the same.
func (f *File) writeBatch() error {
	var problems error
	b := &f.batch
	for len(b.text) > 0 || len(b.cuts) > 0 {
		end := len(b.text)
		if len(b.cuts) > 0 {
			end = b.cuts[0].at
		}
		if end > 0 {
			if err := f.writeUpTo(end); err != nil {
				return errors.Join(problems, err)
			}
			continue
		}
		when := b.cuts[0].when
		b.cuts = append(b.cuts[:0], b.cuts[1:]...)
		if err := f.rotate(when); err != nil {
			f.count(func(s *FileStats) { s.Errors++ })
			problems = errors.Join(problems, fmt.Errorf("rotating event file: %w", err))
		}
	}
	return problems
}

// writeUpTo writes the batch up to a place.
func (f *File) writeUpTo(end int) error {
	if err := f.named(); err != nil {
		f.count(func(s *FileStats) { s.Errors++ })
		return err
	}
	n, err := f.out.Write(f.batch.text[f.begun:end])
	whole := bytes.LastIndexByte(f.batch.text[:f.begun+n], '\n') + 1
	f.begun += n - whole
	f.batch.drop(whole)
	if err != nil {
		f.count(func(s *FileStats) { s.Errors++ })
		if f.lent && errors.Is(err, syscall.EPIPE) {
			f.abandon()
			return nil
		}
		return fmt.Errorf("event file %s: %d bytes of events wait: %w", f.path, len(f.batch.text), err)
	}
	return nil
}

// abandon gives up what waits, and all that comes: a reader that has gone does not come
// back.
func (f *File) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batch.take(&f.pending)
	f.stats.Lost += uint64(bytes.Count(f.batch.text, []byte("\n"))) //nolint:gosec // G115: never negative
	f.batch, f.begun, f.unread = lines{}, 0, true
}

// named opens the path where it could not be opened before, or the file has lost its
// name to somebody who deleted it, or saved it from an editor.
func (f *File) named() error {
	if f.out == nil {
		return f.open()
	}
	f.mu.Lock()
	regular := f.regular
	f.mu.Unlock()
	if regular && Nameless(f.file) {
		return f.switchFile()
	}
	return nil
}

func (f *File) count(add func(*FileStats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	add(&f.stats)
}

// open opens the file and ends a line that a crash left torn. f.io is held.
func (f *File) open() error {
	if f.path == "-" {
		f.out = f.opts.Stdout
		if f.out == nil {
			f.out = os.Stdout
		}
		f.lent = true
		return nil
	}
	f.real, f.lent = behindLinks(f.path)
	file, err := openToAppend(f.path, f.lent)
	if err != nil {
		return fmt.Errorf("event file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("event file: %w", err), file.Close())
	}
	size, since := int64(0), f.opts.now()
	if info.Mode().IsRegular() && info.Size() > 0 {
		since = info.ModTime() // the best there is
		if size, err = endTornLine(file, info.Size()); err != nil {
			return errors.Join(fmt.Errorf("event file: %w", err), file.Close())
		}
	}
	f.out, f.file = file, file
	f.mu.Lock()
	defer f.mu.Unlock()
	f.regular = info.Mode().IsRegular() && !f.lent
	if len(f.batch.cuts) > 0 || len(f.pending.cuts) > 0 {
		return nil // this is not the file that the next event goes to
	}
	waiting := int64(len(f.batch.text) + len(f.pending.text))
	if size > 0 || waiting == 0 {
		f.since = since
	}
	f.size = size + waiting
	return nil
}

// openToAppend opens a file, and makes one where there is none. A pipe that is lent, such
// as the one that /dev/stdout leads to, is opened to write alone: whoever reads it, too,
// is not told that its reader has gone.
func openToAppend(path string, lent bool) (*os.File, error) {
	if info, err := os.Stat(path); lent && err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		return os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the user names the file
	}
	// Read by the agent that ships events, often of another user in the same group.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640) //nolint:gosec // see above
	if errors.Is(err, os.ErrPermission) {
		if device, only := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0); only == nil { //nolint:gosec // a device that can't be read
			return device, nil
		}
	}
	return file, err
}

// endTornLine appends a newline when the last line of a file has none, and returns
// how large the file is then.
func endTornLine(file *os.File, size int64) (int64, error) {
	var last [1]byte
	if _, err := file.ReadAt(last[:], size-1); err != nil || last[0] == '\n' {
		return size, nil //nolint:nilerr // a file that can't be read can still be appended to
	}
	n, err := file.Write([]byte("\n"))
	return size + int64(n), err
}

// Reopen closes the file and opens its path anew, for programs that rotate
// logs by renaming them and sending SIGHUP. When it fails, events wait and the
// path is tried again. For standard output it only flushes.
func (f *File) Reopen() error {
	f.io.Lock()
	defer f.io.Unlock()
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
