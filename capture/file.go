package capture

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	// packedBlock is how much of a packed file is read at once, in bytes.
	packedBlock = 64 << 10
	// maxWindow is how far back zstd data may refer, in bytes. It is the limit of the
	// zstd command itself, and the most that a hostile file can make us keep in memory.
	maxWindow = 128 << 20
)

// A file is one capture of those that a Reader reads. It is dormant until its
// turn comes, then open, then finished.
type file struct {
	stream
	name    string
	stdin   bool // it is standard input, and not a file that is named "-"
	open    func() (io.ReadCloser, error)
	size    int64    // bytes, -1 where it is not known
	again   bool     // can be opened a second time
	format  format   // nil unless open
	closers []func() // called in reverse order when the file is done with
	head    Frame    // the next frame, while other files come first
}

// title returns the file's name for a message.
func (f *file) title() string {
	if f.stdin {
		return "standard input"
	}
	return f.name
}

// start opens the file and reads its header. Its blocks go into memory; how
// much is read is added to total, unless that is nil.
func (f *file) start(memory []byte, total *atomic.Int64) error {
	src, err := f.open()
	if err != nil {
		return err
	}
	f.closers = append(f.closers, func() { _ = src.Close() }) // it was only read
	f.raw = &raw{Reader: src, total: total}
	if err := f.begin(memory); err != nil {
		f.stop()
		return fmt.Errorf("%s: %w", f.title(), err)
	}
	return nil
}

// begin recognises what the file is and sets up its format.
func (f *file) begin(memory []byte) error {
	head := make([]byte, headSize)
	n, _ := io.ReadFull(f.raw, head) // raw keeps an error; f.in meets the end of a short file again
	head = head[:n]
	if f.raw.err != nil {
		return bare(f.raw.err)
	}
	what := recognize(head)
	if what.packed() {
		f.packing = what.String()
		unpacked, err := f.unpacker(what, readAgain(head, f.raw, make([]byte, packedBlock)))
		if err != nil {
			return f.badPacking(err)
		}
		f.in = newBlock(unpacked, memory)
		f.in.have(headSize)
		head = f.in.rest()
		what = recognize(head)
	} else {
		f.in = readAgain(head, f.raw, memory)
	}
	return f.setFormat(what, head)
}

// readAgain returns a block that yields head, which was already read from src,
// and then the rest of src.
func readAgain(head []byte, src io.Reader, memory []byte) *block {
	b := newBlock(src, memory)
	b.makeRoom(len(head))
	b.end = copy(b.data, head)
	return b
}

// unpacker returns a reader of packed data that unpacks them. It is closed with the
// file.
func (f *file) unpacker(packing kind, packed io.Reader) (io.Reader, error) {
	switch packing {
	case kindZstd:
		z, err := zstd.NewReader(packed,
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		f.closers = append(f.closers, z.Close)
		return z, nil
	case kindLZ4:
		return lz4.NewReader(packed), nil
	default:
		return gzip.NewReader(packed)
	}
}

// badPacking is the error for packed data of which nothing can be used.
func (f *file) badPacking(err error) error {
	return fmt.Errorf("the %s data are damaged or cut short: %w", f.packing, err)
}

// setFormat sets up the format of what begins with head.
func (f *file) setFormat(what kind, head []byte) (err error) {
	switch {
	case len(head) == 0 && f.packing != "" && !errors.Is(f.in.err, io.EOF):
		return f.badPacking(f.in.err)
	case len(head) == 0:
		return fmt.Errorf("is %w: it is empty", errNoCapture)
	case what.packed():
		return fmt.Errorf("is packed twice (%s in %s); unpack it first", what, f.packing)
	case what == kindPcap:
		f.format, err = newPcap(&f.stream)
	case what == kindPcapng:
		f.format, err = newPcapng(&f.stream)
	default:
		err = noCapture(head)
	}
	return err
}

// next reads the next frame, in the order of the file. It returns io.EOF at
// the end.
func (f *file) next(frame *Frame) error {
	err := f.format.next(frame)
	if err == nil {
		f.count(frame)
		return nil
	}
	if !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: %w", f.title(), err)
	}
	return err
}

// peek reads the file's first frame, to know when its turn is, and leaves the
// file dormant. It returns memory, or what that was replaced by. A file without
// frames takes its turn before all others, so that its warnings are not lost.
func (f *file) peek(memory []byte) ([]byte, error) {
	if err := f.start(memory, nil); err != nil {
		return memory, err
	}
	err := f.next(&f.head)
	memory = f.stop()
	f.reset()
	f.head.Data = nil
	if errors.Is(err, io.EOF) {
		f.head.Time, err = math.MinInt64, nil
	}
	return memory, err
}

// stop closes the file and returns its memory, in which no frame is in use from
// then on.
func (f *file) stop() []byte {
	for _, c := range slices.Backward(f.closers) {
		c()
	}
	f.closers, f.format = nil, nil
	if f.in == nil {
		return nil
	}
	memory := f.in.data
	f.in = nil
	return memory
}
