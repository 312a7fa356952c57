package sinks

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRotatesBySize(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	f := open(t, filepath.Join(dir, "events.jsonl"), FileOptions{MaxSize: 20, now: c.now})
	for i := range 9 { // 8 bytes each: two a file, all in the same second
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
	}
	must(t, f.Close())
	want := map[string]string{
		"events-20260105T080000Z.jsonl":   "event 0\nevent 1\n",
		"events-20260105T080000Z-2.jsonl": "event 2\nevent 3\n",
		"events-20260105T080000Z-3.jsonl": "event 4\nevent 5\n",
		"events-20260105T080000Z-4.jsonl": "event 6\nevent 7\n",
		"events.jsonl":                    "event 8\n",
	}
	for name, text := range want {
		if got := read(t, filepath.Join(dir, name)); got != text {
			t.Errorf("%s is %q, want %q", name, got, text)
		}
	}
	if got := f.Stats(); got != (FileStats{Events: 9, Rotations: 4}) {
		t.Errorf("stats %+v", got)
	}
}

// TestRotatesBehindALink: a link stays what it is, and the file that it leads to
// is rotated where it is; one that somebody has open is not rotated.
func TestRotatesBehindALink(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	must(t, os.Mkdir(data, 0o750))
	link := filepath.Join(dir, "link")
	must(t, os.Symlink("data/events.jsonl", link))
	c := newClock()
	f := open(t, link, FileOptions{MaxSize: 20, Keep: 1, now: c.now})
	for i := range 5 {
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
	}
	must(t, f.Close())
	if got := folder(t, data); !slices.Equal(got, []string{"events-20260105T080000Z-2.jsonl", "events.jsonl"}) {
		t.Errorf("behind the link are %q", got)
	}
	if got := read(t, link); got != "event 4\n" {
		t.Errorf("the link leads to %q", got)
	}
	lent, err := os.Create(filepath.Join(dir, "lent"))
	must(t, err)
	defer lent.Close()
	must(t, os.Remove(link))
	must(t, os.Symlink(fmt.Sprintf("/proc/self/fd/%d", lent.Fd()), link))
	f = open(t, link, FileOptions{MaxSize: 20, now: c.now})
	for i := range 5 {
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
	}
	must(t, f.Close())
	if got := folder(t, dir); !slices.Equal(got, []string{"data", "lent", "link"}) {
		t.Errorf("there are %q", got)
	}
	if got := strings.Count(read(t, lent.Name()), "\n"); got != 5 {
		t.Errorf("%d events are in the file that is lent", got)
	}
}

func TestOneLargeEventIsNotRotatedAlone(t *testing.T) {
	dir := t.TempDir()
	f := open(t, filepath.Join(dir, "events"), FileOptions{MaxSize: 4})
	must(t, f.Event([]byte("larger than the limit")))
	must(t, f.Close())
	if got := folder(t, dir); !slices.Equal(got, []string{"events"}) {
		t.Errorf("files %q", got)
	}
}

func TestRotatesByAge(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	f := open(t, filepath.Join(dir, "events"), FileOptions{MaxAge: time.Hour, now: c.now})
	c.advance(2 * time.Hour) // an empty file does not age
	must(t, f.Event([]byte("a")))
	c.advance(59 * time.Minute)
	must(t, f.Event([]byte("b")))
	c.advance(time.Minute)
	must(t, f.Event([]byte("c")))
	must(t, f.Close())
	if got, want := folder(t, dir), []string{"events", "events-20260105T110000Z"}; !slices.Equal(got, want) {
		t.Fatalf("files %q, want %q", got, want)
	}
	if got := read(t, filepath.Join(dir, "events-20260105T110000Z")); got != "a\nb\n" {
		t.Errorf("rotated file is %q", got)
	}
}

