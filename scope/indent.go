package scope

import (
	"bufio"
	"io"
)

// An indenter sets JSON out as json.Indent does, with a blank for each level,
// on its way to a writer. It is for what encoding/json wrote without spaces: it
// checks nothing and keeps no second copy, which costs encoding/json as much as
// all the rest of a large document.
type indenter struct {
	to      *bufio.Writer
	line    []byte // what begins a line: a blank for each level that is open
	text    bool   // within a string
	escaped bool   // behind a backslash in a string
	opened  bool   // behind a bracket, which may be closed at once
}

func newIndenter(w io.Writer) *indenter {
	return &indenter{to: bufio.NewWriterSize(w, 1<<16), line: []byte{'\n'}}
}

// Write implements io.Writer. An error of the writer is kept for Flush.
func (x *indenter) Write(p []byte) (int, error) {
	done := 0 // how much of p was written
	put := func(until int) {
		x.to.Write(p[done:until]) //nolint:errcheck,gosec // kept for Flush
		done = until
	}
	for i := 0; i < len(p); i++ {
		if x.text {
			i += x.skip(p[i:])
			continue
		}
		c := p[i]
		// Nothing goes between brackets with nothing between them.
		if closing := c == '}' || c == ']'; closing != x.opened {
			put(i)
			x.level(closing)
		}
		x.opened = c == '{' || c == '['
		switch c {
		case '"':
			x.text = true
		case ',':
			put(i + 1)
			x.to.Write(x.line) //nolint:errcheck,gosec // kept for Flush
		case ':':
			put(i + 1)
			x.to.WriteByte(' ') //nolint:errcheck,gosec // kept for Flush
		}
	}
	put(len(p))
	return len(p), nil
}

// skip returns how far it is to the end of a string, or to the last byte of a
// piece of one.
func (x *indenter) skip(p []byte) int {
	escaped := x.escaped
	for i, c := range p {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			x.text, x.escaped = false, false
			return i
		}
	}
	x.escaped = escaped
	return len(p) - 1
}

// level begins a line that is one level further in, or out.
func (x *indenter) level(out bool) {
	if out {
		x.line = x.line[:len(x.line)-1]
	} else {
		x.line = append(x.line, ' ')
	}
	x.to.Write(x.line) //nolint:errcheck,gosec // kept for Flush
}

// Flush writes what waits, and returns the first error there was.
func (x *indenter) Flush() error { return x.to.Flush() }
