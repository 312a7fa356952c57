package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/kafkatest"
	"wormscope/scope/store"
	"wormscope/sinks/kafka"

	"github.com/google/go-cmp/cmp"
)

// deliveryConfig writes a configuration with a Kafka sink, and more lines for
// it or after it.
func deliveryConfig(t *testing.T, brokers []string, topic, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wormscope.yaml")
	text := fmt.Sprintf("sinks:\n  - name: soc\n    type: kafka\n    brokers: [%s]\n    topic: %s\n    create: true\n    sensor: test\n%s",
		strings.Join(brokers, ", "), topic, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// idsByHost are the ids of events, host by host in their order, repeats dropped.
func idsByHost(lines []eventDoc) map[string][]string {
	byHost, seen := map[string][]string{}, map[string]bool{}
	for _, e := range lines {
		if !seen[e.Event.ID] {
			seen[e.Event.ID] = true
			byHost[e.Host.IP[0]] = append(byHost[e.Host.IP[0]], e.Event.ID)
		}
	}
	return byHost
}

// arrivedAt returns the events of a topic, and how many of them are repeats.
func arrivedAt(t *testing.T, cluster *kafkatest.Cluster, topic string) (events []eventDoc, repeats int) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range cluster.Read(topic) {
		got := readEvents(t, append([]byte(r.Value), '\n'))[0]
		if got.Event.ID != r.Headers[kafka.HeaderID] || got.Host.IP[0] != r.Key {
			t.Fatalf("event %s about %s has the id %s and the key %s", got.Event.ID, got.Host.IP[0], r.Headers[kafka.HeaderID], r.Key)
		}
		if seen[got.Event.ID] {
			repeats++
		}
		seen[got.Event.ID] = true
		events = append(events, got)
	}
	return events, repeats
}

// TestReplayDelivers: what goes to the event file arrives at a real Kafka, too,
// with a state folder and without one.
func TestReplayDelivers(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{})
	committed(t)
	for _, keep := range []string{"", filepath.Join(t.TempDir(), "state")} {
		topic := fmt.Sprintf("events-%d", len(keep))
		args := append(outbreakArgs(), "--config", deliveryConfig(t, cluster.Brokers(), topic, ""))
		if keep != "" {
			args = append(args, "--state", keep)
		}
		r := runReplay(t, []string{"outbreak.pcap"}, args...)
		if r.status != 0 {
			t.Fatalf("exit %d: %s", r.status, r.stderr)
		}
		want := idsByHost(readEvents(t, r.alerts))
		got, repeats := arrivedAt(t, cluster, topic)
		if diff := cmp.Diff(want, idsByHost(got)); diff != "" || repeats > 0 {
			t.Errorf("%d repeats, and the topic differs from the event file (-file +topic):\n%s", repeats, diff)
		}
		if len(got) < 100 {
			t.Errorf("only %d events", len(got))
		}
	}
}

// TestKilledDelivers: a replay that is killed five times in the middle, while
// the broker is killed and comes back, delivers what an undisturbed one does.
func TestKilledDelivers(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{})
	committed(t)
	whole := slurp("outbreak.pcap")
	undisturbed := runReplay(t, []string{"outbreak.pcap"}, append(outbreakArgs(), "--state", filepath.Join(t.TempDir(), "state"))...)
	want := idsByHost(readEvents(t, undisturbed.alerts))

	dir := filepath.Join(t.TempDir(), "state")
	args := append([]string{"replay", "--state", dir, "--config", deliveryConfig(t, cluster.Brokers(), "events", "")}, outbreakArgs()...)
	for i, share := range []float64{.3, .45, .6, .75, .95} {
		if i == 2 {
			cluster.Kill(1)
		}
		killDelivering(t, args, whole[:int(share*float64(len(whole)))], time.Duration(200+150*i)*time.Millisecond)
		if i == 3 {
			cluster.Restart(1)
		}
	}
	cmd := exec.Command("wormscope", append(slices.Clone(args), "-")...)
	cmd.Stdin = bytes.NewReader(whole)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	events, repeats := arrivedAt(t, cluster, "events")
	got := idsByHost(events)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the topic differs from the events of an undisturbed run (-want +got):\n%s", diff)
	}
	total := 0
	for ids := range maps.Values(want) {
		total += len(ids)
	}
	t.Logf("%d events of %d hosts; 0 lost, %d repeats with the same ids; wormscope killed 5 times, the broker once", total, len(want), repeats)
}

