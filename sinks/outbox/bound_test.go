package outbox

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/testnet"
	"wormscope/sinks"
	"wormscope/sinks/event"
)

// heard collects warnings.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) warn(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
}

// said returns the warnings so far.
func (h *heard) said() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines)
}

// has reports whether a warning holds a text.
func (h *heard) has(text string) bool {
	return strings.Contains(strings.Join(h.said(), "\n"), text)
}

// await waits until a warning holds a text: some are given beside what goes on.
func (h *heard) await(t *testing.T, text string) {
	t.Helper()
	testnet.Until(t, "a warning of "+text, func() bool { return h.has(text) })
}

func away(context.Context, []event.Event) ([]sinks.Refusal, error) {
	return nil, errors.New("nobody is there")
}

// TestTheBoundHolds: at the bound the oldest of the lowest severity go, for the
// sink that is away; one that is there misses none. What is kept, arrives.
func TestTheBoundHolds(t *testing.T) {
	for name, dir := range map[string]string{"folder": t.TempDir(), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			var told heard
			there, gone := &recorder{}, &recorder{instead: away}
			const bound = 4 << 20 // room for what is critical, and for what is on its way to a sink
			o := Options{Dir: dir, MaxBytes: bound, segmentSize: 128 << 10, Warn: told.warn}
			box := begin(t, o, Receiver{Name: "there", Sink: there}, Receiver{Name: "gone", Sink: gone})
			const n = 20_000
			for i := 1; i <= n; i++ {
				severity := alert.Low
				if i%10 == 0 {
					severity = alert.Critical
				}
				box.Append([]event.Event{severe(i, severity)})
				if i%500 == 0 {
					must(t, box.Sync())
					testnet.Until(t, "it keeps up", func() bool { return len(there.numbers()) > i-tailSize/2 })
				}
			}
			for len(there.numbers()) < n { // the test's own time limit ends it
				time.Sleep(time.Millisecond)
			}
			check(t, "there", there.numbers(), n)
			s := box.Stats()
			unread := 2 * tailSize * s.Bytes / int64(s.Sinks[1].Waiting) // at most, by the sink that keeps up
			if s.Bytes > bound+unread || s.Lost == 0 || s.Sinks[0].Lost != 0 || s.Sinks[1].Lost != s.Lost {
				t.Errorf("stats: %+v, %d unread", s, unread)
			}
			if s.Sinks[1].Waiting+int(s.Lost) != n {
				t.Errorf("%d wait and %d are lost of %d", s.Sinks[1].Waiting, s.Lost, n)
			}
			gone.set(nil)
			drain(t, box)
			checkKept(t, gone.numbers(), n, int(box.Stats().Lost))
			told.await(t, "given up")
			told.await(t, "works again")
		})
	}
}

// TestWhatMattersWaitsForTheRest: what matters is not lost while a sink is about
// to have what does not.
func TestWhatMattersWaitsForTheRest(t *testing.T) {
	there, gone := &recorder{}, &recorder{instead: away}
	const bound = 8 << 20
	box := begin(t, Options{MaxBytes: bound, segmentSize: 128 << 10}, Receiver{Name: "there", Sink: there}, Receiver{Name: "gone", Sink: gone})
	n := 0
	add := func(events int, s alert.Severity) {
		for range events / 500 {
			for range 500 {
				n++
				box.Append([]event.Event{severe(n, s)})
			}
			must(t, box.Sync())
		}
	}
	const critical = 12_000 // more than is on its way to the sink that is away
	add(critical, alert.Critical)
	testnet.Until(t, "all of it arrives", func() bool { return len(there.numbers()) == critical })
	busy := make(chan struct{})
	there.set(func(_ context.Context, batch []event.Event) ([]sinks.Refusal, error) {
		<-busy
		return nil, there.take(batch)
	})
	add(3000, alert.Low)
	if s := box.Stats(); s.Lost > 0 || s.Bytes <= bound {
		t.Errorf("stats: %+v", s)
	}
	close(busy)
	testnet.Until(t, "the rest arrives", func() bool { return len(there.numbers()) == n })
	add(5000, alert.Low)
	gone.set(nil)
	drain(t, box)
	s, kept := box.Stats(), gone.numbers()
	slices.Sort(kept)
	if kept[critical-1] != critical || s.Lost == 0 || len(kept)+int(s.Lost) != n {
		t.Errorf("the %dth is %d, %d of %d arrived, stats: %+v", critical, kept[critical-1], len(kept), n, s)
	}
}

