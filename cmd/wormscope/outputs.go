package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"wormscope/capture"
)

// checkOutputs refuses outputs that go to the same place, and those that would
// overwrite a file that no run can make again.
func (s *settings) checkOutputs() error {
	outputs := []struct{ flag, file string }{{"--alerts", s.Alerts.File}, {"--scope", s.Scope}, {"--report", s.Report}}
	for i, o := range outputs {
		for _, other := range outputs[:i] {
			switch {
			case !sameFile(o.file, other.file):
			case o.file == "-":
				return usagef("%s and %s can't both go to standard output", other.flag, o.flag)
			default:
				return usagef("%s and %s can't both go to %s", other.flag, o.flag, o.file)
			}
		}
		if what := s.precious(o.file); what != "" {
			return fmt.Errorf("%s %s: that is %s: name another file", o.flag, o.file, what)
		}
	}
	return nil
}

// eventsOnly reports whether nothing but the event file takes what a run finds.
func (s *settings) eventsOnly() bool {
	return s.Scope == "" && s.Report == "" && s.State == "" && len(s.Sinks) == 0
}

// sameFile reports whether two paths lead to one regular file, or would if they
// existed.
func sameFile(one, other string) bool {
	if one == "" || other == "" {
		return false
	}
	a, err := os.Stat(one)
	b, fails := os.Stat(other)
	if err != nil || fails != nil {
		return filepath.Clean(one) == filepath.Clean(other)
	}
	return a.Mode().IsRegular() && os.SameFile(a, b) // a device can take several outputs
}

// precious says what a file is if it must not be overwritten: evidence, or an input
// of the run. It returns "" for any other file, and for one that can't be read.
func (s *settings) precious(path string) string {
	if path == "" || path == "-" || isSpecial(path) {
		return ""
	}
	if sameFile(path, s.configFile) {
		return "the configuration"
	}
	for _, f := range s.Feeds {
		if sameFile(path, f.Path) {
			return "a feed"
		}
	}
	switch head := beginning(path); {
	case capture.Recognized(head):
		return "a capture, or packed as captures are"
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		return "a database"
	}
	return ""
}

// beginning returns what a file begins with, nothing where it can't be read.
func beginning(path string) []byte {
	f, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // only read
	head := make([]byte, 64)
	n, _ := io.ReadFull(f, head) // a short file has a short head
	return head[:n]
}