// killDelivering runs a replay, gives it the beginning of a capture, and kills
// it a while after it began to deliver, or to wait for the broker.
func killDelivering(t *testing.T, args []string, part []byte, after time.Duration) {
	t.Helper()
	cmd := exec.Command("wormscope", append(slices.Clone(args), "-")...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(part); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// TestReplayLeavesDeadSink: a replay whose outbox is full waits for a sink that
// takes nothing no longer than it was told, and says what that sink lacks.
func TestReplayLeavesDeadSink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wormscope.yaml")
	text := fmt.Sprintf("outbox: {max_mb: %d}\nsinks: [{name: dead, type: syslog, protocol: tcp, address: \"127.0.0.1:9\"}]\n", minOutboxMB)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := (&flagValues{config: path}).settings()
	if err != nil {
		t.Fatal(err)
	}
	s.drainTimeout = 300 * time.Millisecond
	d, err := openDelivery(&s, nil, &events{}, deliveryOptions{warn: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	word := &alert.Alert{
		ID: "1", Rule: alert.RuleScan, Severity: alert.High, Host: netip.MustParseAddr("10.0.0.1"),
		Evidence: alert.Evidence{Scan: &alert.Scan{Port: 445, Sample: slices.Repeat([]netip.Addr{netip.MustParseAddr("10.0.0.2")}, 60)}},
	}
	for range 2 * minOutboxMB << 20 / (60 * len(`"10.0.0.2",`)) {
		d.alert(word)
		d.commit()
	}
	if err := d.sync(); err != nil {
		t.Fatal(err)
	}
	if err := d.shortfall(); err == nil || !strings.Contains(err.Error(), "for sink dead") {
		t.Errorf("short of nothing: %v", err)
	}
}

// TestSaysWhatBecomesOfTheRest ends replays of which a sink is away: whether another
// one can deliver what it lacks depends on the state folder, and is said once.
func TestSaysWhatBecomesOfTheRest(t *testing.T) {
	config := deliveryConfig(t, []string{"127.0.0.1:1"}, "events", "")
	committed(t)
	for want, args := range map[string][]string{
		"the next run with this state folder delivers them": {"--state", t.TempDir()},
		"without a state folder nothing keeps them":         nil,
	} {
		r := runReplay(t, []string{"incident.pcap"}, append(args, "--config", config, "--drain-timeout", "1ms")...)
		if r.status != exitFail || !strings.Contains(r.stderr, "for sink soc; "+want+"\n") {
			t.Errorf("exit %d, want %d and %q in %s", r.status, exitFail, want, r.stderr)
		}
	}
}

// TestWithoutSinks: a run that no longer has sinks says what waits for those
// that an earlier one had.
func TestWithoutSinks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "wormscope.yaml")
	text := "sinks: [{name: gone, type: syslog, protocol: tcp, address: \"127.0.0.1:9\"}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	committed(t)
	keep := filepath.Join(dir, "state")
	if r := runReplay(t, []string{"outbreak.pcap"}, append(outbreakArgs(), "--config", path, "--state", keep, "--drain-timeout", "1ms")...); r.status != 1 || !strings.Contains(r.stderr, "for sink gone") {
		t.Fatalf("exit %d: %s", r.status, r.stderr)
	}
	r := runReplay(t, []string{"outbreak.pcap"}, append(outbreakArgs(), "--state", keep)...)
	if r.status != 0 || !strings.Contains(r.stderr, "wait for sink gone, which is not configured") {
		t.Errorf("exit %d: %s", r.status, r.stderr)
	}
}

// TestRecoveredIsWritten: what a run that was killed had in the outbox, and neither
// in the state folder nor in its event file, the next one writes there, too.
func TestRecoveredIsWritten(t *testing.T) {
	dir := t.TempDir()
	config, keep := filepath.Join(dir, "wormscope.yaml"), filepath.Join(dir, "state")
	text := "sinks: [{name: gone, type: syslog, protocol: tcp, address: \"127.0.0.1:9\"}]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	committed(t)
	first := runReplay(t, []string{"incident.pcap"}, "--config", config, "--state", keep, "--drain-timeout", "1ms")
	if len(first.alerts) == 0 {
		t.Fatalf("exit %d: %s", first.status, first.stderr)
	}
	for name, args := range map[string][]string{"with sinks": {"--config", config, "--drain-timeout", "1ms"}, "without": nil} {
		t.Run(name, func(t *testing.T) {
			if err := os.Remove(filepath.Join(keep, store.FileName)); err != nil {
				t.Fatal(err)
			}
			r := runReplay(t, []string{"dns-tcp-pipelined.pcap"}, append(args, "--state", keep)...)
			if !bytes.HasPrefix(r.alerts, first.alerts) {
				t.Errorf("exit %d: %s\n%s", r.status, r.stderr, r.alerts)
			}
			if again := runReplay(t, []string{"dns-tcp-pipelined.pcap"}, append(args, "--state", keep)...); bytes.Contains(again.alerts, first.alerts) {
				t.Errorf("it is written each time:\n%s", again.alerts)
			}
		})
	}
}
