package kafka

import (
	"testing"
	"time"

	"wormscope/internal/kafkatest"
)

// TestLeaders delivers while the leader of a partition is killed, and another
// time hangs, of three nodes.
func TestLeaders(t *testing.T) {
	const events, at = 60_000, 1000
	c := kafkatest.Start(t, kafkatest.Options{Nodes: 3})
	s := open(t, Config{Cluster: Cluster{Brokers: c.Brokers()}, Topic: "events", Create: true, Partitions: 6})
	list := batch(0, events)
	deliver(t, s, list[:1]) // the topic is made
	var tries, failures int
	var longest time.Duration
	resumed := make(chan struct{})
	for n := 1; n < events; n += at {
		switch n / at {
		case 10:
			c.Kill(c.Leader("events", 0))
		case 20:
			for id := range 3 {
				if !c.Runs(id + 1) {
					c.Restart(id + 1)
				}
			}
		case 40:
			hung := c.Leader("events", 1)
			c.Pause(hung)
			time.AfterFunc(8*time.Second, func() { defer close(resumed); c.Resume(hung) })
		}
		for began := time.Now(); ; {
			tries++
			_, err := s.Deliver(t.Context(), list[n:min(n+at, events)])
			longest = max(longest, time.Since(began))
			if err == nil {
				break
			}
			failures++
			if time.Since(began) > 2*time.Minute {
				t.Fatal(err)
			}
			t.Logf("event %d: %v", n, err)
			time.Sleep(time.Second)
		}
	}
	<-resumed // all may have been delivered without the one that hangs
	repeats := arrived(t, c.Read("events"), list)
	t.Logf("%d events in %d calls, of which %d failed; the longest wait was %v; 0 lost, 0 out of order, %d repeats",
		events, tries, failures, longest.Round(time.Millisecond), repeats)
}
