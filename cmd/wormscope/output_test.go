package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
)

// A disk takes what is written, and says this when it is asked to keep it.
type disk struct {
	bytes.Buffer
	says error
	kept string
}

func (d *disk) Sync() error {
	d.kept = d.String()
	return d.says
}

// TestDocumentsAreOnTheDisk: a document takes the place of the one before only when
// it is on the disk, or where nothing can be said of that.
func TestDocumentsAreOnTheDisk(t *testing.T) {
	broken := errors.New("input/output error")
	for _, c := range []struct{ wrote, says, want error }{
		{nil, nil, nil},
		{nil, broken, broken},
		{nil, fmt.Errorf("sync: %w", syscall.EINVAL), nil},
		{nil, fmt.Errorf("sync: %w", syscall.ENOTSUP), nil},
		{io.ErrShortWrite, nil, io.ErrShortWrite},
	} {
		d := &disk{says: c.says}
		err := writeSynced(d, func(w io.Writer) error {
			_, _ = io.WriteString(w, "document") // in memory
			return c.wrote
		})
		if !errors.Is(err, c.want) || c.wrote == nil && d.kept != "document" {
			t.Errorf("%+v: %v, on the disk is %q", c, err, d.kept)
		}
	}
}
