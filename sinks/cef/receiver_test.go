package cef_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormscope/internal/needs"
	"wormscope/internal/samples"
	"wormscope/internal/testnet"

	"github.com/google/go-cmp/cmp"
)

// lognormalizer returns where liblognorm's program is, which Debian keeps off the PATH.
func lognormalizer(t *testing.T) string {
	t.Helper()
	const name = "lognormalizer"
	if path, err := exec.LookPath("/usr/lib/lognorm/" + name); err == nil {
		return path
	}
	return needs.Tools(t, name)
}

// records are the samples, and lookups of hostile names, rendered. An empty
// value or one of blanks is left out: liblognorm has no such thing.
func records(t *testing.T) (lines [][]byte) {
	t.Helper()
	r := renderer(t)
	add := func(b []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, b)
	}
	for _, s := range samples.All() {
		add(r.Event(&s.Event))
	}
	for _, name := range hostile() {
		if strings.TrimSpace(name) != "" {
			e := lookup(name)
			add(r.Event(&e))
		}
	}
	return lines
}

// parsed is what liblognorm makes of a record.
type parsed struct {
	Name       string            `json:"Name"`
	ID         string            `json:"SignatureID"`
	Vendor     string            `json:"DeviceVendor"`
	Version    string            `json:"DeviceVersion"`
	Severity   string            `json:"Severity"`
	Extensions map[string]string `json:"Extensions"`
}

// compare holds what a receiver read against the records.
func compare(t *testing.T, lines [][]byte, got []parsed) {
	t.Helper()
	if len(got) != len(lines) {
		t.Fatalf("%d records arrived, want %d", len(got), len(lines))
	}
	for i, line := range lines {
		header, extension := parse(t, string(line))
		want := parsed{header[5], header[4], header[1], header[3], header[6], extension}
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("%s\nis read otherwise (-want +got):\n%s", line, diff)
		}
	}
}

// TestLiblognorm has the parser of rsyslog and others read the records.
func TestLiblognorm(t *testing.T) {
	tool := lognormalizer(t)
	rules := filepath.Join(t.TempDir(), "cef.rb")
	if err := os.WriteFile(rules, []byte("version=2\nrule=:%cef:cef%\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := records(t)
	cmd := exec.CommandContext(t.Context(), tool, "-r", rules, "-e", "json")
	cmd.Stdin = bytes.NewReader(append(bytes.Join(lines, []byte("\n")), '\n'))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got []parsed
	for line := range bytes.Lines(out) {
		var p struct{ CEF parsed }
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got = append(got, p.CEF)
	}
	compare(t, lines, got)
}

// TestRsyslog sends the records to a real rsyslog, which reads them with
// mmnormalize and writes what it read.
func TestRsyslog(t *testing.T) {
	tool := needs.Tools(t, "rsyslogd")
	dir := t.TempDir()
	port := testnet.FreePorts(t, 1)[0]
	out := filepath.Join(dir, "out.json")
	conf := fmt.Sprintf(`global(workDirectory=%[1]q maxMessageSize="8k")
module(load="imtcp")
module(load="mmnormalize")
input(type="imtcp" address="127.0.0.1" port="%[2]d" ruleset="cef")
template(name="read" type="list") { property(name="$!cef") constant(value="\n") }
ruleset(name="cef") {
  action(type="mmnormalize" rule="rule=:%%cef:cef%%")
  action(type="omfile" file=%[3]q template="read")
}
`, dir, port, out)
	path := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, tool, "-n", "-f", path, "-i", filepath.Join(dir, "pid"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		cmd.Wait()
		if t.Failed() {
			t.Logf("rsyslogd: %s", said.String())
		}
	}()
	lines := records(t)
	send(t, port, lines)
	compare(t, lines, await(t, out, len(lines)))
}

// send sends each record as RFC 5424 has it, with its length before it.
func send(t *testing.T, port int, lines [][]byte) {
	t.Helper()
	var conn net.Conn
	var err error
	for range 1200 { // a minute
		if conn, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("rsyslogd does not listen: %v", err)
	}
	defer conn.Close()
	for _, line := range lines {
		record := "<13>1 2026-01-05T08:00:00Z tap-1 wormscope - alert - " + string(line)
		if _, err := fmt.Fprintf(conn, "%d %s", len(record), record); err != nil {
			t.Fatal(err)
		}
	}
}

// await waits for so many lines in a file, and reads them.
func await(t *testing.T, path string, count int) []parsed {
	t.Helper()
	var text []byte
	for range 1200 { // a minute
		text, _ = os.ReadFile(path)
		if bytes.Count(text, []byte("\n")) >= count {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	var got []parsed
	for line := range bytes.Lines(text) {
		var p parsed
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got = append(got, p)
	}
	return got
}
