package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wormscope/capture/ring"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/internal/testnet"
	"wormscope/ioc"
	"wormscope/sinks"
	"wormscope/sinks/outbox"
)

// fullSnapshot has a value for every metric.
func fullSnapshot(now time.Time) *snapshot {
	return &snapshot{
		At: now, Started: now.Add(-time.Hour), Frames: 12, Bytes: 3456, Last: now.UnixNano(),
		Undecoded: map[string]uint64{"truncated": 2}, Panics: 1, WentBack: 3,
		Interfaces: []ring.Interface{
			{Name: "eth1", Received: 10, Dropped: 4, Freezes: 1, Bytes: 3000, Truncated: 1, Up: true, Blocks: 256, InUse: 5},
			{Name: "eth2", Received: 2, Bytes: 456, Up: true, Blocks: 256},
		},
		Alerts:     map[alert.Rule]uint64{alert.RuleScan: 7},
		Events:     sinks.FileStats{Events: 20, Lost: 1, Errors: 2, Rotations: 3},
		Hosts:      map[string]int{"infected": 1, "suspected": 0},
		Tables:     []detect.Table{{Name: "scan sources", Entries: 5, Limit: 100, Evicted: 6}, {Name: "ledger hosts", Entries: 2}},
		Indicators: ioc.Counts{Names: 3, Addresses: 4, Networks: 5},
		Feeds: []feedSnapshot{
			{Name: "builtin", Entries: 3, Loaded: now}, {Name: "own", Path: "/etc/wormscope/feeds/own.csv", Entries: 9, Loaded: now, Refused: 1, Reason: "empty"},
		},
		Reloads: 2, Reloaded: now, Configured: now.Add(-time.Hour), Misconfigured: true,
		Outbox: &outbox.Stats{Appended: 30, Queued: 1, Bytes: 4096, Lost: 2, Errors: 3, Sinks: []outbox.SinkStats{
			{Name: "kafka", Waiting: 4, Oldest: now.Add(-90 * time.Second), Delivered: 26, Repeated: 5, Refused: 6, Lost: 7, Retries: 8},
			{Name: "syslog", Delivered: 30},
		}},
	}
}

// namesAt returns the names of the families at an endpoint, this program's
// first, with their types.
func namesAt(t *testing.T, text string) map[string]string {
	t.Helper()
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		names[m[1]] = m[2]
	}
	return names
}

// TestMetricsAreWhole asks a server for its metrics: all are there, the linter
// of Prometheus has nothing to say, and what the values are is what the
// snapshot says.
func TestMetricsAreWhole(t *testing.T) {
	testnet.Need(t, "promtool")
	now := time.Unix(1_700_000_000, 0)
	address := serveStatus(t, httpSetting{Listen: "0"}, fullBoard(now))
	status, text := get(t, http.DefaultClient, "http://"+address+"/metrics", "")
	if status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	names := namesAt(t, text)
	for _, m := range allMetrics() {
		if _, ok := names[m.name]; !ok {
			t.Errorf("%s is not there", m.name)
		}
	}
	for _, line := range []string{
		`wormscope_packets_total 12`,
		`wormscope_interface_dropped_packets_total{interface="eth1"} 4`,
		`wormscope_interface_dropped_packets_total{interface="eth2"} 0`,
		`wormscope_undecoded_packets_total{reason="truncated"} 2`,
		`wormscope_alerts_total{rule="scan"} 7`, `wormscope_alerts_total{rule="doublepulsar"} 0`,
		`wormscope_hosts{state="infected"} 1`,
		`wormscope_table_evictions_total{table="scan sources"} 6`,
		`wormscope_feed_loaded_timestamp_seconds{feed="own",path="/etc/wormscope/feeds/own.csv"} 1.7e+09`,
		`wormscope_capture_turn_timestamp_seconds 1.7e+09`,
		`wormscope_config_refused 1`, `wormscope_config_loaded_timestamp_seconds 1.6999964e+09`,
		`wormscope_sink_lag_seconds{sink="kafka"} 90`, `wormscope_sink_lag_seconds{sink="syslog"} 0`, `wormscope_sink_up{sink="kafka"} 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("%s is not there", line)
		}
	}
	if strings.Contains(text, `wormscope_table_limit_entries{table="ledger hosts"}`) {
		t.Error("a table without a limit has one")
	}
	lint(t, text)
}

// TestMetricsOfAnyFile: a feed whose name is no UTF-8 is not missing.
func TestMetricsOfAnyFile(t *testing.T) {
	b := fullBoard(time.Unix(1_700_000_000, 0))
	b.snapshot().Feeds[1].Path = "/feeds/a\xff\"\n.csv"
	_, text := get(t, http.DefaultClient, "http://"+serveStatus(t, httpSetting{Listen: "0"}, b)+"/metrics", "")
	if want := `wormscope_feed_refused{feed="own",path="/feeds/a\\xff\\\"\\n.csv"} `; !strings.Contains(text, "\n"+want) {
		t.Errorf("%s is not there", want)
	}
}

// lint has Prometheus check names, types and help.
func lint(t *testing.T, text string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// TestMetricsBeforeTheStart checks that there is something to read at once.
func TestMetricsBeforeTheStart(t *testing.T) {
	address := serveStatus(t, httpSetting{Listen: "0"}, &board{})
	status, text := get(t, http.DefaultClient, "http://"+address+"/metrics", "")
	if status != 200 || strings.Contains(text, "wormscope_") || !strings.Contains(text, "go_goroutines") {
		t.Errorf("%d %s", status, text)
	}
}

// TestMetricsAreDocumented holds docs/metrics.md against the metrics.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?m)^\\| `wormscope_.*$").FindAllString(string(text), -1)
	want := []string{row(turnedName, prometheus.GaugeValue, nil, turnedHelp)}
	for _, m := range allMetrics() {
		want = append(want, row(m.name, m.kind, m.labels, m.help))
	}
	for _, w := range want {
		if !slices.Contains(shown, w) {
			t.Errorf("docs/metrics.md lacks\n%s", w)
		}
	}
	for _, s := range shown {
		if !slices.Contains(want, s) {
			t.Errorf("docs/metrics.md has what is not there:\n%s", s)
		}
	}
}

// row is a metric as docs/metrics.md shows it.
func row(name string, kind prometheus.ValueType, labels []string, help string) string {
	typ := "gauge"
	if kind == prometheus.CounterValue {
		typ = "counter"
	}
	shown := ""
	if len(labels) > 0 {
		shown = "`" + strings.Join(labels, "`, `") + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", name, typ, shown, help)
}
