package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

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

// openUntil opens a file. Where that may wait for a writer, as of a named pipe, it
// fails once ctx is done.
func openUntil(ctx context.Context, path string) (*os.File, error) {
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return os.Open(path) //nolint:gosec // the user named it
	}
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

// open opens a feed. Compression is recognised by its magic number. What waits for a
// pipe ends once ctx is done.
func open(ctx context.Context, path string) (*source, error) {
	f, err := openUntil(ctx, path)
	if err != nil {
		return nil, err
	}
	forget := context.AfterFunc(ctx, func() { _ = f.Close() })
	s := &source{closers: []func(){func() { forget(); _ = f.Close() }}}
	if info, statErr := f.Stat(); statErr == nil && !info.Mode().IsRegular() && info.Mode()&os.ModeNamedPipe == 0 {
		s.Close()
		return nil, errors.New("not a regular file")
	}
	packed := bufio.NewReaderSize(f, headSize)
	unpacked, err := s.unpack(packed)
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
		return nil, err
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
