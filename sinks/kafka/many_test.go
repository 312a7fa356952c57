package kafka

import (
	"testing"
	"time"

	"wormscope/internal/kafkatest"
)

// TestMany delivers 200,000 events with zstd, as an outbox does in batches.
func TestMany(t *testing.T) {
	const events, at = 200_000, 2000
	c := kafkatest.Start(t, kafkatest.Options{})
	s := open(t, Config{Cluster: Cluster{Brokers: c.Brokers()}, Topic: "many", Create: true})
	list := batch(0, events)
	deliver(t, s, list[:1]) // the topic is made
	began := time.Now()
	for n := 1; n < events; n += at {
		deliver(t, s, list[n:min(n+at, events)])
	}
	took := time.Since(began)
	repeats := arrived(t, c.Read("many"), list)
	t.Logf("%d events in %v: %.0f/s, %d repeats", events, took.Round(time.Millisecond), events/took.Seconds(), repeats)
}
