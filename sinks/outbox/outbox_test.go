package outbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/testnet"
	"wormscope/sinks"
	"wormscope/sinks/event"
)

func TestEverythingArrivesInOrder(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		a, b := &recorder{}, &recorder{}
		calls := 0
		b.instead = func(_ context.Context, batch []event.Event) ([]sinks.Refusal, error) { // arrives in part, and again
			if calls++; calls%3 != 0 {
				_ = b.take(batch[:len(batch)/2])
				return nil, errors.New("half of it")
			}
			return nil, b.take(batch)
		}
		box := begin(t, Options{Dir: dir}, Receiver{Name: "a", Sink: a}, Receiver{Name: "b", Sink: b})
		const n = 20_000
		for i := 1; i <= n; i += 2 {
			box.Append([]event.Event{numbered(i), numbered(i + 1)})
		}
		must(t, box.Sync())
		drain(t, box)
		check(t, "a", a.numbers(), n)
		check(t, "b", b.numbers(), n)
		if len(a.numbers()) != n {
			t.Errorf("%d events for a sink that never failed", len(a.numbers()))
		}
		s := box.Stats()
		if s.Appended != n || s.Lost != 0 || s.Sinks[0].Delivered != n || s.Sinks[1].Delivered != n || s.Sinks[1].Retries == 0 ||
			s.Sinks[1].Repeated == 0 || s.Waiting() != 0 || s.Sinks[1].Error != "" {
			t.Errorf("stats: %+v", s)
		}
		must(t, box.Close())
		if !a.closed || !b.closed {
			t.Error("a sink was not closed")
		}
	}
}

// TestGoesOn: what was not delivered is delivered by the next run, and what was
// is not, for each sink.
func TestGoesOn(t *testing.T) {
	dir := t.TempDir()
	a, b := &recorder{}, &recorder{}
	away := func(context.Context, []event.Event) ([]sinks.Refusal, error) { return nil, errors.New("away") }
	n := 0
	for run := range 5 {
		b.set(away)
		if run == 4 {
			b.set(nil)
		}
		box := begin(t, Options{Dir: dir, segmentSize: 200_000}, Receiver{Name: "a", Sink: a}, Receiver{Name: "b", Sink: b})
		for range 3000 {
			n++
			box.Append([]event.Event{numbered(n)})
		}
		must(t, box.Sync())
		for len(a.numbers()) < n { // the test's own time limit ends it
			time.Sleep(time.Millisecond)
		}
		if run == 4 {
			drain(t, box)
		} else if w := box.Stats().Sinks[1].Waiting; w != n {
			t.Errorf("run %d: %d of %d wait", run, w, n)
		}
		must(t, box.Close())
	}
	check(t, "a", a.numbers(), n)
	check(t, "b", b.numbers(), n)
	if len(a.numbers()) > n+batchEvents {
		t.Errorf("%d events for a sink that was always there", len(a.numbers()))
	}
	if len(b.numbers()) != n {
		t.Errorf("%d events for a sink that took them once", len(b.numbers()))
	}
}

// TestHangingSink: a sink that never answers, not even when it is told to end,
// holds up no other, nor the end.
func TestHangingSink(t *testing.T) {
	hung := make(chan struct{})
	defer close(hung)
	a := &recorder{}
	b := &recorder{instead: func(context.Context, []event.Event) ([]sinks.Refusal, error) {
		<-hung
		return nil, errors.New("too late")
	}}
	c := &recorder{instead: func(context.Context, []event.Event) ([]sinks.Refusal, error) { panic("oh") }}
	box := begin(t, Options{Dir: t.TempDir(), closeTimeout: 50 * time.Millisecond},
		Receiver{Name: "b", Sink: b}, Receiver{Name: "c", Sink: c}, Receiver{Name: "a", Sink: a})
	const n = 30_000
	for i := 1; i <= n; i++ {
		box.Append([]event.Event{numbered(i)})
	}
	for len(a.numbers()) < n {
		time.Sleep(time.Millisecond)
	}
	check(t, "a", a.numbers(), n)
	testnet.Until(t, "the panic is told", func() bool { return strings.Contains(box.Stats().Sinks[1].Error, "oh") })
	s := box.Stats()
	if s.Sinks[0].Waiting != n || s.Sinks[1].Waiting != n || s.Sinks[0].Oldest.IsZero() {
		t.Errorf("stats: %+v", s)
	}
	must(t, box.Close())
}

