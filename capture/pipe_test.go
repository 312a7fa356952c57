package capture_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"wormscope/capture"
)

// TestOpenUntil: a pipe that nobody writes to keeps nobody waiting for ever, neither
// while it is opened nor between two frames.
func TestOpenUntil(t *testing.T) {
	silent, _ := io.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, err := capture.OpenUntil(ctx, []string{"-"}, silent); !errors.Is(err, enough) || err.Error() != "standard input: enough" {
		t.Errorf("opening says %v", err)
	}

	ctx, cancel = context.WithCancelCause(t.Context())
	out, in := io.Pipe()
	go func() { _, _ = in.Write(plainPcap(20, 60, 1e6, 1)) }()
	r, err := capture.OpenUntil(ctx, []string{"-"}, out)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var f capture.Frame
	readOn(t, r, &f, 20)
	cancel(enough)
	if err := r.Next(&f); !errors.Is(err, enough) {
		t.Errorf("reading on says %v", err)
	}
	if got := r.Stats().Frames; got != 20 {
		t.Errorf("%d frames were read, want 20", got)
	}
}