// TestStuckLedger: a ledger that takes nothing, as one that is damaged, does not
// fill the disk; what it gets on with is kept for it.
func TestStuckLedger(t *testing.T) {
	var told heard
	there := &recorder{}
	const bound, lag = 1 << 20, 256 << 10
	box := begin(t, Options{MaxBytes: bound, maxLag: lag, segmentSize: 64 << 10, Warn: told.warn}, Receiver{Name: "there", Sink: there})
	box.Taken(0)
	add := func(from, to int) (most int64) {
		for i := from; i <= to; i++ {
			box.Append([]event.Event{numbered(i)})
			if i%100 == 0 {
				drain(t, box)
				must(t, box.Sync())
				most = max(most, box.Stats().Bytes)
			}
		}
		return most
	}
	n := 0
	for box.Stats().Bytes <= bound {
		add(n+1, n+100)
		n += 100
	}
	left := func() bool { return told.has("the state takes nothing") }
	if kept := box.eventsAfter(0); kept != n || left() {
		t.Errorf("%d of %d are kept for a ledger, %q", kept, n, told.said())
	}
	const more = 20_000
	if most := add(n+1, n+more); most > 5<<20 || !left() { // it is looked at each 4096 events
		t.Errorf("%d bytes, %q", most, told.said())
	}
	check(t, "there", there.numbers(), n+more)
	if s := box.Stats(); s.Lost > 0 {
		t.Errorf("stats: %+v", s)
	}
}

// checkKept checks that what is missing is the oldest of low severity: but for
// what was on its way to the sink.
func checkKept(t *testing.T, got []int, n, lost int) {
	t.Helper()
	kept := make([]bool, n+1)
	for _, g := range got {
		kept[g] = true
	}
	missing, youngest := 0, 0
	for i := 1; i <= n; i++ {
		if !kept[i] {
			missing, youngest = missing+1, i
			if i%10 == 0 {
				t.Fatalf("%d is lost, which is critical", i)
			}
		}
	}
	if missing != lost {
		t.Errorf("%d are missing, %d were counted", missing, lost)
	}
	low, onTheWay := youngest-youngest/10, 2*batchEvents
	if missing < low-onTheWay {
		t.Errorf("%d of the %d of low severity up to %d are missing", missing, low, youngest)
	}
}

// TestWaitsForRoom: where it is told to, Append waits at the bound, and loses
// nothing; until it is told to stop, or no sink gets on for too long.
func TestWaitsForRoom(t *testing.T) {
	o := Options{MaxBytes: 1 << 20, segmentSize: 64 << 10, Wait: -1}
	slow := &recorder{}
	slow.instead = func(_ context.Context, batch []event.Event) ([]sinks.Refusal, error) {
		time.Sleep(5 * time.Millisecond)
		return nil, slow.take(batch)
	}
	box := begin(t, o, Receiver{Name: "slow", Sink: slow})
	const n = 20_000
	for i := 1; i <= n; i++ {
		box.Append([]event.Event{numbered(i)})
	}
	drain(t, box)
	check(t, "slow", slow.numbers(), n)
	if s := box.Stats(); s.Lost != 0 {
		t.Errorf("stats: %+v", s)
	}

	// One chunk alone can be larger than the bound: when the sink has all of it,
	// there is nothing to wait for.
	large := o
	large.MaxBytes = 1 << 10
	quick := &recorder{}
	box = begin(t, large, Receiver{Name: "quick", Sink: quick})
	for i := 1; i <= n; i++ {
		box.Append([]event.Event{numbered(i)})
	}
	drain(t, box)
	check(t, "quick", quick.numbers(), n)

	stop := make(chan struct{})
	o.Stop = stop
	gone := &recorder{instead: away}
	box = begin(t, o, Receiver{Name: "gone", Sink: gone})
	time.AfterFunc(50*time.Millisecond, func() { close(stop) })
	for i := 1; i <= n; i++ {
		box.Append([]event.Event{numbered(i)})
	}
	must(t, box.Sync())
	if s := box.Stats(); s.Lost != 0 || s.Sinks[0].Waiting != n { // a little too much, rather than too little
		t.Errorf("stats: %+v", s)
	}

	o.Stop, o.Wait = nil, 50*time.Millisecond
	box = begin(t, o, Receiver{Name: "gone", Sink: gone})
	for i := 1; i <= n; i++ {
		box.Append([]event.Event{numbered(i)})
	}
	must(t, box.Sync())
	if s := box.Stats(); s.Lost == 0 || s.Bytes > 5<<20 {
		t.Errorf("stats: %+v", s)
	}
}