// TestWants: events go to the sinks that want them, and what nobody wants is
// kept for the ledger alone.
func TestWants(t *testing.T) {
	dir := t.TempDir()
	odd, most := &recorder{}, &recorder{}
	box := begin(t, Options{Dir: dir},
		Receiver{Name: "odd", Sink: odd, Wants: func(e *event.Event) bool { return e.Alert != nil && number(e)%2 == 1 }},
		Receiver{Name: "high", Sink: most, Wants: func(e *event.Event) bool { return e.Severity() >= alert.High }})
	fact := event.OfFact(&alert.Fact{Kind: alert.FactTargeted, Host: netip.MustParseAddr("10.0.0.1"), Time: time.Unix(1, 0).UTC()}, nil)
	for i := 1; i <= 100; i++ {
		s := alert.Low
		if i > 50 {
			s = alert.High
		}
		box.Append([]event.Event{severe(i, s), fact})
	}
	drain(t, box)
	if got := odd.numbers(); len(got) != 50 || got[49] != 99 {
		t.Errorf("odd: %v", got)
	}
	if got := most.numbers(); len(got) != 50 || got[0] != 51 {
		t.Errorf("high: %v", got)
	}
	must(t, box.Close())
	again, err := Open(Options{Dir: dir})
	must(t, err)
	alerts, facts, last := 0, 0, uint64(0)
	must(t, again.Recover(20, func(position uint64, e *event.Event) error {
		if position != max(last, 20)+1 {
			t.Fatalf("position %d after %d", position, last)
		}
		last = position
		if e.Fact != nil {
			facts++
		} else {
			alerts++
		}
		return nil
	}))
	if alerts != 90 || facts != 90 {
		t.Errorf("%d alerts and %d facts", alerts, facts)
	}
}

// TestWantsLess: what waited for a sink that no longer wants it does not wait for ever.
func TestWantsLess(t *testing.T) {
	dir := t.TempDir()
	down := &recorder{instead: func(context.Context, []event.Event) ([]sinks.Refusal, error) { return nil, errors.New("down") }}
	box := begin(t, Options{Dir: dir, closeTimeout: time.Millisecond}, Receiver{Name: "a", Sink: down})
	for i := 1; i <= 20; i++ {
		box.Append([]event.Event{numbered(i)})
	}
	must(t, box.Close())
	up := &recorder{}
	box = begin(t, Options{Dir: dir}, Receiver{Name: "a", Sink: up, Wants: func(e *event.Event) bool { return number(e)%2 == 0 }})
	if n := box.Stats().Sinks[0].Waiting; n == 0 {
		t.Error("nothing waits after the restart")
	}
	drain(t, box)
	if n := box.Stats().Sinks[0].Waiting; n != 0 || len(up.numbers()) != 10 {
		t.Errorf("%d wait, and %v have arrived", n, up.numbers())
	}
	must(t, box.Close())
}

