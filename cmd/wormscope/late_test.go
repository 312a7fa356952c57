package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A wait is how long the threads of a run had waited for a processor by a time, all
// together.
type wait struct {
	by     time.Time
	waited time.Duration
}

// waited returns how long the threads of a process were ready to run, and did not,
// all together (proc(5), /proc/pid/task/tid/schedstat): 0 where the kernel does not
// count it.
func waited(pid int) (all time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is well formed
	for _, path := range threads {
		if f := strings.Fields(string(slurp(path))); len(f) > 1 {
			ns, _ := strconv.ParseInt(f[1], 10, 64) // 0 where it makes no sense
			all += time.Duration(ns)
		}
	}
	return all
}

// noteWait notes, ten times a second, how long the run has waited.
func (s *sensor) noteWait(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.waits); n == 0 || now.Sub(s.waits[n-1].by) >= 100*time.Millisecond {
		s.waits = append(s.waits, wait{now, waited(s.Pid())})
	}
}

// waitedSince returns how long the run waited from a time on until an event was
// found.
func (s *sensor) waitedSince(begin time.Time, w *written) time.Duration {
	before := time.Duration(0)
	for i := range s.waits {
		if s.waits[i].by.After(begin) {
			break
		}
		before = s.waits[i].waited
	}
	return max(w.waited-before, 0) // of a thread that has ended nothing is counted
}

// late checks that each event so far was written within two seconds of the packet,
// or the time, that decided, and what the machine kept the run and this test
// waiting meanwhile.
func late(t *testing.T, s *sensor) {
	t.Helper()
	events := s.events()
	s.mu.Lock()
	defer s.mu.Unlock()
	var most time.Duration
	for i := range events {
		w := &events[i]
		var e struct {
			Timestamp time.Time `json:"@timestamp"`
			Message   string
		}
		if err := json.Unmarshal(w.line, &e); err != nil {
			t.Fatalf("%v: %s", err, w.line)
		}
		delay := w.at.Sub(e.Timestamp)
		most = max(most, delay)
		if waited := s.waitedSince(e.Timestamp, w); delay > 2*time.Second+s.busy+waited {
			t.Errorf("%v late, of which the run waited %v: %s", delay, waited, e.Message)
		}
	}
	t.Logf("%d events, the latest %v after its packet; the machine was %v late", len(events), most, s.busy)
}
