package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"wormscope/internal/tree"
)

// standardInput is the path that stands for standard input.
const standardInput = "-"

// A place is where a capture may be.
type place struct {
	path   string
	info   fs.FileInfo // nil for standard input
	folder *folder     // what it was found in, nil when it was named itself
	others []*folder   // where it was found again
}

// A search collects places.
type search struct {
	places   []place
	folders  []*folder
	seen     map[int64][]int // places by size, so that few are compared
	warnings []Warning
}

// A folder is one that was named, and what was found in it.
type folder struct {
	path     string
	captures int
	others   int   // files that are not captures
	first    error // what the first of these is
	unread   error // why the first file that could not be read was left out
}

// find returns the files that the paths name, and those in folders among them,
// in the order of the paths and, within a folder, of the names. A file that is
// named twice, by a link for instance, is taken once.
func find(paths []string) (*search, error) {
	s := &search{seen: map[int64][]int{}}
	stdin := false
	for _, path := range paths {
		if path == standardInput {
			if stdin {
				return nil, errors.New("standard input is named twice")
			}
			stdin = true
			s.places = append(s.places, place{path: path})
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", path, bare(err))
		}
		if !info.IsDir() {
			s.take(place{path: path, info: info})
			continue
		}
		if err := s.walk(path); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// walk takes all regular files below the folder root.
func (s *search) walk(root string) error {
	in := &folder{path: root}
	s.folders = append(s.folders, in)
	return tree.Walk(root, func(path string, info fs.FileInfo, err error) error {
		switch {
		case errors.Is(err, tree.ErrAgain):
			s.warn("%s: %v; read once", path, err)
		case err != nil && path == root:
			return fmt.Errorf("open %s: %w", path, bare(err))
		case err != nil:
			s.warn("%s: %v; left out", path, bare(err))
		case info.Mode().IsRegular():
			s.take(place{path: path, info: info, folder: in})
		case !info.IsDir():
			s.warn("%s: not a regular file; left out", path)
		}
		return nil
	})
}

// take adds a place, unless it is there already.
func (s *search) take(p place) {
	for _, i := range s.seen[p.info.Size()] {
		if other := &s.places[i]; os.SameFile(other.info, p.info) {
			if p.folder != nil {
				other.others = append(other.others, p.folder)
			}
			s.warn("%s: the same file as another one; read once", p.path)
			return
		}
	}
	s.seen[p.info.Size()] = append(s.seen[p.info.Size()], len(s.places))
	s.places = append(s.places, p)
}

// found says that there is a capture at the place.
func (p *place) found() {
	if p.folder != nil {
		p.folder.captures++
	}
	for _, f := range p.others {
		f.captures++
	}
}

// leaveOut notes that a file of a folder can't be read, and why. Those that are not
// captures share one warning, since there may be many.
func (s *search) leaveOut(p place, why error) {
	if !errors.Is(why, errNoCapture) {
		p.folder.unread = cmp.Or(p.folder.unread, why)
		s.warn("%v; left out", why)
		return
	}
	if p.folder.others == 0 {
		p.folder.first = why
	}
	p.folder.others++
}

// finish warns of what the folders hold besides captures. A folder without any
// capture is an error.
func (s *search) finish() error {
	for _, f := range s.folders {
		switch {
		case f.captures == 0 && f.unread != nil:
			return fmt.Errorf("%s: no capture in the folder can be read; the first: %w", f.path, f.unread)
		case f.captures == 0 && f.others == 0:
			return fmt.Errorf("%s: a folder without captures", f.path)
		case f.captures == 0 && f.others == 1:
			return fmt.Errorf("%s: a folder without captures; its only file: %w", f.path, f.first)
		case f.captures == 0:
			return fmt.Errorf("%s: a folder without captures; of %d other files the first: %w", f.path, f.others, f.first)
		case f.others == 1:
			s.warn("%v; left out", f.first)
		case f.others > 1:
			s.warn("%s: %d files are no captures and left out, the first: %v", f.path, f.others, f.first)
		}
	}
	return nil
}

func (s *search) warn(format string, args ...any) {
	s.warnings = append(s.warnings, Warning{File: -1, Text: fmt.Sprintf(format, args...), Times: 1})
}

// file returns the file at p, dormant. Where opening or reading may block, as of
// a pipe, it fails once ctx is done.
func (p *place) file(ctx context.Context, stdin io.Reader) *file {
	f := &file{name: p.path, stdin: p.info == nil, size: -1}
	info := p.info
	f.open = func() (io.ReadCloser, error) { return os.Open(p.path) }
	if f.stdin {
		f.open = func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }
		if named, ok := stdin.(*os.File); ok {
			info, _ = named.Stat() // nil after an error: then it is read as a pipe is
		}
	}
	if info != nil && info.Mode().IsRegular() {
		f.size, f.again = info.Size(), !f.stdin
		return f
	}
	waits := f.open
	f.open = func() (io.ReadCloser, error) { return readUntil(ctx, waits), nil }
	return f
}
