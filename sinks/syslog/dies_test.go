package syslog_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"wormscope/internal/testnet"
	"wormscope/sinks/event"
	"wormscope/sinks/syslog"

	"github.com/google/go-cmp/cmp"
)

// deliverAll delivers a batch as an outbox does: the same again until it is
// there.
func deliverAll(t *testing.T, k *syslog.Sink, batch []event.Event) {
	t.Helper()
	deliverCounted(t, k, batch, new(atomic.Int64))
}

// deliverCounted is deliverAll that counts how often it failed.
func deliverCounted(t *testing.T, k *syslog.Sink, batch []event.Event, failed *atomic.Int64) {
	t.Helper()
	for end := time.Now().Add(testnet.Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if refused, err := k.Deliver(t.Context(), batch); err == nil {
			if len(refused) > 0 {
				t.Fatalf("refused: %v", refused[0].Err)
			}
			return
		}
		failed.Add(1)
	}
	t.Fatalf("not delivered in %v", testnet.Patience)
}

// onceEach drops repeats.
func onceEach(messages []string) (list []string, repeats int) {
	seen := map[string]bool{}
	for _, m := range messages {
		body := body(m)
		if seen[body] {
			repeats++
			continue
		}
		seen[body] = true
		list = append(list, body)
	}
	return list, repeats
}

// TestReceiverDies kills the receiver and starts it again in the middle, over
// each kind of connection. Nothing is lost, and what is repeated is the same.
func TestReceiverDies(t *testing.T) {
	for _, c := range []struct {
		name string
		s    func(*world) syslog.Config
	}{
		{"tcp", func(w *world) syslog.Config { return syslog.Config{Address: w.TCP, Protocol: "tcp"} }},
		{"tcp kept open", func(w *world) syslog.Config {
			return syslog.Config{Address: w.TCP, Protocol: "tcp", KeepOpen: true}
		}},
		{"mutual tls", func(w *world) syslog.Config { return syslog.Config{Address: w.Mutual, TLS: w.client} }},
		{"mutual tls kept open", func(w *world) syslog.Config {
			return syslog.Config{Address: w.Mutual, TLS: w.client, KeepOpen: true}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := c.s(w)
			s.Timeout = 10 * time.Second
			k := w.sink(t, s)
			all := events(3000)
			var failed atomic.Int64
			kill, gone, killed := make(chan func()), make(chan struct{}, 1), make(chan struct{})
			go func() {
				defer close(killed)
				for end := range kill {
					before := failed.Load()
					end()
					gone <- struct{}{}
					for failed.Load() == before { // until it is missed
						time.Sleep(10 * time.Millisecond)
					}
					w.Run()
				}
			}()
			n := 0
			for batch := range slices.Chunk(all, 100) {
				n++
				if n%8 == 0 {
					kill <- []func(){w.Kill, w.Stop, w.Kill}[n/8-1]
				}
				deliverCounted(t, k, batch, &failed)
				if n%8 == 0 {
					<-gone // at the latest the next batch finds nobody
				}
			}
			close(kill)
			<-killed
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
			want := w.want(t, all)
			slices.Sort(want)
			w.Eventually("everything is there", func() error {
				got, repeats := onceEach(w.Received())
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" {
					return errors.New(diff)
				}
				t.Logf("3 restarts, 2 of them after a kill: %d failed deliveries, 0 lost, %d repeats of %d", failed.Load(), repeats, len(want))
				return nil
			})
			if failed.Load() < 3 {
				t.Errorf("%d deliveries failed: the receiver was not away three times", failed.Load())
			}
		})
	}
}
