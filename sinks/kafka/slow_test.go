package kafka

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"wormscope/internal/kafkatest"
	"wormscope/sinks/joint"
)

// slowly returns an address at which a broker answers, each time so much later.
func slowly(t *testing.T, broker string, later time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { pass(c, broker, later) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		passing.Wait()
	})
	return l.Addr().String()
}

// pass passes on what a client and a broker say to each other, until the client
// has said all.
func pass(client net.Conn, broker string, later time.Duration) {
	defer client.Close()
	server, err := net.Dial("tcp", broker)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		b := make([]byte, 64<<10)
		for {
			n, err := server.Read(b)
			time.Sleep(later)
			if _, failed := client.Write(b[:n]); err != nil || failed != nil {
				return
			}
		}
	})
	_, _ = io.Copy(server, client) // either may be gone
	_ = server.Close()             // ends the other way, too
	back.Wait()
}

// slow delivers to a broker, and reads a joint ledger from it, that takes longer
// to say which topics there are than a client goes by what it said.
func slow(t *testing.T, c *kafkatest.Cluster, way Cluster) {
	t.Helper()
	deliver(t, open(t, Config{Cluster: way, Topic: "slow", LedgerTopic: "slow-words", Create: true}), batch(0, 1))
	far := Cluster{Brokers: []string{slowly(t, c.Brokers()[0], metadataTTL+metadataTTL/2)}}
	if err := failure(t, open(t, Config{Cluster: far, Topic: "slow"}), batch(1, 100)); err != nil {
		t.Errorf("it is not delivered: %v", err)
	}
	arrived(t, c.Read("slow"), batch(0, 100))
	central := Central{Cluster: far, JointTopic: "slow-words"}
	var tally Tally
	if err := answered(func() (err error) { tally, err = central.Read(t.Context(), joint.New()); return err }); err != nil || tally.Words != 1 {
		t.Errorf("%d words read, %v", tally.Words, err)
	}
}
