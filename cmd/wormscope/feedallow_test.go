package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestAllowedIsNotMissing: a feed most of whose entries the user allows is renewed
// like any other.
func TestAllowedIsNotMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(feedOf("old", 9) + "203.0.113.1\n203.0.113.2\n")
	s := settings{Feeds: []feedSetting{{Path: path}}}
	k := keeperOf(t, &s)
	for i := range 9 {
		s.Allow.Indicators = append(s.Allow.Indicators, fmt.Sprintf("old%d.example", i))
	}
	write(feedOf("old", 9) + "203.0.113.1\nnew.example\n")
	r, err := k.reread(t.Context(), &s, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if r.refused != 0 || !has(r.set, "new.example") || has(r.set, "old0.example") {
		t.Errorf("%d refused; new in use: %v, allowed in use: %v", r.refused, has(r.set, "new.example"), has(r.set, "old0.example"))
	}
}

// TestAllAllowed: a feed that the user allows all of is in order, at the start and when
// it is renewed, and what comes to it later is used. One with nothing usable besides
// stays of no use.
func TestAllAllowed(t *testing.T) {
	dir := t.TempDir()
	paths := make([]string, 3)
	write := func(i int, text string) {
		t.Helper()
		paths[i] = filepath.Join(dir, strconv.Itoa(i), "feed.txt")
		if err := os.MkdirAll(filepath.Dir(paths[i]), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(paths[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(0, "one.example\ntwo.example\n10.0.0.1\n")
	write(1, "one.example\n")
	write(2, "three.example\n203.0.113.1\n")
	s := settings{Feeds: []feedSetting{{Path: paths[0]}, {Path: filepath.Dir(paths[1])}, {Path: paths[2]}}}
	s.Allow.Indicators = []string{"one.example", "two.example"}
	var said strings.Builder
	k, err := newFeedKeeper(t.Context(), &s, streams{err: &said})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{paths[0]: "2 of 3 entries", paths[1]: "1 of 1 entry"} {
		if line := path + ": nothing of it is in use: allow.indicators has " + want; strings.Count(said.String(), line) != 1 {
			t.Errorf("it said %q, want %s", said.String(), line)
		}
	}
	s.Allow.Indicators = append(s.Allow.Indicators, "three.example", "203.0.113.0/24")
	write(1, "one.example\nnew.example\n")
	log, lines := observer.New(zap.InfoLevel)
	r, err := k.reread(t.Context(), &s, zap.New(log))
	if err != nil {
		t.Fatal(err)
	}
	if n := lines.FilterMessage("nothing of the feed is in use any more: all of it is allowed").Len(); n != 1 {
		t.Errorf("told %d times: %v", n, lines.All())
	}
	for i, want := range []int{0, 1, 0} {
		if f := r.files[paths[i]]; f.Entries != want || !f.inUse() || f.Refused > 0 || f.Reason != "" {
			t.Errorf("%+v", f)
		}
	}
	if r.refused != 0 || !has(r.set, "new.example") || has(r.set, "three.example") {
		t.Errorf("%d refused, in use: %+v", r.refused, r.set.Counts())
	}
	write(0, "10.0.0.1\n")
	if r, err = k.reread(t.Context(), &s, zap.NewNop()); err != nil || r.files[paths[0]].inUse() {
		t.Errorf("%v: %+v", err, r.files[paths[0]])
	}
}
