package capture

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"sync/atomic"
)

// blockSize is how much of a file is read at once, in bytes. More would not be
// faster, and would take room in the core's cache from the tables of detection.
const blockSize = 64 << 10

// A Reader reads captures: pcap and pcapng, plain or packed with gzip, zstd or
// lz4, and recognised by what they begin with. Frames of several files come in
// the order of their times, and where these are equal in the order of the
// files; those of one file always come in the order they have there. A file is
// opened when its first frame's turn comes, so that of a long row of files
// few are open at a time.
//
// What is damaged is passed over with a warning, and everything that can be
// read is. All methods but Consumed and Size are for one goroutine.
type Reader struct {
	files    []*file
	leftOut  []Warning // about what is among the paths and not read
	current  *file     // whose frame was delivered last
	waiting  queue     // all others that have a frame left
	limit    int64     // time of the earliest frame in waiting: current goes on up to it
	limitOf  int       // number of the file that has that frame
	free     [][]byte  // buffers of files that are done with
	consumed atomic.Int64
	size     int64
	failed   int   // how many files could not be opened or read to their end
	failure  error // why the first of them could not
	err      error // what Next returns from now on
}

// Open opens captures, each of paths being a file, a folder, of which all
// captures are read and all else is left out with a warning, or "-" for stdin.
// Every file is looked into, so that an unreadable one is an error now and not
// after an hour. stdin stays the caller's to close; it may be nil if no path
// needs it.
func Open(paths []string, stdin io.Reader) (*Reader, error) {
	return OpenUntil(context.Background(), paths, stdin)
}

// OpenUntil opens captures as Open does. Once ctx is done, pipes among them, and
// standard input where it is one, no longer block anybody: opening or reading them
// fails with the cause of ctx.
func OpenUntil(ctx context.Context, paths []string, stdin io.Reader) (*Reader, error) {
	if len(paths) == 0 {
		return nil, errors.New("no captures are named")
	}
	found, err := find(paths)
	if err != nil {
		return nil, err
	}
	r := &Reader{}
	if err := r.lookInto(ctx, found, stdin); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.leftOut = found.warnings
	r.size = totalSize(r.files)
	return r, nil
}

// lookInto makes files of the places where there is a capture.
func (r *Reader) lookInto(ctx context.Context, found *search, stdin io.Reader) error {
	memory := make([]byte, blockSize)
	for _, p := range found.places {
		f := p.file(ctx, stdin)
		f.number = len(r.files)
		var err error
		if len(found.places) == 1 || !f.again {
			err = r.wake(f)
		} else {
			memory, err = r.peek(f, memory)
		}
		switch {
		case err == nil:
			p.found()
			r.files = append(r.files, f)
		case p.folder == nil:
			return err
		default:
			found.leaveOut(p, err)
		}
	}
	return found.finish()
}

// Next reads the next frame into f. It returns io.EOF at the end of the last
// file. Any other error says that a file could not be opened or read, with its
// name and the offset: it comes when all that can be read has been, and is
// returned again by each further call.
func (r *Reader) Next(f *Frame) error {
	if c := r.current; c != nil {
		err := c.next(f)
		if err == nil && !c.after(f, r.limit, r.limitOf) {
			return nil
		}
		r.park(f, err)
	}
	return r.turn(f)
}

// More fills run with the next frames that are in memory already, at most so many,
// and returns how many they are. 0 does not mean the end: a call of Next delivers the
// frame that More could not. A frame costs far less than with Next. Data that were
// given out before stay valid until the next call of Next.
func (r *Reader) More(run *Run, most int) int {
	run.N = 0
	if r.current != nil {
		r.current.format.more(run, most, r.limit) // frames at the limit are for Next to compare
	}
	if run.N > 0 {
		r.current.countRun(run)
	}
	return run.N
}

