package capture

import "io"

// emptyReads is how often in a row a reader may return nothing, and no error
// either, before it counts as stuck.
const emptyReads = 100

// A block is a read buffer over a stream that lends its bytes out in place:
// data[pos:end] is what was read and not used yet. What was lent is valid
// until the next call of have or skip that has to read.
type block struct {
	src  io.Reader
	data []byte
	pos  int
	end  int
	base int64 // offset in the stream of data[0]
	err  error // why src gives no more; nil while it may
}

// newBlock returns a block that reads src into memory, which it owns from now
// on and replaces by a larger one when a record needs that.
func newBlock(src io.Reader, memory []byte) *block {
	return &block{src: src, data: memory}
}

// offset returns where in the stream the unused bytes begin.
func (b *block) offset() int64 { return b.base + int64(b.pos) }

// rest returns the unused bytes that are in memory.
func (b *block) rest() []byte { return b.data[b.pos:b.end] }

// have reports whether n unused bytes are in memory, after reading them if
// need be. If not, the stream ends earlier, and b.err says why.
func (b *block) have(n int) bool {
	return b.end-b.pos >= n || b.fill(n)
}

// fill makes room for n bytes and reads until they are there.
func (b *block) fill(n int) bool {
	if b.err != nil {
		return false
	}
	b.makeRoom(n)
	for empty := 0; b.end-b.pos < n; {
		got, err := b.src.Read(b.data[b.end:])
		b.end += got
		if err != nil {
			b.err = err
			return b.end-b.pos >= n
		}
		if got > 0 {
			empty = 0
		} else if empty++; empty >= emptyReads {
			b.err = io.ErrNoProgress
			return false
		}
	}
	return true
}

// makeRoom moves the unused bytes to the front, and into larger memory where n
// bytes would not fit. That memory has room for twice n, so that the bytes are not
// moved each time when a caller asks for n of them again and again but uses few.
func (b *block) makeRoom(n int) {
	to := b.data
	if n > len(to) {
		to = make([]byte, 2*n)
	}
	left := copy(to, b.rest())
	b.base += int64(b.pos)
	b.data, b.pos, b.end = to, 0, left
}

// skip drops n bytes, however many. It reports false when the stream ends
// earlier; then everything that was there is dropped.
func (b *block) skip(n int) bool {
	for n > b.end-b.pos {
		n -= b.end - b.pos
		b.pos = b.end
		if !b.fill(1) {
			return false
		}
	}
	b.pos += n
	return true
}

// Read makes a block an io.Reader, for unpackers: they get the bytes that were
// read to recognise the packing, and then the rest of the stream.
func (b *block) Read(p []byte) (int, error) {
	if b.pos == b.end {
		if b.err != nil {
			return 0, b.err
		}
		return b.src.Read(p)
	}
	n := copy(p, b.rest())
	b.pos += n
	return n, nil
}
