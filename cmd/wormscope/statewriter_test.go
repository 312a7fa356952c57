package main

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/scope/store"
)

// counter counts what a store knows.
type counter struct{ alerts, facts int }

func (c *counter) Alert(alert.Alert) { c.alerts++ }
func (c *counter) Fact(alert.Fact)   { c.facts++ }

// TestStateWriterWritesAll hands over words in many batches, of which some
// come while the last one is being written.
func TestStateWriterWritesAll(t *testing.T) {
	db, err := store.Open(t.TempDir(), time.Now(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db.Begin(func(int) string { return "eth0" }, nil)
	k := &state{store: db}
	k.startWriter(onDisk)
	const n = 5000
	for i := range n {
		at := time.Unix(int64(i), 0).UTC()
		host := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		k.alert(alert.Alert{ID: strconv.Itoa(i), Rule: alert.RuleScan, Host: host, Time: at, First: at, Last: at}, 0)
		k.fact(alert.Fact{Kind: alert.FactResolver, Host: host, Time: at}, 0)
		if i%100 == 0 {
			k.flushed = time.Time{} // as if a second had passed
			if err := k.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	k.stopWriter()
	var found counter
	if err := db.Load(&found); err != nil {
		t.Fatal(err)
	}
	if found.alerts != n || found.facts != n {
		t.Errorf("%+v of %d each", found, n)
	}
	if err := k.close(); err != nil {
		t.Error(err)
	}
}

// TestStateWriterHangs: a disk takes nothing and reports no error. The capture loop goes
// on, what is beyond the bound is counted as missing, and it is said that the disk hangs.
func TestStateWriterHangs(t *testing.T) {
	db, err := store.Open(t.TempDir(), time.Now(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	hung, release := make(chan struct{}), make(chan struct{})
	db.Begin(func(int) string { return "eth0" }, func() error {
		select {
		case <-hung:
		default:
			close(hung)
		}
		<-release
		return nil
	})
	k := &state{store: db}
	k.startWriter(onDisk)
	k.writer.patience = time.Millisecond
	n := 0
	tell := func(times int) {
		for range times {
			k.fact(alert.Fact{Kind: alert.FactResolver, Host: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), Time: time.Unix(1, 0)}, 0)
			n++
		}
	}
	tell(1)
	for k.writer.waiting.len() > 0 {
		_ = k.writer.flush()
	}
	<-hung
	tell(maxWaiting)
	flushed := make(chan error)
	go func() { flushed <- k.writer.flush() }()
	select {
	case err := <-flushed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		close(release)
		t.Fatal("the capture loop waits for a disk that hangs")
	}
	const beyond = 5
	tell(beyond)
	k.writer.mu.Lock()
	k.writer.moved = time.Now().Add(-time.Hour)
	k.writer.mu.Unlock()
	if err := k.writer.flush(); err == nil || !strings.Contains(err.Error(), "has taken nothing for 1h0m0s; 65536 findings wait") {
		t.Errorf("of a disk that hangs it is said: %v", err)
	}
	close(release)
	k.stopWriter()
	if got := k.warnings(); len(got) != 1 || !strings.HasPrefix(got[0], "5 findings are not in the state folder") {
		t.Errorf("of what is missing it is said: %q", got)
	}
	var found counter
	if err := db.Load(&found); err != nil || found.facts != n-beyond {
		t.Errorf("%d facts of %d are there: %v", found.facts, n-beyond, err)
	}
	if err := k.close(); err != nil {
		t.Error(err)
	}
}

// TestStateWriterIsLeft: a disk that hangs when the run ends does not hold its end up for
// ever, and it is said what is not in the folder. One that comes back in time has it all.
func TestStateWriterIsLeft(t *testing.T) {
	for _, last := range []time.Duration{time.Millisecond, time.Hour} {
		db, err := store.Open(t.TempDir(), time.Now(), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		db.Begin(func(int) string { return "eth0" }, func() error { <-release; return nil })
		k := &state{store: db}
		k.startWriter(onDisk)
		w := k.writer
		w.last = last
		tell := func(n byte) {
			k.fact(alert.Fact{Kind: alert.FactResolver, Host: netip.AddrFrom4([4]byte{10, 0, 0, n}), Time: time.Unix(1, 0)}, 0)
		}
		tell(1)
		for w.waiting.len() > 0 {
			_ = w.flush()
		}
		tell(2)
		tell(3)
		if last == time.Hour {
			close(release)
		}
		k.stopWriter()
		wrong := k.finish(&sight{}, nil)
		if last == time.Hour {
			if err := k.close(); wrong != nil || err != nil || k.warnings() != nil {
				t.Errorf("of a disk that came back it is said: %v, %v, %q", wrong, err, k.warnings())
			}
			continue
		}
		if err := k.close(); err == nil || wrong == nil || err.Error() != wrong.Error() || !strings.HasSuffix(err.Error(), "3 findings are not in the folder") {
			t.Errorf("of a disk that hangs it is said: %v, %v", err, wrong)
		}
		if got := k.warnings(); len(got) != 1 || !strings.HasPrefix(got[0], "3 findings are not in the state folder") {
			t.Errorf("of what is missing it is said: %q", got)
		}
		close(release)
		w.waiting = words{}
		close(w.hand) // what the end of the program does
		<-w.done
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// onDisk excuses no writer: it waits for a disk.
func onDisk() bool { return false }
