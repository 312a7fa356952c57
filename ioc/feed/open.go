package feed

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"
)

// headSize is how much of a file is looked at to recognise it.
const headSize = 64 << 10

// maxUnpacked bounds what is read of one feed, so that a small compressed file
// can't keep the program busy for days.
const maxUnpacked = 4 << 30

// zstdWindow bounds the memory that a compressed file may ask for.
const zstdWindow = 64 << 20

// A source is an open feed, unpacked.
type source struct {
	*bufio.Reader
	closers []func()
}

// Close closes the file.
func (s *source) Close() {
	for _, c := range s.closers {
		c()
	}
}

// pipePatience is how long a pipe may be without a writer, or give nothing.
const pipePatience = time.Minute

// errPipe says that a pipe is not read here.
var errPipe = errors.New("a pipe: one is read only at the start, and only where it is named itself")

// openUntil opens a file. Where that takes long, as it does of a named pipe that nobody
// writes to, it fails once ctx is done.
func openUntil(ctx context.Context, path string) (*os.File, error) {
	var f *os.File
	var err error
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		f, err = os.Open(path) //nolint:gosec // the user named it
	}()
	select {
	case <-opened:
		return f, err
	case <-ctx.Done(): // a writer that comes later finds a reader that leaves
		go func() { <-opened; _ = f.Close() }()
		return nil, context.Cause(ctx)
	}
}

// A patient is a pipe that is given up when nothing comes of it for a while.
type patient struct {
	*os.File
	giveUp *time.Timer
	after  time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	n, err := p.File.Read(b)
	if n > 0 {
		p.giveUp.Reset(p.after)
	}
	return n, err
}

// usable refuses what is neither a regular file nor a pipe that may be read: a device
// may give bytes for ever, and even opening it may do something.
func usable(info fs.FileInfo, o Options) error {
	switch {
	case info.Mode().IsRegular():
		return nil
	case info.Mode()&fs.ModeNamedPipe == 0:
		return errors.New("not a regular file")
	case o.Again || o.inFolder:
		return errPipe
	}
	return nil
}

// open opens a feed. Compression is recognised by its magic number. What waits for a
// pipe ends once ctx is done; when nothing has come of it for a while, giveUp is called
// to that end.
func open(ctx context.Context, path string, o Options, giveUp func(error)) (*source, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = usable(info, o)
	}
	if err != nil {
		return nil, err
	}
	after := cmp.Or(o.patience, pipePatience)
	timer := time.AfterFunc(after, func() { giveUp(fmt.Errorf("a pipe of which nothing has come for %v", after)) })
	f, err := openUntil(ctx, path)
	if err != nil {
		timer.Stop()
		return nil, err
	}
	forget := context.AfterFunc(ctx, func() { _ = f.Close() })
	s := &source{closers: []func(){func() { timer.Stop(); forget(); _ = f.Close() }}}
	if info, err = f.Stat(); err == nil {
		err = usable(info, o) // it may be another one by now
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	var from io.Reader = &patient{f, timer, after}
	if info.Mode().IsRegular() {
		timer.Stop()
		from = f
	}
	unpacked, err := s.unpack(bufio.NewReaderSize(from, headSize))
	if err != nil {
		s.Close()
		return nil, err
	}
	s.Reader = bufio.NewReaderSize(&limited{unpacked, maxUnpacked}, headSize)
	return s, nil
}

// unpack returns what is in a compressed stream, or the stream itself.
func (s *source) unpack(packed *bufio.Reader) (io.Reader, error) {
	magic, err := packed.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(packed)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return z, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		s.closers = append(s.closers, z.Close)
		return z, nil
	default:
		return packed, nil
	}
}

// peek returns the beginning of the feed without reading it.
func (s *source) peek() ([]byte, error) {
	head, err := s.Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, readError(err)
	}
	return head, nil
}

// limited is a reader that fails at its limit, where io.LimitedReader would end.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("larger than %d GB unpacked", maxUnpacked>>30)
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
