package sinks

import (
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stampLayout is the time in the name of a rotated file, UTC.
const stampLayout = "20060102T150405Z"

// cutBefore has the file rotated before the next event if it is too old, or would
// be too large with more bytes. An empty file is never rotated. f.mu is held.
func (f *File) cutBefore(more int) {
	if !f.regular || f.size == 0 {
		return
	}
	now := f.opts.now()
	tooLarge := more > 0 && f.opts.MaxSize > 0 && f.size+int64(more) > f.opts.MaxSize
	tooOld := f.opts.MaxAge > 0 && now.Sub(f.since) >= f.opts.MaxAge
	if tooLarge || tooOld {
		f.pending.cuts = append(f.pending.cuts, cut{len(f.pending.text), now})
		f.size = 0
	}
}

// rotate renames the file by the time and begins a new one.
func (f *File) rotate(when time.Time) error {
	name, err := f.freeName(when)
	if err != nil {
		return err
	}
	if err := os.Rename(f.real, name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f.count(func(s *FileStats) { s.Rotations++ })
	if err := f.switchFile(); err != nil {
		return err
	}
	if !f.opts.Compress {
		return f.prune()
	}
	f.done.Go(func() { f.compress(name) })
	return nil
}

// compress compresses rotated files, and deletes those that are too old to keep.
func (f *File) compress(paths ...string) {
	f.compressing.Lock()
	defer f.compressing.Unlock()
	var err error
	for _, path := range paths {
		err = errors.Join(err, compress(path))
	}
	f.io.Lock()
	defer f.io.Unlock()
	if err = errors.Join(err, f.prune()); err != nil {
		f.count(func(s *FileStats) { s.Errors++ })
		f.fail(fmt.Errorf("compressing event file: %w", err))
	}
}

// resume compresses what a run that died had not compressed to the end. Nothing else
// uses f yet.
func (f *File) resume() {
	if !f.opts.Compress || !f.regular {
		return
	}
	files, err := f.rotatedFiles()
	if err != nil {
		return // a rotation will say why
	}
	var left []string
	for _, r := range files {
		if filepath.Ext(r.path) != ".gz" {
			left = append(left, r.path)
		}
	}
	if len(left) > 0 {
		f.done.Go(func() { f.compress(left...) })
	}
}

// stem splits the path of the event file before its extension.
func (f *File) stem() (stem, ext string) {
	ext = filepath.Ext(f.real)
	return strings.TrimSuffix(f.real, ext), ext
}

// behindLinks returns the path of a file with all links resolved. lent says that
// they lead into /proc, to a file that a process has open, as /dev/stdout does:
// such a file can't be rotated, since after its renaming the path would still open
// the same file.
func behindLinks(path string) (at string, lent bool) {
	at = path
	for range maxLinks {
		folder, err := filepath.EvalSymlinks(filepath.Dir(at))
		if err != nil {
			return path, false
		}
		at = filepath.Join(folder, filepath.Base(at))
		if strings.HasPrefix(at, "/proc/") {
			return path, true
		}
		to, err := os.Readlink(at)
		if err != nil {
			return at, false
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(folder, to)
		}
		at = to
	}
	return path, false
}

// maxLinks is how many links Linux follows.
const maxLinks = 40

// freeName returns a name for the rotated file that sorts after those of all others:
// the time and, where others have the same time, a number above theirs. Where the
// clock was set back it takes the time of the newest file. Otherwise prune would
// take the newest file for the oldest.
func (f *File) freeName(when time.Time) (string, error) {
	files, err := f.rotatedFiles()
	if err != nil {
		return "", err
	}
	stem, ext := f.stem()
	stamp := when.UTC().Format(stampLayout)
	if n := len(files); n > 0 {
		stamp = max(stamp, files[n-1].stamp)
	}
	n := 0
	for _, r := range files {
		if r.stamp == stamp {
			n = max(n, r.n, 1) // the first has no number
		}
	}
	switch n {
	case 0:
		return stem + "-" + stamp + ext, nil
	case math.MaxInt: // of a file that somebody else has made
		return "", fmt.Errorf("a file %s-%s-%d%s has the highest number that there is: rename it", stem, stamp, n, ext)
	}
	return stem + "-" + stamp + "-" + strconv.Itoa(n+1) + ext, nil
}

// A rotated file, in the order of time and number.
type rotated struct {
	path  string
	stamp string
	n     int
}

// prune deletes the oldest rotated files beyond Keep.
func (f *File) prune() error {
	if f.opts.Keep <= 0 {
		return nil
	}
	files, err := f.rotatedFiles()
	if err != nil || len(files) <= f.opts.Keep {
		return err
	}
	for _, r := range files[:len(files)-f.opts.Keep] {
		err = errors.Join(err, os.Remove(r.path))
	}
	return err
}

// rotatedFiles lists the rotated files, oldest first. Files of other names
// are none of ours.
func (f *File) rotatedFiles() ([]rotated, error) {
	stem, ext := f.stem()
	pattern := regexp.MustCompile(`^` + regexp.QuoteMeta(filepath.Base(stem)) +
		`-(\d{8}T\d{6}Z)(?:-(\d+))?` + regexp.QuoteMeta(ext) + `(?:\.gz)?$`)
	entries, err := os.ReadDir(filepath.Dir(f.real))
	if err != nil {
		return nil, err
	}
	var files []rotated
	for _, e := range entries {
		m := pattern.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(cmp.Or(m[2], "0")) // none is the first
		if err != nil {
			continue // too large to be ours
		}
		files = append(files, rotated{filepath.Join(filepath.Dir(f.real), e.Name()), m[1], n})
	}
	slices.SortFunc(files, func(a, b rotated) int {
		return cmp.Or(cmp.Compare(a.stamp, b.stamp), cmp.Compare(a.n, b.n))
	})
	return files, nil
}

// compress replaces a file by its gzip. Until that is whole the file stays.
func compress(path string) (err error) {
	in, err := os.Open(path) //nolint:gosec // a name made by freeName
	if errors.Is(err, os.ErrNotExist) {
		return nil // too old to keep by now
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	partial := path + ".gz.partial"
	if err := os.Remove(partial); err != nil && !errors.Is(err, os.ErrNotExist) { // of a run that died, or another's link
		return err
	}
	if err := gzipTo(partial, in); err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	if err := os.Rename(partial, path+".gz"); err != nil {
		return err
	}
	return os.Remove(path)
}

func gzipTo(path string, in io.Reader) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640) //nolint:gosec // read as the event file is
	if err != nil {
		return err
	}
	return errors.Join(gzipOnto(out, in), out.Close())
}

// A synced writer says when what it took is on the disk.
type synced interface {
	io.Writer
	Sync() error
}

// gzipOnto compresses in, and waits until the outcome is on the disk: the original
// is deleted then.
func gzipOnto(out synced, in io.Reader) error {
	z := gzip.NewWriter(out)
	_, err := io.Copy(z, in)
	if err = errors.Join(err, z.Close()); err != nil {
		return err
	}
	return out.Sync()
}
