package main

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFaults notes that two things can't be written, the second a moment after the
// first, and then that one of them can be again.
func TestFaults(t *testing.T) {
	var out strings.Builder
	log := newLogger(&out)
	var f faults
	at := time.Unix(1_700_000_000, 0)
	wants := func(after time.Duration, lines ...string) {
		t.Helper()
		out.Reset()
		at = at.Add(after)
		f.say(log, at)
		if got := strings.Count(out.String(), "\n"); got != len(lines) {
			t.Errorf("%d lines, want %d: %s", got, len(lines), out.String())
		}
		for _, line := range lines {
			if !strings.Contains(out.String(), line) {
				t.Errorf("%q is not in %s", line, out.String())
			}
		}
	}
	full, gone := errors.New("no space left"), errors.New("no such folder")
	wants(0)
	f.note("events", full)
	wants(time.Second, `events can't be written; the run goes on	{"error": "no space left", "times": 1}`)
	f.note("events", full)
	f.note("state", gone)
	wants(time.Second, `state can't be written; the run goes on	{"error": "no such folder", "times": 1}`)
	f.note("events", full)
	wants(time.Second)
	wants(time.Minute, `events can't be written; the run goes on	{"error": "no space left", "times": 2}`, "state can be written again")
	wants(time.Minute, "events can be written again")
	wants(time.Hour)
}

// TestStateWaitsForEvents has a state folder that can't be written because the event
// file can't be: the error says so.
func TestStateWaitsForEvents(t *testing.T) {
	e, err := openEvents(&eventSetting{File: "/dev/full"}, nil, true)
	if err != nil {
		t.Skip(err) // no such device
	}
	e.write([]byte("{}"), nil)
	if err := e.flushFirst(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "it waits for the events") {
		t.Errorf("got %v", err)
	}
	if err := e.close(); err == nil {
		t.Error("closed, with an event that is nowhere")
	}
}
