package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormscope/detect/zone"
	"wormscope/internal/kafkatest"
	"wormscope/internal/testnet"
	"wormscope/scope/export"
	"wormscope/sinks/ecs"
	"wormscope/sinks/event"
	"wormscope/sinks/kafka"

	"github.com/google/go-cmp/cmp"
)

// A worker is a running wormscope scope.
type worker struct {
	cmd  *exec.Cmd
	said bytes.Buffer
}

// startWorker starts a worker of the joint ledger of the outbreak.
func startWorker(t *testing.T, brokers string) *worker {
	t.Helper()
	w := &worker{}
	args := append([]string{"scope", "--kafka", brokers, "--create", "--state-topic", "wormscope-hosts"}, outbreakArgs()[2:]...)
	w.cmd = exec.CommandContext(context.Background(), "wormscope", args...)
	w.cmd.Stdout, w.cmd.Stderr = &w.said, &w.said
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.end(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("worker %d said: %s", w.cmd.Process.Pid, w.said.String())
		}
	})
	return w
}

// end ends a worker that may have ended before, and returns its exit status.
func (w *worker) end(with os.Signal) int {
	if w.cmd.ProcessState == nil {
		w.cmd.Process.Signal(with)
		w.cmd.Wait()
	}
	return w.cmd.ProcessState.ExitCode()
}

// A teller is a sensor that sends what it found to a Kafka.
type teller struct {
	sink  *kafka.Sink
	words []event.Event
}

func newTeller(t *testing.T, name string, brokers []string, words []event.Event) *teller {
	t.Helper()
	zones, err := zone.New(zone.DefaultInside(), outbreakZones())
	if err != nil {
		t.Fatal(err)
	}
	s, err := kafka.New(kafka.Config{
		Cluster: kafka.Cluster{Brokers: brokers}, LedgerTopic: "wormscope-ledger", Create: true, Sensor: name,
	}, ecs.New(ecs.Options{Zones: zones}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &teller{s, words}
}

// send sends the next words, as an outbox does: again until they have arrived.
func (s *teller) send(t *testing.T, n int) {
	t.Helper()
	n = min(n, len(s.words))
	for end := time.Now().Add(testnet.Patience); ; time.Sleep(100 * time.Millisecond) {
		refused, err := s.sink.Deliver(t.Context(), s.words[:n])
		if err == nil && len(refused) == 0 {
			s.words = s.words[n:]
			return
		}
		if err == nil || time.Now().After(end) {
			t.Fatalf("%d refused, %v", len(refused), err)
		}
	}
}

// TestCentralScope: three sensors that see three parts of one outbreak send
// what they found to a real Kafka. Of two workers that keep the joint ledger
// one is killed in the middle, and another joins. The joint scope is that of
// the whole capture.
func TestCentralScope(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{})
	committed(t)
	whole := runReplay(t, []string{"outbreak.pcap"}, outbreakArgs()...)
	brokers := strings.Join(cluster.Brokers(), ",")
	var sensors []*teller
	total := 0
	for i, file := range writeViews(t, "outbreak.pcap", t.TempDir()) {
		words := wordsOf(t, file, outbreakArgs())
		total += len(words)
		sensors = append(sensors, newTeller(t, views()[i].name, cluster.Brokers(), words))
	}
	sensors[0].send(t, 1) // makes the topic
	first, second := startWorker(t, brokers), startWorker(t, brokers)
	const steps = 12
	for step := range steps {
		for _, s := range sensors {
			s.send(t, total/steps/2+1)
		}
		switch step {
		case steps / 3:
			first.end(syscall.SIGKILL)
		case 2 * steps / 3:
			startWorker(t, brokers)
		}
		time.Sleep(200 * time.Millisecond)
	}
	for _, s := range sensors {
		s.send(t, len(s.words))
	}
	awaitJoint(t, brokers, essence(t, whole.scope))
	if status := second.end(syscall.SIGTERM); status != 0 {
		t.Errorf("a worker that is told to stop exits with %d", status)
	}
	checkStates(t, cluster, whole.scope)
	checkJointExport(t, brokers)
	t.Logf("%d words of %d sensors", total, len(sensors))
}

// awaitJoint waits until the joint scope is as it should be.
func awaitJoint(t *testing.T, brokers string, want map[string]any) {
	t.Helper()
	args := append([]string{"report", "--kafka", brokers, "--scope", "-"}, outbreakArgs()[2:]...)
	var diff string
	for end := time.Now().Add(2 * testnet.Patience); time.Now().Before(end); time.Sleep(time.Second) {
		var stdout, stderr bytes.Buffer
		if status := run(args, nil, &stdout, &stderr); status != 0 { // no worker may have made the topic yet
			diff = stderr.String()
			continue
		}
		if diff = cmp.Diff(want, essence(t, stdout.Bytes())); diff == "" {
			return
		}
	}
	t.Fatalf("the joint scope differs from that of the whole capture (-want +got):\n%s", diff)
}

// checkStates: the last change that the state topic has of a host leads to the
// state that it has in the scope.
func checkStates(t *testing.T, cluster *kafkatest.Cluster, doc []byte) {
	t.Helper()
	last := map[string]string{}
	for _, r := range cluster.Read("wormscope-hosts") {
		for _, e := range readEvents(t, append([]byte(r.Value), '\n')) {
			last[r.Key] = e.Wormscope.State.To
		}
	}
	hosts := essence(t, doc)["hosts"].(map[string]any)
	if len(hosts) < 100 {
		t.Fatalf("only %d hosts", len(hosts))
	}
	for ip, h := range hosts {
		if want := h.(map[string]any)["state"]; last[ip] != want {
			t.Errorf("the state topic has %s as %q, the scope as %q", ip, last[ip], want)
		}
	}
}

// checkJointExport: exports and the text work on the joint ledger.
func checkJointExport(t *testing.T, brokers string) {
	t.Helper()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"report", "--kafka", brokers}, "3 sensors: border, office, production"},
		{[]string{"export", "isolate", "--kafka", brokers, "--format", string(export.CSV)}, "10.10.1.23"},
		{[]string{"export", "block", "--kafka", brokers, "--format", string(export.CSV)}, "192.0.2.211"},
	} {
		testnet.Eventually(t, "the joint scope is read", func() error { // a broker that has much to do may not answer in time
			var stdout, stderr bytes.Buffer
			if status := run(append(tt.args, outbreakArgs()[2:]...), nil, &stdout, &stderr); status != 0 || !strings.Contains(stdout.String(), tt.want) {
				return fmt.Errorf("%s: exit %d, %s; want %s in\n%s", strings.Join(tt.args, " "), status, stderr.String(), tt.want, stdout.String())
			}
			return nil
		})
	}
	testnet.Eventually(t, "a missing topic is named", func() error {
		var stdout, stderr bytes.Buffer
		status := run([]string{"report", "--kafka", brokers, "--joint-topic", "no-such"}, nil, &stdout, &stderr)
		if want := fmt.Sprintf("wormscope: kafka: topic %q does not exist", "no-such"); status != 1 || !strings.HasPrefix(stderr.String(), want) {
			return fmt.Errorf("a topic that is missing: exit %d, %s", status, stderr.String())
		}
		return nil
	})
}
