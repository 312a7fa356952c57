package capture

import (
	"context"
	"io"
)

// readUntil returns a reader of what open opens, whose reads fail with the cause
// of ctx once that is done. A goroutine opens and reads, since both may block for
// ever on a pipe that nobody writes to. The caller must close the reader.
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

// copyBlocks copies everything, and closes from.
func copyBlocks(to io.Writer, from io.ReadCloser) error {
	defer from.Close() //nolint:errcheck // only read
	memory := make([]byte, blockSize)
	for {
		n, err := from.Read(memory)
		if _, fails := to.Write(memory[:n]); fails != nil { // even of 0 bytes: so a source that never has any ends with the pipe
			return fails
		}
		if err != nil {
			return err
		}
	}
}

// A pipe is the reading end.
type pipe struct {
	*io.PipeReader
	forget func() bool // stops waiting for the context
}

// Close makes the goroutine that writes to the pipe end at its next write.
func (p pipe) Close() error {
	p.forget()
	return p.PipeReader.Close()
}