// TestLeavesWhoTakesNothing: a sink that takes nothing for too long is waited for
// no more, and loses alone; one that is slow is waited for all the same.
func TestLeavesWhoTakesNothing(t *testing.T) {
	var told heard
	o := Options{MaxBytes: 1 << 20, segmentSize: 64 << 10, Wait: 5 * time.Second, tellEvery: 50 * time.Millisecond, Warn: told.warn}
	slow, gone := &recorder{}, &recorder{instead: away}
	slow.instead = func(_ context.Context, batch []event.Event) ([]sinks.Refusal, error) {
		time.Sleep(5 * time.Millisecond)
		return nil, slow.take(batch)
	}
	box := begin(t, o, Receiver{Name: "gone", Sink: gone}, Receiver{Name: "slow", Sink: slow})
	const n = 20_000
	for i := 1; i <= n; i++ {
		box.Append([]event.Event{numbered(i)})
	}
	for len(slow.numbers()) < n { // the test's own time limit ends it
		time.Sleep(time.Millisecond)
	}
	check(t, "slow", slow.numbers(), n)
	s := box.Stats()
	if s.Lost == 0 || s.Sinks[0].Lost != s.Lost || s.Sinks[1].Lost != 0 || s.Bytes > 8<<20 {
		t.Errorf("stats: %+v", s)
	}
	told.await(t, "reading has waited")
	told.await(t, "sink gone has taken nothing")
	gone.set(nil)
	drain(t, box)
	if got := len(gone.numbers()); got+int(box.Stats().Lost) != n {
		t.Errorf("%d arrived and %d are lost of %d", got, box.Stats().Lost, n)
	}
}

// TestFullDisk: while the disk is full, events wait in memory and the sinks
// have what was durable; when there is room again, everything arrives. It runs
// itself in a mount namespace of its own, on a disk of 2 MiB.
func TestFullDisk(t *testing.T) {
	testnet.Need(t)
	if os.Getenv("WORMSCOPE_TEST_FULL") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), "WORMSCOPE_TEST_FULL=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	must(t, syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""))
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"))
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	filler := filepath.Join(dir, "filler")
	must(t, os.WriteFile(filler, make([]byte, 1<<20), 0o600))
	var told heard
	a := &recorder{}
	box := begin(t, Options{Dir: filepath.Join(dir, "outbox"), segmentSize: 64 << 10, maxQueue: 1500, Warn: told.warn}, Receiver{Name: "a", Sink: a})
	defer box.Close()
	box.Taken(0) // the ledger takes nothing: no room is made
	n := 0
	for box.Stats().Error == "" {
		n++
		box.Append([]event.Event{numbered(n)})
		if n%100 == 0 {
			_ = box.Sync()
		}
	}
	if err := box.Sync(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("sync on a full disk: %v", err)
	}
	for range 1000 {
		n++
		box.Append([]event.Event{numbered(n)})
	}
	told.await(t, "no space left")
	if s := box.Stats(); s.Lost != 0 || s.Queued < 1000 {
		t.Fatalf("stats: %+v, warnings %q", s, told.said())
	}
	must(t, os.Remove(filler))
	for box.Stats().Error != "" {
		time.Sleep(time.Millisecond)
	}
	must(t, box.Sync())
	drain(t, box)
	check(t, "a", a.numbers(), n)

	box.Taken(everything)
	// Beyond what may wait, the lowest severity goes.
	a.set(away)
	must(t, os.WriteFile(filler, nil, 0o600))
	fill(t, filler)
	for box.Stats().Error == "" {
		n++
		box.Append([]event.Event{numbered(n)})
		_ = box.Sync()
	}
	for range 10_000 {
		box.Append([]event.Event{severe(n, alert.Low)})
	}
	if s := box.Stats(); s.Lost == 0 || s.Queued > 1500 {
		t.Errorf("stats: %+v", s)
	}
	told.await(t, "given up")
	must(t, os.Remove(filler))
	a.set(nil)
	drain(t, box)
	check(t, "a", a.numbers(), n)
}

// fill fills the disk.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
