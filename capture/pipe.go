package capture

import (
	"context"
	"io"
)

// readUntil returns what reads from that which open opens, in a goroutine of its
// own: to open a pipe and to read from one is to wait for who writes to it, which
// may be for ever. When ctx is done, whoever reads is told why. The reader must be
// closed.
func readUntil(ctx context.Context, open func() (io.ReadCloser, error)) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		from, err := open()
		if err == nil {
			err = copyBlocks(in, from)
		}
		_ = in.CloseWithError(err) // never fails; nil is the end
	}()
	forget := context.AfterFunc(ctx, func() { _ = in.CloseWithError(context.Cause(ctx)) })
	return pipe{out, forget}
}

// copyBlocks copies all that comes, and closes where it came from.
func copyBlocks(to io.Writer, from io.ReadCloser) error {
	defer from.Close() //nolint:errcheck // only read
	memory := make([]byte, blockSize)
	for {
		n, err := from.Read(memory)
		if _, fails := to.Write(memory[:n]); fails != nil { // of nothing, too: that may go on for ever
			return fails
		}
		if err != nil {
			return err
		}
	}
}

// A pipe is the end that is read.
type pipe struct {
	*io.PipeReader
	forget func() bool // that it is to end early
}

// Close lets who writes go.
func (p pipe) Close() error {
	p.forget()
	return p.PipeReader.Close()
}
