package capture

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"wormscope/internal/plural"
)

// maxFrame is the most bytes a frame can have, libpcap's MAXIMUM_SNAPLEN. A
// record that claims more is damaged, whatever snapshot length the file says.
const maxFrame = 262_144

// A format takes the frames out of a stream. next returns io.EOF when there
// are no more, or when what is left can't be read, after a warning; any other
// error is one of reading the file.
//
// more fills r with up to most frames: those that next would deliver without
// reading, warning or skipping, and whose time is less than before. It may take
// fewer than there are, even none: next delivers the others.
type format interface {
	next(f *Frame) error
	more(r *Run, most int, before int64)
}

// A stream is what a format reads from, and where it says what it met.
type stream struct {
	tally
	in      *block
	raw     *raw
	packing string // what the file is packed with, empty if it is not
	barren  int64  // no record begins before this offset, as goesOn found out
}

// A raw is the file itself, below an unpacker. It keeps the error of a read that
// failed, so that this can be told from packed data that are damaged.
type raw struct {
	io.Reader
	read  int64         // bytes so far
	total *atomic.Int64 // of all files; nil while only the first frame is looked at
	err   error         // of the file, other than its end
}

func (r *raw) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	for empty := 1; n == 0 && err == nil && len(p) > 0; empty++ {
		if empty == emptyReads {
			err = io.ErrNoProgress
			break
		}
		n, err = r.Reader.Read(p)
	}
	r.read += int64(n)
	if r.total != nil {
		r.total.Add(int64(n))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// ended returns the error that next returns where the stream ends. what names the
// record or block that begins at offset from: if the stream ends within it, and not
// right before it, a warning says so.
func (s *stream) ended(what string, from int64) error {
	left := s.in.base + int64(s.in.end) - from
	switch {
	case s.raw.err != nil:
		return fmt.Errorf("offset %d: %w", from, bare(s.raw.err))
	case !errors.Is(s.in.err, io.EOF):
		s.warn(from, "the %s data are damaged or cut short (%v): what comes after is not read", s.packing, s.in.err)
	case left > 0:
		s.warn(from, "cut short: %s left of the last %s", plural.Count(left, "byte is", "bytes are"), what)
	}
	return io.EOF
}

// bare strips the operation and path from an error of the file system, for a message
// that names them already.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
