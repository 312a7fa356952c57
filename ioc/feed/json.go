package feed

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
)

// maxElement bounds what is held in memory of a JSON document at a time: one element of
// a list of it, and all before the next. Real ones are some kilobytes.
const maxElement = 16 << 20

// A jsonReader walks through JSON documents, one after the other, and tells in which
// line it is. What it is not asked for is never held in memory.
type jsonReader struct {
	*json.Decoder
	lines *lineCounter
	depth int // of lists and objects
}

// newJSONReader makes a reader of what follows in a feed.
func newJSONReader(ctx context.Context, src *bufio.Reader) (*jsonReader, error) {
	if mark, err := src.Peek(3); err == nil && string(mark) == "\ufeff" {
		if _, err := src.Discard(len(mark)); err != nil {
			return nil, err
		}
	}
	lines := &lineCounter{ctx: ctx, src: src}
	return &jsonReader{Decoder: json.NewDecoder(lines), lines: lines}, nil
}

// line returns the number of the line that the next value begins in, from 1, as far as
// that is read: More reads it.
func (r *jsonReader) line() int {
	at := r.InputOffset()
	if ahead, ok := r.Buffered().(*bytes.Reader); ok {
		for b, err := ahead.ReadByte(); err == nil && strings.IndexByte(" \t\r\n,:", b) >= 0; b, err = ahead.ReadByte() {
			at++
		}
	}
	return r.lines.at(at)
}

// failed returns an error of reading with its line. The end within a document is an
// error, too.
func (r *jsonReader) failed(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, errLargeElement) || r.lines.ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("line %d: %w", r.line(), err)
}

// each calls see with each value at the top level, when it is the next to be read.
func (r *jsonReader) each(see func() error) error {
	for r.More() {
		if err := see(); err != nil {
			return err
		}
	}
	if _, err := r.Token(); !errors.Is(err, io.EOF) {
		return r.failed(err)
	}
	return nil
}

// members walks through the next value: if it is an object, it calls see with each key,
// and see has to read the value; if it is a list, it does the same with "" for each
// element. Any other value is passed over.
func (r *jsonReader) members(see func(key string) error) error {
	begin, err := r.token()
	if err != nil || begin != json.Delim('{') && begin != json.Delim('[') {
		return err
	}
	if r.depth++; r.depth > maxDepth {
		return r.failed(errDeep)
	}
	defer func() { r.depth-- }()
	for r.More() {
		key := ""
		if begin == json.Delim('{') {
			var name json.Token
			if name, err = r.token(); err != nil {
				return err
			}
			key, _ = name.(string)
		}
		if err = see(key); err != nil {
			return err
		}
	}
	_, err = r.token()
	return err
}

// token reads the next token.
func (r *jsonReader) token() (json.Token, error) {
	t, err := r.Token()
	if err != nil {
		return nil, r.failed(err)
	}
	r.lines.done(r.InputOffset())
	return t, nil
}

// skipValue passes over the next value.
func (r *jsonReader) skipValue() error {
	return r.members(func(string) error { return r.skipValue() })
}

// read reads the next value into v. A value of another shape than v is left as it is,
// and the error is nil: what is missing in an entry is said of the entry.
func (r *jsonReader) read(v any) error {
	err := r.Decode(v)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		err = nil
	}
	if err != nil {
		return r.failed(err)
	}
	r.lines.done(r.InputOffset())
	return nil
}

// maxDepth is how deep lists and objects may be in each other.
const maxDepth = 200

var errDeep = fmt.Errorf("lists and objects of more than %d levels", maxDepth)

var errLargeElement = fmt.Errorf("an entry of more than %d MiB", maxElement>>20)

// A lineCounter counts the lines of what is read through it.
type lineCounter struct {
	ctx    context.Context // of one call of Load
	src    io.Reader
	read   int64   // bytes
	used   int64   // bytes of elements that were read whole
	ends   []int64 // offsets of the line ends that at has not passed yet
	passed int     // line ends before those
	last   byte    // that was read
}

func (c *lineCounter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	if c.read-c.used > maxElement {
		return 0, errLargeElement
	}
	n, err := c.src.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			c.ends = append(c.ends, c.read+int64(i))
		}
	}
	if n > 0 {
		c.last = p[n-1]
	}
	c.read += int64(n)
	return n, err
}

// done notes that all up to an offset was used.
func (c *lineCounter) done(offset int64) {
	const most = 1 << 16 // line ends that are remembered for nobody
	if c.used = max(c.used, offset); len(c.ends) > most {
		c.at(c.used)
	}
}

// at returns the number of the line that an offset is in. Offsets must not become less.
func (c *lineCounter) at(offset int64) int {
	n := sort.Search(len(c.ends), func(i int) bool { return c.ends[i] >= offset })
	c.ends = slices.Delete(c.ends, 0, n)
	c.passed += n
	return c.passed + 1
}

// total returns how many lines there were, once all is read.
func (c *lineCounter) total() int {
	n := c.passed + len(c.ends)
	if c.read > 0 && c.last != '\n' {
		n++
	}
	return n
}
