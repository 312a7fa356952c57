package kafka

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"wormscope/detect/zone"
	"wormscope/internal/kafkatest"
	"wormscope/internal/testnet"
	"wormscope/sinks/joint"
)

// small has a worker keep a joint ledger where the broker takes each word, but not as
// many at once as the worker reads.
func small(t *testing.T, way Cluster) {
	t.Helper()
	const words = 600
	s := open(t, Config{Cluster: way, LedgerTopic: "small-words", Create: true, Partitions: 1, MaxMessageBytes: 15_000})
	list := batch(0, words)
	random := rand.NewChaCha8([32]byte{})
	for n := range list {
		noise := make([]byte, 200)
		_, _ = random.Read(noise) // it never fails
		list[n].Alert.Name = hex.EncodeToString(noise)
	}
	deliver(t, s, list)
	zones, err := zone.New(zone.DefaultInside(), nil)
	if err != nil {
		t.Fatal(err)
	}
	central := Central{Cluster: way, LedgerTopic: "small-words", JointTopic: "small-joint", Group: "small", Create: true}
	ctx, stop := context.WithCancel(t.Context())
	var said atomic.Value // what the worker said last
	w, err := NewWorker(ctx, central, WorkerOptions{Zones: zones, Warn: func(err error) { said.Store(err.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	var working sync.WaitGroup
	working.Go(func() {
		if failed := w.Run(ctx); failed != nil {
			t.Error(failed)
		}
	})
	defer working.Wait()
	defer stop()
	var tally Tally
	for end := time.Now().Add(testnet.Patience); tally.Words < words; time.Sleep(100 * time.Millisecond) {
		if tally, err = central.Read(t.Context(), joint.New()); time.Now().After(end) {
			t.Fatalf("%d words of %d, %v; the worker said %v", tally.Words, words, err, said.Load())
		}
	}
}

// throttled reads a joint ledger that is larger than what a quota of the broker lets
// it read without a pause.
func throttled(t *testing.T, c *kafkatest.Cluster, way Cluster) {
	t.Helper()
	const words = 5500 // more than what is fetched at once
	s := open(t, Config{Cluster: way, LedgerTopic: "throttled", Create: true, Partitions: 1, Compression: "none", MaxMessageBytes: 15_000})
	deliver(t, s, batch(0, words))
	r, err := c.Client().AlterClientQuotas(t.Context(), &kafkago.AlterClientQuotasRequest{Entries: []kafkago.AlterClientQuotaEntry{{
		Entities: []kafkago.AlterClientQuotaEntity{{EntityType: "client-id", EntityName: "greedy"}},
		Ops:      []kafkago.AlterClientQuotaOps{{Key: "consumer_byte_rate", Value: 350_000}},
	}}})
	if err != nil || r.Entries[0].Error != nil {
		t.Fatal(r, err)
	}
	way.ClientID = "greedy"
	tally, err := (&Central{Cluster: way, JointTopic: "throttled"}).Read(t.Context(), joint.New())
	if err != nil || tally.Words != words {
		t.Errorf("%d words of %d, %v", tally.Words, words, err)
	}
}
