package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"wormscope/internal/kafkatest"
	"wormscope/internal/searchtest"
	"wormscope/internal/syslogtest"
	"wormscope/internal/testca"
	"wormscope/internal/testnet"
	"wormscope/sinks/outbox"

	"github.com/google/go-cmp/cmp"
)

// TestSinksAtOnce: one replay delivers to a real Kafka, a real rsyslog over TLS
// and a real OpenSearch, each in a format of its own, while a fourth receiver
// is away: it holds up none of the others, and with a state folder it gets
// everything from the next run.
func TestSinksAtOnce(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{})
	search := searchtest.Start(t)
	ca := testca.New(t, "test")
	syslog := syslogtest.Start(t, ca, ca.Issue("server", testca.Options{}))
	committed(t)
	state := filepath.Join(t.TempDir(), "state")
	sinks := fmt.Sprintf(`sinks:
  - {name: bus, type: kafka, brokers: [%[1]s], topic: bus, create: true, format: ocsf}
  - {name: siem, type: syslog, protocol: tls, address: "%[2]s", format: cef, tls: {ca: %[3]s}}
  - {name: index, type: elasticsearch, url: %[4]s, replicas: 0, events: [alerts]}
  - {name: away, type: kafka, topic: late, create: true, min_severity: high, brokers: [`,
		strings.Join(cluster.Brokers(), ","), syslog.TLS, ca.File, search.URL)
	config := filepath.Join(t.TempDir(), "wormscope.yaml")
	configure := func(brokers string) {
		if err := os.WriteFile(config, []byte(sinks+brokers+"]}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("127.0.0.1:9")
	flags := append(outbreakArgs(), "--config", config, "--state", state)
	events := readEvents(t, runReplay(t, []string{"outbreak.pcap"}, outbreakArgs()...).alerts)
	all, alerts, high := ids(events, func(eventDoc) bool { return true }),
		ids(events, func(e eventDoc) bool { return e.Event.Kind == "alert" }),
		ids(events, func(e eventDoc) bool { return e.Event.Severity >= 75 })
	replayUntil(t, append([]string{"replay", "outbreak.pcap"}, flags...), func() error {
		var indexed struct{ Count int }
		search.Do("POST", "/_refresh", "", nil)
		search.Do("GET", "/_all/_count?allow_no_indices=true", "", &indexed)
		if bus, received := cluster.Count("bus"), len(syslog.Received()); bus < int64(len(all)) || received < len(all) || indexed.Count < len(alerts) {
			return fmt.Errorf("of %d events, %d of them alerts, Kafka has %d, rsyslog %d, and OpenSearch %d", len(all), len(alerts), bus, received, indexed.Count)
		}
		return doneWith(filepath.Join(state, outboxFolder), "bus", t.TempDir())
	})
	compareIDs(t, "Kafka", all, kafkaIDs(t, cluster, "bus"))
	compareIDs(t, "rsyslog", all, cefIDs(t, syslog.Received()))
	compareIDs(t, "OpenSearch", alerts, slices.Collect(maps.Keys(search.Documents("logs-wormscope-default"))))

	configure(strings.Join(cluster.Brokers(), ","))
	if r := runReplay(t, []string{"span-duplicates.pcap"}, flags...); r.status != 0 {
		t.Fatalf("exit %d: %s", r.status, r.stderr)
	}
	late := kafkaIDs(t, cluster, "late")
	for _, id := range high {
		if !slices.Contains(late, id) {
			t.Errorf("event %s did not arrive from the next run", id)
		}
	}
	t.Logf("%d events, %d of them alerts, %d of high severity", len(all), len(alerts), len(high))
}

// doneWith reports whether a run has noted that a sink has everything that is in
// its outbox: it hears of it later than the receiver has it. It looks at a copy.
func doneWith(dir, sink, folder string) error {
	if err := os.CopyFS(folder, os.DirFS(dir)); err != nil {
		return err
	}
	box, err := outbox.Open(outbox.Options{Dir: folder})
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(folder, "cursor-"+sink))
	if err != nil {
		return err
	}
	var cursor uint64
	if _, err = fmt.Sscanf(string(text), "wormscope-cursor 1 %d", &cursor); err == nil && cursor < box.Position() {
		err = fmt.Errorf("%s has %d of %d events", sink, cursor, box.Position())
	}
	return err
}

// replayUntil runs a replay of which one sink is away, and tells it to stop once
// the others have what is theirs.
func replayUntil(t *testing.T, args []string, have func() error) {
	t.Helper()
	cmd := exec.Command("wormscope", args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // its exit status tells
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	testnet.Eventually(t, "the other sinks have what is theirs", have)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ended
	status, text := cmd.ProcessState.ExitCode(), said.String()
	if want := "events were not delivered: "; status != exitFail || !strings.Contains(text, want) || strings.Contains(text, "for sink bus") {
		t.Errorf("exit %d, want %d, and %s for sink away alone; got %s", status, exitFail, want, text)
	}
}

// ids are the ids of some events, sorted, each once.
func ids(events []eventDoc, want func(eventDoc) bool) []string {
	set := map[string]bool{}
	for _, e := range events {
		if want(e) {
			set[e.Event.ID] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// compareIDs holds what a receiver has against what it should have.
func compareIDs(t *testing.T, who string, want, got []string) {
	t.Helper()
	slices.Sort(got)
	if len(want) < 50 {
		t.Errorf("%s: only %d events", who, len(want))
	}
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("%s has other events (-want +got):\n%s", who, diff)
	}
}

// kafkaIDs are the ids of the OCSF or ECS documents of a topic.
func kafkaIDs(t *testing.T, cluster *kafkatest.Cluster, topic string) (list []string) {
	t.Helper()
	for _, r := range cluster.Read(topic) {
		var doc struct {
			Metadata struct{ UID string }
			Event    struct{ ID string }
		}
		if err := json.Unmarshal([]byte(r.Value), &doc); err != nil {
			t.Fatal(err)
		}
		list = append(list, doc.Metadata.UID+doc.Event.ID)
	}
	return list
}

// cefIDs are the ids of messages that hold CEF.
func cefIDs(t *testing.T, lines []string) (list []string) {
	t.Helper()
	for _, line := range lines {
		_, after, ok := strings.Cut(line, " externalId=")
		if !ok || !strings.Contains(line, "CEF:0|wormscope|") {
			t.Fatalf("no CEF: %s", line)
		}
		id, _, _ := strings.Cut(after, " ")
		list = append(list, id)
	}
	return list
}
