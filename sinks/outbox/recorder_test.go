package outbox

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/sinks"
	"wormscope/sinks/event"
)

// hosts is how many hosts the events of tests are about.
const hosts = 40

// numbered makes event n, about host n % hosts.
func numbered(n int) event.Event { return severe(n, alert.High) }

func severe(n int, s alert.Severity) event.Event {
	host := netip.AddrFrom4([4]byte{10, 0, 0, byte(n % hosts)})
	at := time.Unix(1_700_000_000, int64(n)*1000).UTC()
	return event.OfAlert(&alert.Alert{
		ID: strconv.Itoa(n), Rule: alert.RuleScan, Severity: s, Time: at, First: at, Last: at, Host: host, Count: uint64(n),
		Evidence: alert.Evidence{Scan: &alert.Scan{Port: 445, Targets: 20, Sample: []netip.Addr{host, host}}},
	}, nil)
}

// number is the number of an event that numbered made.
func number(e *event.Event) int { return int(e.Alert.Count) }

// recorded is how many digits a number in a recorder's file has.
const recorded = 9

// A recorder is a sink that keeps what arrives, in memory and, where it has a
// path, in a file. Whatever it is told it does in place of arriving.
type recorder struct {
	path string

	mu      sync.Mutex
	got     []int
	instead func(ctx context.Context, batch []event.Event) ([]sinks.Refusal, error)
	closed  bool
}

func (r *recorder) Wants(e *event.Event) bool { return e.Fact == nil }

func (r *recorder) Deliver(ctx context.Context, batch []event.Event) ([]sinks.Refusal, error) {
	r.mu.Lock()
	instead := r.instead
	r.mu.Unlock()
	if instead != nil {
		return instead(ctx, batch)
	}
	return nil, r.take(batch)
}

func (r *recorder) take(batch []event.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range batch {
		r.got = append(r.got, number(&batch[i]))
	}
	if r.path == "" {
		return nil
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var lines []byte
	for i := range batch {
		lines = fmt.Appendf(lines, "\n%0*d", recorded, number(&batch[i])) // begun anew after what a kill tore off
	}
	_, err = f.Write(lines)
	return errors.Join(err, f.Close())
}

func (r *recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

func (r *recorder) set(f func(ctx context.Context, batch []event.Event) ([]sinks.Refusal, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.instead = f
}

func (r *recorder) numbers() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin opens and starts an outbox with quick retries.
func begin(t testing.TB, o Options, to ...Receiver) *Outbox {
	t.Helper()
	o.firstRetry = 5 * time.Millisecond
	if o.closeTimeout == 0 {
		o.closeTimeout = 5 * time.Second
	}
	b, err := Open(o)
	must(t, err)
	must(t, b.Start(to))
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// drain waits for the sinks. The test's own time limit ends it.
func drain(t testing.TB, b *Outbox) {
	t.Helper()
	must(t, b.Drain(t.Context(), nil))
}

// check reports whether everything from 1 to n is there once repeats are
// dropped, in order for each host.
func check(t testing.TB, what string, got []int, n int) {
	t.Helper()
	seen := make([]bool, n+1)
	last := make([]int, hosts)
	for _, g := range got {
		if g < 1 || g > n {
			t.Fatalf("%s: %d is none of %d events", what, g, n)
		}
		if seen[g] {
			continue
		}
		seen[g] = true
		if g < last[g%hosts] {
			t.Fatalf("%s: %d came after %d", what, g, last[g%hosts])
		}
		last[g%hosts] = g
	}
	for i := 1; i <= n; i++ {
		if !seen[i] {
			t.Fatalf("%s: %d of %d is lost", what, i, n)
		}
	}
}
