package capture

import (
	"fmt"
	"slices"
)

const (
	maxWarnings     = 100 // in Stats
	maxFileWarnings = 20  // of them about one file
)

// Stats says what has been read so far and what was wrong with it.
type Stats struct {
	FileStats             // the sum over all files
	Files     []FileStats // one per file; the index is Frame.File
	Warnings  []Warning   // in the order of the files, at most 100, 20 a file
	More      uint64      // warnings that Warnings has no room for
}

// FileStats are the counts of one file.
type FileStats struct {
	Frames    uint64
	Bytes     uint64 // captured, in the frames alone
	WireBytes uint64 // what these frames were on the wire
	Truncated uint64 // frames with fewer bytes captured than were on the wire
	Skipped   uint64 // bytes that were passed over because they were damaged
	Dropped   uint64 // frames that the capture says were lost when it was made
}

func (s *FileStats) add(other *FileStats) {
	s.Frames += other.Frames
	s.Bytes += other.Bytes
	s.WireBytes += other.WireBytes
	s.Truncated += other.Truncated
	s.Skipped += other.Skipped
	s.Dropped += other.Dropped
}

// A Warning says what is wrong with a file that was read nevertheless.
type Warning struct {
	File   int    // for Reader.Name; -1 when it is about no file that was read
	Offset int64  // in bytes, of the unpacked data where the file is packed
	Text   string // what, and what was done about it
	Times  uint64 // how often in a row; Offset is that of the first
}

// A tally is the counts and warnings of one file.
type tally struct {
	FileStats
	number   int    // of the file, as in Frame.File
	records  uint64 // that are not frames, but get a number from Wireshark, too
	warnings []Warning
	more     uint64
}

// count adds a frame.
func (t *tally) count(f *Frame) {
	captured, wire := uint64(len(f.Data)), uint64(f.Len) //nolint:gosec // never negative
	t.Frames++
	t.Bytes += captured
	t.WireBytes += wire
	if captured < wire {
		t.Truncated++
	}
	f.File, f.Number = t.number, t.Frames+t.records
}

// countRun adds the frames of a run.
func (t *tally) countRun(r *Run) {
	r.File, r.First = t.number, t.Frames+t.records+1
	t.Frames += uint64(r.N)           //nolint:gosec // never negative
	t.Bytes += uint64(r.Sum.Captured) //nolint:gosec // "
	t.WireBytes += uint64(r.Sum.Len)  //nolint:gosec // "
	t.Truncated += uint64(r.Sum.Cut)  //nolint:gosec // "
}

// warn notes what is wrong at offset. The same text twice in a row is one
// warning.
func (t *tally) warn(offset int64, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if n := len(t.warnings); n > 0 && t.warnings[n-1].Text == text {
		t.warnings[n-1].Times++
		return
	}
	if len(t.warnings) == maxFileWarnings {
		t.more++
		return
	}
	t.warnings = append(t.warnings, Warning{File: t.number, Offset: offset, Text: text, Times: 1})
}

// reset forgets everything but which file it is.
func (t *tally) reset() { *t = tally{number: t.number} }

// gather adds a file's tally to the sum.
func (s *Stats) gather(t *tally) {
	s.add(&t.FileStats)
	s.Files = append(s.Files, t.FileStats)
	room := min(maxWarnings-len(s.Warnings), len(t.warnings))
	s.Warnings = append(s.Warnings, t.warnings[:room]...)
	for _, w := range t.warnings[room:] {
		s.More += w.Times
	}
	s.More += t.more
}

// newStats returns the sum of what the files and the search for them found.
func newStats(search []Warning, files []*file) Stats {
	shown := min(len(search), maxWarnings)
	s := Stats{
		Files:    make([]FileStats, 0, len(files)),
		Warnings: slices.Clone(search[:shown]),
		More:     uint64(len(search[shown:])),
	}
	for _, f := range files {
		s.gather(&f.tally)
	}
	return s
}
