package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// retimed returns a capture, pcap in the byte order of most machines, in which the
// times of frames are changed: by so many seconds.
func retimed(t *testing.T, path string, by func(frame int) int64) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const header, each = 24, 16
	for n, at := 1, header; at+each <= len(b); n++ {
		seconds := b[at : at+4]
		binary.LittleEndian.PutUint32(seconds, uint32(int64(binary.LittleEndian.Uint32(seconds))+by(n)))
		at += each + int(binary.LittleEndian.Uint32(b[at+8:at+12]))
	}
	changed := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(changed, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return changed
}

// findings counts the alerts that a run raised by their rules, and its hosts by state.
func findings(t *testing.T, r *result) map[string]int {
	t.Helper()
	n := map[string]int{}
	for line := range bytes.Lines(r.alerts) {
		var e eventDoc
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.Wormscope.Alert.Phase == "start" {
			n[e.Event.Action]++
		}
	}
	var d document
	if err := json.Unmarshal(r.scope, &d); err != nil || len(d.Hosts) == 0 {
		t.Fatal(err, r.stderr)
	}
	for _, h := range d.Hosts {
		n[h.State]++
	}
	return n
}

// TestOneWrongTime: a single packet whose clock was wrong changes nothing of what is
// found, and is told.
func TestOneWrongTime(t *testing.T) {
	const path, feed = "../../testdata/pcaps/outbreak.pcap", "../../testdata/pcaps/outbreak.feed"
	const hour, year = 3600, 365 * 24 * 3600
	right := runReplay(t, []string{path}, "--feed", feed)
	want := findings(t, &right)
	for _, by := range []int64{hour, 80 * year, -hour} {
		for _, frame := range []int{3, 2000, 10_000} {
			t.Run(fmt.Sprintf("%v at %d", time.Duration(by)*time.Second, frame), func(t *testing.T) {
				wrong := runReplay(t, []string{retimed(t, path, func(n int) int64 {
					if n == frame {
						return by
					}
					return 0
				})}, "--feed", feed)
				if got := findings(t, &wrong); !maps.Equal(got, want) {
					t.Errorf("found %v, want %v", got, want)
				}
				if !strings.Contains(wrong.stderr, "a clock was wrong for a moment") {
					t.Errorf("nothing is said of it: %s", wrong.stderr)
				}
			})
		}
	}
}

// TestTwoClocks: what two sensors with different clocks sent into one capture is
// found as if their clocks were alike, and is told.
func TestTwoClocks(t *testing.T) {
	const path, feed = "../../testdata/pcaps/outbreak.pcap", "../../testdata/pcaps/outbreak.feed"
	right := runReplay(t, []string{path}, "--feed", feed)
	want := findings(t, &right)
	for _, row := range []int{1, 2, 7} { // frames of one sensor between two of the other
		for _, by := range []int64{-300, 300} {
			t.Run(fmt.Sprintf("rows of %d, %v", row, time.Duration(by)*time.Second), func(t *testing.T) {
				wrong := runReplay(t, []string{retimed(t, path, func(n int) int64 { return by * int64(n/row%2) })}, "--feed", feed)
				got := findings(t, &wrong)
				for what, n := range want {
					if got[what] < n-1 || got[what] > n+1 { // what begins while it is not known that there are two may be told twice
						t.Errorf("found %v, want %v", got, want)
					}
				}
				if !strings.Contains(wrong.stderr, "two clocks are in one capture") {
					t.Errorf("nothing is said of it: %s", wrong.stderr)
				}
			})
		}
	}
}