// park lets the current file wait, for which f is the next frame, or finishes
// it if err says so.
func (r *Reader) park(f *Frame, err error) {
	c := r.current
	r.current = nil
	switch {
	case err == nil:
		c.head = *f
		heap.Push(&r.waiting, c)
	case errors.Is(err, io.EOF):
		r.finish(c)
	default:
		r.finish(c)
		r.fail(err)
	}
}

// fail notes that a file could not be opened or read.
func (r *Reader) fail(err error) {
	if r.failed++; r.failed == 1 {
		r.failure = err
	}
}

// end returns the error that Next returns after the last frame.
func (r *Reader) end() error {
	switch r.failed {
	case 0:
		return io.EOF
	case 1:
		return r.failure
	default:
		return fmt.Errorf("%w; and %d more could not be read", r.failure, r.failed-1)
	}
}

// turn makes the file with the earliest frame the current one.
func (r *Reader) turn(f *Frame) error {
	for r.err == nil && len(r.waiting) > 0 {
		next := heap.Pop(&r.waiting).(*file) //nolint:errcheck,forcetypeassert // a queue holds files only
		if next.format == nil {
			if err := r.wake(next); err != nil {
				r.fail(err)
			}
			continue
		}
		r.current = next
		r.limit, r.limitOf = math.MaxInt64, len(r.files)
		if len(r.waiting) > 0 {
			r.limit, r.limitOf = r.waiting[0].head.Time, r.waiting[0].number
		}
		*f = next.head
		return nil
	}
	if r.err == nil {
		r.err = r.end()
	}
	return r.err
}

// wake opens a file and lets it wait for the turn of its first frame.
func (r *Reader) wake(f *file) error {
	if err := f.start(r.memory(), &r.consumed); err != nil {
		return err
	}
	err := f.next(&f.head)
	if err == nil {
		heap.Push(&r.waiting, f)
		return nil
	}
	r.finish(f)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// peek lets a file wait for its turn, dormant. It returns memory, or what that
// was replaced by.
func (r *Reader) peek(f *file, memory []byte) ([]byte, error) {
	memory, err := f.peek(memory)
	if err == nil {
		heap.Push(&r.waiting, f)
	}
	return memory, err
}

// memory returns what a file that is opened reads into.
func (r *Reader) memory() []byte {
	if last := len(r.free) - 1; last >= 0 {
		m := r.free[last]
		r.free = r.free[:last]
		return m
	}
	return make([]byte, blockSize)
}

// finish closes a file that has no more frames. What was left unread of it counts
// as consumed, so that the sum reaches Size at the end.
func (r *Reader) finish(f *file) {
	if f.size > f.raw.read {
		r.consumed.Add(f.size - f.raw.read)
	}
	r.free = append(r.free, f.stop())
}

// Name returns the path that Frame.File and Warning.File stand for: as it was
// given, or of a file in a folder that was given.
func (r *Reader) Name(file int) string {
	if file < 0 || file >= len(r.files) {
		return ""
	}
	return r.files[file].name
}

// Stats returns what has been read so far. With several files the next frame of
// each open one is counted already. The caller owns the result.
func (r *Reader) Stats() Stats { return newStats(r.leftOut, r.files) }

// Consumed returns how many bytes of the files, as they are on the disk, have
// been read. It may be called from any goroutine.
func (r *Reader) Consumed() int64 { return r.consumed.Load() }

// Size returns what Consumed comes to at the end, in bytes, or 0 where that is not
// known, as with a pipe. It may be called from any goroutine.
func (r *Reader) Size() int64 { return r.size }

func totalSize(files []*file) (sum int64) {
	for _, f := range files {
		if f.size < 0 {
			return 0
		}
		sum += f.size
	}
	return sum
}

// Close closes all files. Next returns fs.ErrClosed from then on.
func (r *Reader) Close() error {
	for _, f := range r.files {
		f.stop()
	}
	r.current, r.waiting, r.free = nil, nil, nil
	r.err = fs.ErrClosed
	return nil
}
