package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
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

// TestErrorNamesTheDocument: what goes wrong while a document is written is said of its
// file, not of the temporary one that was to take its place.
func TestErrorNamesTheDocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scope.json")
	err := writeWhole("scope", path, nil, func(w io.Writer) error { return w.(*os.File).Truncate(-1) })
	if want := "scope: truncate " + path + ": "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
}
