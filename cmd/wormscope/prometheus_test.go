package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormscope/internal/testnet"
)

// TestLiveMetrics asks a real run how it is doing, while it finds something
// and when its interface goes down.
func TestLiveMetrics(t *testing.T) {
	testnet.Need(t, "tc", "nmap", "promtool")
	stage := testnet.NewStage(testnet.New(t), false)
	startSensor(t, stage.Sensor, "--http", "9445")
	client := stage.Sensor.Client()
	page := func(name string) (int, string) { return get(t, client, "http://127.0.0.1:9445"+name, "") }
	if status, text := page("/healthz"); status != 200 || text != "ok\n" {
		t.Errorf("/healthz: %d %s", status, text)
	}
	if status, text := page("/readyz"); status != 200 || text != "ok\n" {
		t.Errorf("/readyz: %d %s", status, text)
	}
	stage.SweepNmap(200)
	var text string
	testnet.Eventually(t, "the metrics show the scan", func() error {
		_, text = page("/metrics")
		for _, some := range []string{`wormscope_alerts_total{rule="scan"} 1`, `wormscope_interface_up{interface="` + testnet.Monitor + `"} 1`} {
			if !strings.Contains(text, "\n"+some+"\n") {
				return fmt.Errorf("%s is not there:\n%s", some, text)
			}
		}
		return nil
	})
	lint(t, text)
	names := namesAt(t, text)
	known := knownMetrics()
	for name := range names {
		if strings.HasPrefix(name, "wormscope_") && !known[name] {
			t.Errorf("%s is not documented", name)
		}
	}
	for name := range known {
		// What there is only with feeds, with sinks, or with packets that can't be decoded.
		without := strings.HasPrefix(name, "wormscope_outbox_") || strings.HasPrefix(name, "wormscope_sink_") ||
			strings.HasPrefix(name, "wormscope_feed_") || name == "wormscope_undecoded_packets_total"
		if _, ok := names[name]; !ok && !without {
			t.Errorf("%s is not there", name)
		}
	}
	stage.Sensor.Link(testnet.Monitor, "down")
	testnet.Eventually(t, "the sensor is not ready without its interface", func() error {
		status, text := page("/readyz")
		if status != 503 || text != "interface "+testnet.Monitor+" is down or gone\n" {
			return fmt.Errorf("/readyz: %d %s", status, text)
		}
		return nil
	})
	if status, text := page("/healthz"); status != 200 {
		t.Errorf("/healthz with the interface down: %d %s", status, text)
	}
}

// TestPrometheusScrapes has a real Prometheus read metrics as docs/metrics.md
// says, over TLS and with a token, and judge by the alert rules.
func TestPrometheusScrapes(t *testing.T) {
	testnet.Need(t, "prometheus")
	const token = "correct-horse-battery"
	t.Setenv(tokenVariable, token)
	dir := t.TempDir()
	cert, key, _ := testCertificate(t, dir)
	target := serveStatus(t, httpSetting{Listen: "127.0.0.1:0", Cert: cert, Key: key}, fullBoard(time.Now()))
	rules, err := filepath.Abs("../../packaging/prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`global: {scrape_interval: 500ms, evaluation_interval: 500ms}
scrape_configs:
  - job_name: wormscope
    scheme: https
    authorization: {credentials_file: token}
    tls_config: {ca_file: %s}
    static_configs: [{targets: [%q]}]
rule_files: [%s]
`, cert, target, rules)
	for name, text := range map[string]string{"prometheus.yml": config, "token": token} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	base := startPrometheus(t, dir)
	testnet.Eventually(t, "Prometheus has the metrics and fires the alert", func() error {
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		const query = `count({__name__=~"wormscope_.+"}) > 0 and on() up{job="wormscope"} == 1 and on() ALERTS{alertname="WormscopeHostsInfected",alertstate="firing"}`
		askPrometheus(t, base+"/api/v1/query?query="+url.QueryEscape(query), &answer)
		if len(answer.Data.Result) != 1 {
			return fmt.Errorf("no answer yet: %v", answer)
		}
		return nil
	})
	var groups struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	askPrometheus(t, base+"/api/v1/rules", &groups)
	n := 0
	for _, g := range groups.Data.Groups {
		for _, r := range g.Rules {
			if n++; r.Health == "err" {
				t.Errorf("%s: %s", r.Name, r.LastError)
			}
		}
	}
	if n < 10 {
		t.Errorf("Prometheus has %d rules", n)
	}
}

// listening is what Prometheus logs of where it listens.
var listening = regexp.MustCompile(`msg="Listening on".* address=(\S+)\n`)

// startPrometheus starts Prometheus in a folder with its configuration, and
// returns where it is: at a port that it chooses itself, which nobody else can
// have taken by then.
func startPrometheus(t *testing.T, dir string) string {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(t.Context(), "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0")
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { <-ended }) // the context of a test ends before
	var base string
	testnet.Eventually(t, "Prometheus says where it listens", func() error {
		said := slurp(log.Name())
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("prometheus: %v\n%s", err, said)
		default:
		}
		where := listening.FindSubmatch(said)
		if where == nil {
			return fmt.Errorf("prometheus does not say where it listens:\n%s", said)
		}
		base = "http://" + string(where[1])
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/-/ready", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("prometheus is not ready: %s", res.Status)
		}
		return nil
	})
	return base
}

// askPrometheus asks Prometheus something.
func askPrometheus(t *testing.T, url string, answer any) {
	t.Helper()
	status, text := get(t, http.DefaultClient, url, "")
	if status != 200 {
		t.Fatalf("%s: %d %s", url, status, text)
	}
	if err := json.Unmarshal([]byte(text), answer); err != nil {
		t.Fatal(err)
	}
}