// TestLedgerHolds: what the ledger has not taken is kept though every sink has
// it.
func TestLedgerHolds(t *testing.T) {
	dir := t.TempDir()
	a := &recorder{}
	b, err := Open(Options{Dir: dir, segmentSize: 50_000})
	must(t, err)
	b.Taken(0)
	must(t, b.Start([]Receiver{{Name: "a", Sink: a}}))
	defer b.Close()
	const n = 5000
	var half uint64
	for i := 1; i <= n; i++ {
		p := b.Append([]event.Event{numbered(i)})
		if i == n/2 {
			half = p
		}
		if i%50 == 0 {
			must(t, b.Sync())
		}
	}
	drain(t, b)
	before := b.Stats().Segments
	if before < 10 {
		t.Errorf("%d segments", before)
	}
	b.Taken(half)
	if after := b.Stats().Segments; after > before*6/10 || after < before*4/10 {
		t.Errorf("%d of %d segments", after, before)
	}
	b.Taken(uint64(n))
	if after := b.Stats().Segments; after != 1 {
		t.Errorf("%d segments are left", after)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(names) != 1 {
		t.Errorf("files: %v, %v", names, err)
	}
}

// TestPositionsNeverComeBack: a log that is gone does not begin at positions
// that the ledger, or a cursor, has seen.
func TestPositionsNeverComeBack(t *testing.T) {
	dir := t.TempDir()
	a := &recorder{}
	box := begin(t, Options{Dir: dir}, Receiver{Name: "a", Sink: a})
	var p uint64
	for i := 1; i <= 10; i++ {
		p = box.Append([]event.Event{numbered(i)})
	}
	drain(t, box)
	must(t, box.Close())
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, l := range logs {
		must(t, os.Remove(l))
	}
	box = begin(t, Options{Dir: dir}, Receiver{Name: "a", Sink: a})
	if q := box.Append([]event.Event{numbered(11)}); q <= p {
		t.Errorf("position %d after %d", q, p)
	}
	drain(t, box)
	must(t, box.Close())
	box = begin(t, Options{Dir: t.TempDir(), After: 77}, Receiver{Name: "a", Sink: a})
	if q := box.Append([]event.Event{numbered(12)}); q != 78 {
		t.Errorf("position %d after 77", q)
	}
	drain(t, box)
	check(t, "a", a.numbers(), 12)
}

// TestCursorLost: a cursor that is lost or damaged costs repeats.
func TestCursorLost(t *testing.T) {
	dir := t.TempDir()
	for i, spoil := range []func(path string) error{
		nil, os.Remove,
		func(path string) error { return os.WriteFile(path, nil, 0o600) },
		func(path string) error { return os.WriteFile(path, []byte("wormscope-cursor 1 9 00000000\n"), 0o600) },
		func(path string) error {
			return os.WriteFile(path, []byte("wormscope-cursor 1 99999999999999999999999\n"), 0o600)
		},
	} {
		a := &recorder{}
		path := filepath.Join(dir, "cursor-a")
		if spoil != nil {
			if text, err := os.ReadFile(path); err != nil || string(text) != cursorLine(uint64(i)) {
				t.Errorf("cursor %q, %v", text, err)
			}
			must(t, spoil(path))
		}
		var warnings []string
		box := begin(t, Options{Dir: dir, Warn: func(s string) { warnings = append(warnings, s) }}, Receiver{Name: "a", Sink: a})
		box.Append([]event.Event{numbered(i + 1)})
		drain(t, box)
		must(t, box.Close())
		check(t, "a", a.numbers(), i+1)
		if i >= 2 && (len(warnings) != 1 || !strings.Contains(warnings[0], "delivered again")) {
			t.Errorf("%d: warnings %q", i, warnings)
		}
	}
}

// TestRefused: what a receiver will never take goes to a file, and the rest on.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	a := &recorder{}
	a.instead = func(_ context.Context, batch []event.Event) ([]sinks.Refusal, error) {
		var refused []sinks.Refusal
		for i := range batch {
			if number(&batch[i])%10 == 0 {
				refused = append(refused, sinks.Refusal{Event: batch[i], Body: []byte("too large"), Err: errors.New("message\ntoo large")})
				continue
			}
			_ = a.take(batch[i : i+1])
		}
		return refused, nil
	}
	box := begin(t, Options{Dir: dir}, Receiver{Name: "a", Sink: a})
	for i := 1; i <= 1000; i++ {
		box.Append([]event.Event{numbered(i)})
	}
	drain(t, box)
	if s := box.Stats().Sinks[0]; s.Delivered != 900 || s.Refused != 100 || s.Waiting != 0 {
		t.Errorf("stats: %+v", s)
	}
	f, err := os.Open(filepath.Join(dir, "deadletter-a.jsonl"))
	must(t, err)
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		if want := fmt.Sprintf(`"event_id":"%d-0"`, 10*(n+1)); !strings.Contains(lines.Text(), want) ||
			!strings.Contains(lines.Text(), `"reason":"message; too large"`) || !strings.Contains(lines.Text(), `"body":"too large"`) {
			t.Fatalf("line %d is %s", n, lines.Text())
		}
	}
	if n != 100 || len(a.numbers()) != 900 {
		t.Errorf("%d dead letters, %d delivered", n, len(a.numbers()))
	}
}

func TestNames(t *testing.T) {
	for _, names := range [][]string{{""}, {"a/b"}, {".."[:1] + "/"}, {"a", "a"}, {strings.Repeat("x", 65)}, {"a.tmp"}} {
		b, err := Open(Options{})
		must(t, err)
		var to []Receiver
		for _, n := range names {
			to = append(to, Receiver{Name: n, Sink: &recorder{}})
		}
		if err := b.Start(to); err == nil {
			t.Errorf("%q were taken", names)
		}
	}
}
