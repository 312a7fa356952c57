package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine is the length in bytes above which a line is skipped.
const maxLine = 64 << 10

// errLongLine comes with the beginning of a line that is longer than maxLine.
var errLongLine = errors.New("line too long")

// A lineReader returns the lines of a feed as parts of large strings, so that
// a line costs no allocation. Whoever keeps one for long must clone it.
type lineReader struct {
	ctx    context.Context // of one call of Load
	src    io.Reader
	buf    []byte // bytes that were read and do not make a complete line yet
	block  string // complete lines that were not returned yet
	number int    // number of the line that was returned last, from 1
	end    error  // what to return when block is used up
	back   []line // lines that were unread, the next one last
}

// A line is a line of text, without its end, and its number.
type line struct {
	text   string
	number int
}

func newLineReader(ctx context.Context, src io.Reader) *lineReader {
	return &lineReader{ctx: ctx, src: src, buf: make([]byte, 0, 2*maxLine)}
}

// next returns the next line, without line end and byte order mark. At the
// end the error is io.EOF; with errLongLine reading can go on.
func (r *lineReader) next() (line, error) {
	if n := len(r.back); n > 0 {
		l := r.back[n-1]
		r.back = r.back[:n-1]
		return l, nil
	}
	for r.block == "" {
		if r.end != nil {
			return line{number: r.number}, r.over()
		}
		if long, err := r.fill(); err != nil {
			return long, err
		}
	}
	text := r.block
	if end := strings.IndexByte(r.block, '\n'); end >= 0 {
		text, r.block = r.block[:end], r.block[end+1:]
	} else {
		r.block = ""
	}
	r.number++
	if r.number == 1 {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	text = strings.TrimSuffix(text, "\r")
	if len(text) > maxLine {
		return line{text, r.number}, errLongLine
	}
	return line{text, r.number}, nil
}

// over returns why no line follows: io.EOF, or what kept the rest from being read.
func (r *lineReader) over() error {
	if errors.Is(r.end, io.EOF) {
		return r.end
	}
	return fmt.Errorf("after line %d: %w", r.number, readError(r.end))
}

// readError is what is told of an error that ends a feed early: only what is compressed
// says where it should have ended.
func readError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the compressed data are cut short")
	}
	return withoutPath(err)
}

// unread makes next return a line once more.
func (r *lineReader) unread(l line) { r.back = append(r.back, l) }

// fill reads once. If that completes lines, or ends the feed, block has them. A line
// that does not fit into the buffer is skipped, and its beginning returned with
// errLongLine.
func (r *lineReader) fill() (line, error) {
	if err := r.ctx.Err(); err != nil {
		return line{}, err
	}
	n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
	fresh := r.buf[len(r.buf) : len(r.buf)+n]
	r.buf = r.buf[:len(r.buf)+n]
	if err != nil {
		r.end, r.block = err, string(r.buf)
		r.buf = r.buf[:0]
		return line{}, nil //nolint:nilerr // next returns it when block is used up
	}
	if end := bytes.LastIndexByte(fresh, '\n'); end >= 0 {
		end += len(r.buf) - n + 1
		r.block = string(r.buf[:end])
		r.buf = r.buf[:copy(r.buf, r.buf[end:])]
		return line{}, nil
	}
	if len(r.buf) == cap(r.buf) {
		return r.readOver()
	}
	return line{}, nil
}

// readOver skips the rest of a line that is too long, and returns its beginning with
// errLongLine.
func (r *lineReader) readOver() (line, error) {
	r.number++
	long := line{string(r.buf[:maxSampleText+1]), r.number}
	for {
		if err := r.ctx.Err(); err != nil {
			return line{}, err
		}
		n, err := r.src.Read(r.buf[:cap(r.buf)])
		if end := bytes.IndexByte(r.buf[:n], '\n'); end >= 0 {
			r.buf = r.buf[:copy(r.buf, r.buf[end+1:n])]
			r.end = err
			if whole := bytes.LastIndexByte(r.buf, '\n') + 1; err == nil {
				r.block = string(r.buf[:whole])
				r.buf = r.buf[:copy(r.buf, r.buf[whole:])]
			} else {
				r.block, r.buf = string(r.buf), r.buf[:0]
			}
			return long, errLongLine
		}
		if err != nil {
			r.end, r.buf = err, r.buf[:0]
			return long, errLongLine
		}
	}
}