func TestRotatesByAgeWithoutEvents(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	f := open(t, filepath.Join(dir, "events"), FileOptions{MaxAge: time.Hour, flushEvery: time.Millisecond, now: c.now})
	must(t, f.Event([]byte("a")))
	c.advance(time.Hour)
	for f.Stats().Rotations == 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestKeepsTheNewest(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	stranger := filepath.Join(dir, "events-old.jsonl")
	must(t, os.WriteFile(stranger, []byte("not ours"), 0o600))
	f := open(t, filepath.Join(dir, "events.jsonl"), FileOptions{MaxSize: 1, Keep: 3, now: c.now})
	for i := range 15 {
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
		if i >= 12 {
			c.advance(time.Second)
		}
	}
	must(t, f.Close())
	want := []string{
		"events-20260105T080000Z-12.jsonl", // after -9, which a sort by name puts last
		"events-20260105T080001Z.jsonl", "events-20260105T080002Z.jsonl",
		"events-old.jsonl", "events.jsonl",
	}
	got := folder(t, dir)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

// TestCompressesWhatWasLeft: a run died while it compressed a rotated file.
func TestCompressesWhatWasLeft(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"events-20260105T080000Z.jsonl": "event 1\n", "events-20260105T080000Z.jsonl.gz.partial": "torn", "events-mine.jsonl": "event 0\n",
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	f := open(t, filepath.Join(dir, "events.jsonl"), FileOptions{Compress: true})
	must(t, f.Event([]byte("event 2")))
	must(t, f.Close())
	if got := folder(t, dir); !slices.Equal(got, []string{"events-20260105T080000Z.jsonl.gz", "events-mine.jsonl", "events.jsonl"}) {
		t.Fatalf("there are %q", got)
	}
	packed, err := os.Open(filepath.Join(dir, "events-20260105T080000Z.jsonl.gz"))
	must(t, err)
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	must(t, err)
	if text, err := io.ReadAll(z); err != nil || string(text) != "event 1\n" {
		t.Errorf("it is %q, %v", text, err)
	}
}

func TestCompresses(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	f := open(t, filepath.Join(dir, "events"), FileOptions{MaxSize: 1, Compress: true, now: c.now})
	for i := range 4 {
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
	}
	must(t, f.Close()) // waits
	want := []string{"events", "events-20260105T080000Z-2.gz", "events-20260105T080000Z-3.gz", "events-20260105T080000Z.gz"}
	if got := folder(t, dir); !slices.Equal(got, want) {
		t.Fatalf("files %q, want %q", got, want)
	}
	z, err := gzip.NewReader(strings.NewReader(read(t, filepath.Join(dir, want[1]))))
	must(t, err)
	text, err := io.ReadAll(z)
	must(t, err)
	if string(text) != "event 1\n" {
		t.Errorf("got %q", text)
	}
}

// unsafe is a disk that packed bytes do not get to.
type unsafe struct{ bytes.Buffer }

var errPower = errors.New("the power failed")

func (*unsafe) Sync() error { return errPower }

// TestPackedIsOnTheDisk: a file is deleted only for a packed one that is safe.
func TestPackedIsOnTheDisk(t *testing.T) {
	var disk unsafe
	if err := gzipOnto(&disk, strings.NewReader("event 1\n")); !errors.Is(err, errPower) || disk.Len() == 0 {
		t.Errorf("%d bytes, %v", disk.Len(), err)
	}
}

// TestKeepsTheNewestWhenTheClockIsSetBack: a sensor that starts with a wrong clock
// must not delete what it rotates when that is put right.
func TestKeepsTheNewestWhenTheClockIsSetBack(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	f := open(t, filepath.Join(dir, "events.jsonl"), FileOptions{MaxSize: 1, Keep: 2, now: c.now})
	for i := range 6 {
		must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
		c.advance(time.Second)
		if i == 2 {
			c.advance(-24 * time.Hour)
		}
	}
	must(t, f.Close())
	var got []string
	for _, name := range folder(t, dir) {
		got = append(got, strings.TrimSpace(read(t, filepath.Join(dir, name))))
	}
	slices.Sort(got)
	if want := []string{"event 3", "event 4", "event 5"}; !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}

// TestNumbersOfOthers: somebody has given files names that rotated ones have, with
// numbers after which there is none. No rotated file takes the name of another.
func TestNumbersOfOthers(t *testing.T) {
	for _, number := range []string{"9223372036854775807", "99999999999999999999"} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "events-99991231T235959Z-"+number+".jsonl"), []byte("not ours\n"), 0o600))
		f := open(t, filepath.Join(dir, "events.jsonl"), FileOptions{MaxSize: 1})
		for i := range 5 {
			must(t, f.Event(fmt.Appendf(nil, "event %d", i)))
			_ = f.Flush() // that it can't be rotated is said, and loses nothing
		}
		must(t, f.Close())
		var all strings.Builder
		for _, name := range folder(t, dir) {
			all.WriteString(read(t, filepath.Join(dir, name)))
		}
		for i := range 5 {
			if want := fmt.Sprintf("event %d\n", i); strings.Count(all.String(), want) != 1 {
				t.Errorf("number %s: event %d is lost; what is left is\n%s", number, i, all.String())
			}
		}
	}
}
