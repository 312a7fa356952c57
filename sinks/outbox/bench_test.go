package outbox

import (
	"os"
	"runtime"
	"testing"
	"time"

	"wormscope/sinks/event"
)

// BenchmarkAppend is what an event costs whoever appends it, and, as events/s,
// how fast they become durable.
func BenchmarkAppend(b *testing.B) {
	box := begin(b, Options{Dir: b.TempDir(), Wait: -1}, Receiver{Name: "a", Sink: &recorder{}})
	e := numbered(1)
	group := []event.Event{e}
	began := time.Now()
	for b.Loop() {
		box.Append(group)
	}
	must(b, box.Sync())
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "durable/s")
}

// TestMillion queues a million events for a sink that is away, and says what
// that takes. It is run with WORMSCOPE_MILLION set: the figures are in
// docs/performance.md.
func TestMillion(t *testing.T) {
	if os.Getenv("WORMSCOPE_MILLION") == "" {
		t.Skip("takes a GiB: set WORMSCOPE_MILLION")
	}
	gone := &recorder{instead: away}
	box := begin(t, Options{Dir: t.TempDir(), Wait: -1}, Receiver{Name: "gone", Sink: gone})
	const n = 1_000_000
	began := time.Now()
	for i := 1; i <= n; i++ {
		box.Append([]event.Event{numbered(i)})
		if i%250_000 == 0 {
			must(t, box.Sync())
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			t.Logf("%d events: %d MiB of heap, %d MiB from the system, %d MiB on the disk", i, m.HeapAlloc>>20, m.Sys>>20, box.Stats().Bytes>>20)
		}
	}
	t.Logf("%.0f events/s made durable", n/time.Since(began).Seconds())
	began = time.Now()
	gone.set(nil)
	drain(t, box)
	t.Logf("%.0f events/s delivered from the disk", n/time.Since(began).Seconds())
	check(t, "gone", gone.numbers(), n)
}
