package feed

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"wormscope/ioc"
)

// A Report says what was read, file by file.
type Report struct {
	Files []FileReport
}

// A FileReport says what was read from one file.
type FileReport struct {
	Path       string
	Feed       string
	Format     Format
	Lines      int // lines in the file
	Names      int // entries used, by type, with those that other feeds have too
	Addresses  int
	Networks   int
	Duplicates int // of the entries used, those that this file or another feed had before
	Skipped    []Skip
	Undated    Skip  // entries that never expire, since their expiry was not understood
	Unclassed  Skip  // entries that have the feed's class, since their own was not understood
	Err        error // why the feed could not be used, without the path; nil when it was

	remarks int // lines with comments or headers, and entries of kinds that are not watched
}

// A Skip is one reason for which lines were not used.
type Skip struct {
	Reason  Reason
	Count   int
	Samples []Sample // the first of them
}

// A Sample is a line that was not used.
type Sample struct {
	Line int    // from 1
	Text string // its beginning, without control characters
}

const (
	maxSamples    = 10 // of each reason
	maxSampleText = 80 // bytes
	maxReasons    = 50 // different ones a file
)

// Total returns the number of entries used.
func (f *FileReport) Total() int { return f.Names + f.Addresses + f.Networks }

// SkippedTotal returns the number of entries not used.
func (f *FileReport) SkippedTotal() int {
	n := 0
	for i := range f.Skipped {
		n += f.Skipped[i].Count
	}
	return n
}

// Allowed returns the number of entries not used since they are on the allow list.
func (f *FileReport) Allowed() int {
	for i := range f.Skipped {
		if f.Skipped[i].Reason == reasonAllowed {
			return f.Skipped[i].Count
		}
	}
	return 0
}

// Total returns the number of entries used in all files.
func (r *Report) Total() int {
	n := 0
	for i := range r.Files {
		n += r.Files[i].Total()
	}
	return n
}

// usable returns the number of entries used in all files, and of those that only the
// allow list keeps from it.
func (r *Report) usable() int {
	n := r.Total()
	for i := range r.Files {
		n += r.Files[i].Allowed()
	}
	return n
}

// InOrder reports whether the file may well have no entry that is used: those that could
// be are on the allow list, or it is not empty, and has nothing but comments, entries of
// kinds that are never seen in packets, and those that the feed itself does not want to
// be used.
func (f *FileReport) InOrder() bool {
	if f.Err == nil {
		return f.Total() == 0 && f.Allowed() > 0
	}
	for i := range f.Skipped {
		if r := f.Skipped[i].Reason; !r.unwatched() && !r.meant() {
			return false
		}
	}
	return errors.Is(f.Err, ErrNoEntries) && f.remarks > 0
}

// count notes an entry that was used.
func (f *FileReport) count(t ioc.Type, fresh bool) {
	switch t {
	case ioc.Domain:
		f.Names++
	case ioc.Address:
		f.Addresses++
	case ioc.Network:
		f.Networks++
	}
	if !fresh {
		f.Duplicates++
	}
}

// skip notes an entry that was not used.
func (f *FileReport) skip(reason Reason, line int, text string) {
	if len(f.Skipped) >= maxReasons && f.find(reason) == nil {
		reason = reasonOther
	}
	s := f.find(reason)
	if s == nil {
		f.Skipped = append(f.Skipped, Skip{Reason: reason})
		s = &f.Skipped[len(f.Skipped)-1]
	}
	s.add(line, text)
	if reason.unwatched() {
		f.remarks++
	}
}

// add counts a line.
func (s *Skip) add(line int, text string) {
	s.Count++
	if len(s.Samples) < maxSamples {
		s.Samples = append(s.Samples, Sample{line, printable(text)})
	}
}

func (f *FileReport) find(reason Reason) *Skip {
	for i := range f.Skipped {
		if f.Skipped[i].Reason == reason {
			return &f.Skipped[i]
		}
	}
	return nil
}

// printable returns the beginning of a text, made visible.
func printable(text string) string {
	cut := text
	if len(cut) > maxSampleText {
		cut = strings.ToValidUTF8(cut[:maxSampleText], "") + "…"
	}
	// Cloned, since the text is a part of a large block that is not to be kept.
	return strings.Clone(visible(cut))
}

// visible returns a text with a dot for each character that is not printable, since a
// terminal might take it for a command.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r != ' ' && !strconv.IsPrint(r) {
			return '.'
		}
		return r
	}, text)
}

// WriteText writes the report for a person.
func (r *Report) WriteText(w io.Writer) error {
	var text []byte
	for i := range r.Files {
		text = r.Files[i].appendText(text)
	}
	if len(r.Files) > 1 {
		var sum FileReport
		for i := range r.Files {
			f := &r.Files[i]
			sum.Names += f.Names
			sum.Addresses += f.Addresses
			sum.Networks += f.Networks
			sum.Duplicates += f.Duplicates
		}
		text = fmt.Appendf(text, "%d files: %s\n", len(r.Files), sum.totals())
	}
	_, err := w.Write(text)
	return err
}

// appendText appends the report of one file.
func (f *FileReport) appendText(text []byte) []byte {
	text = fmt.Appendf(text, "%s\n", visible(f.Path))
	if f.Format != Auto {
		text = fmt.Appendf(text, "  format   %s, %s\n", f.Format, plural(f.Lines, "line"))
	}
	if f.Err != nil {
		text = fmt.Appendf(text, "  error    %s\n", visible(f.Err.Error()))
	}
	if f.Total() > 0 {
		text = fmt.Appendf(text, "  entries  %s\n", f.totals())
	}
	for i := range f.Skipped {
		s := &f.Skipped[i]
		text = fmt.Appendf(text, "  skipped  %d: %s\n", s.Count, s.Reason)
		text = s.appendSamples(text)
	}
	if f.Undated.Count > 0 {
		text = fmt.Appendf(text, "  undated  %d: an expiry that is not understood; used for ever\n", f.Undated.Count)
		text = f.Undated.appendSamples(text)
	}
	if f.Unclassed.Count > 0 {
		text = fmt.Appendf(text, "  class    %d: a class that is not understood; used as the feed's own\n", f.Unclassed.Count)
		text = f.Unclassed.appendSamples(text)
	}
	return text
}

// appendSamples appends the first lines.
func (s *Skip) appendSamples(text []byte) []byte {
	for _, sample := range s.Samples {
		text = fmt.Appendf(text, "           line %d: %s\n", sample.Line, sample.Text)
	}
	if more := s.Count - len(s.Samples); more > 0 {
		text = fmt.Appendf(text, "           and %d more\n", more)
	}
	return text
}

// totals returns the entries in words.
func (f *FileReport) totals() string {
	text := fmt.Sprintf("%s, %s, %s", plural(f.Names, "name"), plural(f.Addresses, "address"), plural(f.Networks, "network"))
	if f.Duplicates > 0 {
		text += fmt.Sprintf(" (of these %s)", plural(f.Duplicates, "duplicate"))
	}
	return text
}

// plural returns a number of things.
func plural(n int, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "s"):
		thing += "es"
	default:
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}
