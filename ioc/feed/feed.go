// Package feed reads indicators from files: plain lists, CSV, Zeek intel, MISP events, STIX
// bundles, Spamhaus's lists and response policy zones.
// The format is recognised from the content or named. Entries that can't be used are
// never dropped in silence: the Report has each reason with its lines.
//
// Load (this file) opens a file (open.go) and finds out its format (format.go,
// table.go); then readPlain, readCSV and the like take it apart, each in a file of its
// own, with json.go for those in JSON. A parser
// (observable.go, span.go) makes an observable of each entry, guards (guard.go,
// shared.go, suffix.go) refuse what would match everybody's traffic, and a collector
// (collect.go) adds the rest to an ioc.Builder.
package feed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"wormscope/internal/tree"
	"wormscope/ioc"
)

// Options say how to read a feed. The zero value is right for most.
type Options struct {
	Name       string         // name of the feed, instead of the file's name without its extensions
	Format     Format         // Auto to recognise it
	Columns    Columns        // of a CSV feed; with the zero value they are found by the header
	Class      ioc.Class      // what a match with this feed means
	Confidence ioc.Confidence // of entries for which the feed has none itself
	TLP        string         // traffic light protocol marking in ECS's words
	// Force takes what the guards refuse: private, loopback, multicast and
	// other special addresses, and networks wider than /8 or, in IPv6, /19.
	Force bool
	// Again refuses a pipe, which gave what it had when it was read before.
	Again bool

	inFolder bool          // found in a folder, not named itself
	patience time.Duration // how long a pipe may be silent, 0 for pipePatience
}

// Columns names the columns of a CSV feed by their names in the header,
// whatever the case, or by their numbers from 1. Where Indicator is empty,
// all columns are found by well-known names.
type Columns struct {
	Indicator   string // address, network, name or URL; of any kind in each row
	Type        string // a word for the kind; rows with hashes and the like are skipped
	Port        string // for addresses
	Description string
	Reference   string
	Confidence  string // 0 to 100, or a word
	Class       string // what a match means, see ParseClass
	FirstSeen   string
	Expires     string
}

// ErrNoEntries means that a feed has no usable entry. It is an error, since a sensor
// without indicators looks as if all were well. Where all are on the allow list, that is
// what its user wants, and no error.
var ErrNoEntries = errors.New("no usable entry")

// An Error says which feed could not be used, and why.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("feed %s: %v", e.Path, e.Err) }

// Unwrap returns what is wrong with the feed.
func (e *Error) Unwrap() error { return e.Err }

// Load reads a file, or all files of a folder and of the folders in it, in the order
// of their names. Each file is a feed. In a folder, hidden files and those named
// README, LICENSE or *.md are left out. Files that are packed with gzip or zstd are
// unpacked, whatever they are called. A pipe that is named itself is read once
// somebody writes to it; where nothing comes for a minute it is an error, as all else
// is that is no regular file.
//
// The report is never nil: it has every file that was read, those with errors
// included. The error joins an *Error for each file that can't be read or has no
// usable entry. There is one exception: a file in a folder that has nothing but
// comments, entries that can't be seen in packets, such as hashes, and entries that it
// does not want to be used itself, is not an error.
// Public collections have such files. Only the report has ErrNoEntries for it.
func Load(ctx context.Context, b *ioc.Builder, path string, o Options) (*Report, error) {
	report := &Report{}
	files, folder, err := Files(path)
	if err != nil {
		return report, err
	}
	if !folder {
		return report, report.load(ctx, b, path, o)
	}
	var failed []error
	o.inFolder = true
	for _, file := range files {
		if err := report.load(ctx, b, file, o); err != nil && !report.Files[len(report.Files)-1].InOrder() {
			failed = append(failed, err)
		}
		if err := ctx.Err(); err != nil {
			return report, &Error{path, err}
		}
	}
	if len(failed) == 0 && report.usable() == 0 {
		return report, &Error{path, ErrNoEntries}
	}
	return report, errors.Join(failed...)
}

// Files returns the files that Load would read, in its order, and whether path
// is a folder of them. Links are followed, to folders too; each folder is read
// once.
func Files(path string) (files []string, folder bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, false, &Error{path, withoutPath(err)}
	}
	if !info.IsDir() {
		return []string{path}, false, nil
	}
	err = tree.Walk(path, func(file string, info fs.FileInfo, err error) error {
		name := filepath.Base(file)
		switch {
		case file != path && strings.HasPrefix(name, "."):
			return fs.SkipDir
		case errors.Is(err, tree.ErrAgain):
			return nil // its files are in the list already
		case info == nil: // the error comes again when the file is read
		case err != nil:
			return &Error{file, withoutPath(err)}
		case info.IsDir():
			return nil
		}
		if !isAboutFolder(name) {
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, true, err
	}
	return files, true, nil
}

// isAboutFolder reports whether a file of this name is not a feed, but tells about the
// folder.
func isAboutFolder(name string) bool {
	upper := strings.ToUpper(name)
	return strings.HasPrefix(upper, "README") || strings.HasPrefix(upper, "LICENSE") || strings.HasSuffix(upper, ".MD")
}

// load reads one file and adds its report.
func (r *Report) load(ctx context.Context, b *ioc.Builder, path string, o Options) error {
	file := FileReport{Path: path, Feed: o.Name, Format: o.Format}
	if file.Feed == "" {
		file.Feed = nameOf(path)
	}
	err := readFile(ctx, b, &file, o)
	if err == nil && file.Total()+file.Allowed() == 0 {
		err = ErrNoEntries
	}
	if err != nil {
		file.Err = withoutPath(err)
		err = &Error{path, file.Err}
	}
	r.Files = append(r.Files, file)
	return err
}

// readFile reads one file.
func readFile(ctx context.Context, b *ioc.Builder, file *FileReport, o Options) (err error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer func() {
		if err != nil && ctx.Err() != nil { // then what was read from was closed
			err = context.Cause(ctx)
		}
		giveUp(nil)
	}()
	src, err := open(ctx, file.Path, o, giveUp)
	if err != nil {
		return err
	}
	defer src.Close()
	head, err := src.peek()
	if err != nil {
		return err
	}
	layout, err := recognise(head, o)
	if err != nil {
		return err
	}
	file.Format = layout.format
	c := newCollector(b, file, o)
	if layout.format == MISP || layout.format == STIX {
		return c.readJSON(ctx, src, layout.format)
	}
	lines := newLineReader(ctx, src)
	switch layout.format {
	case CSV:
		return c.readCSV(lines, layout.table)
	case Zeek:
		return c.readZeek(lines)
	case Spamhaus:
		return c.readSpamhaus(lines)
	case RPZ:
		return c.readRPZ(lines)
	default:
		return c.readPlain(lines)
	}
}

// readJSON reads a feed that is one JSON document or several.
func (c *collector) readJSON(ctx context.Context, src *source, format Format) error {
	r, err := newJSONReader(ctx, src.Reader)
	if err != nil {
		return err
	}
	if format == STIX {
		err = c.readSTIX(r)
	} else {
		err = c.readMISP(r)
	}
	c.file.Lines = r.lines.total()
	return err
}

// nameOf returns the name of a feed from that of its file, without folder and
// extensions.
func nameOf(path string) string {
	name := filepath.Base(path)
	for _, ext := range []string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, ext)
	}
	if short := strings.TrimSuffix(name, filepath.Ext(name)); short != "" {
		return short
	}
	return name
}

// withoutPath strips the path from a file error, for a message that has it already.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
