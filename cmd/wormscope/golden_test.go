package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// outbreakArgs are the flags that make sense of the outbreak capture.
func outbreakArgs() []string {
	return []string{
		"--feed", "outbreak.feed",
		"--zone", "office=10.10.0.0/16", "--zone", "production=10.20.0.0/16", "--zone", "dmz=172.16.5.0/24",
	}
}

// result is everything that a replay says.
type result struct {
	status         int
	stdout, stderr string
	alerts, scope  []byte
}

// runReplay replays captures with these further flags.
func runReplay(t testing.TB, captures []string, flags ...string) result {
	t.Helper()
	dir := t.TempDir()
	alerts, doc := filepath.Join(dir, "alerts.json"), filepath.Join(dir, "scope.json")
	args := append([]string{"replay", "--alerts", alerts, "--scope", doc}, flags...)
	var stdout, stderr bytes.Buffer
	r := result{status: run(append(args, captures...), nil, &stdout, &stderr)}
	r.stdout, r.stderr = stdout.String(), stderr.String()
	r.alerts, r.scope = slurp(alerts), slurp(doc)
	return r
}

// slurp reads a file that may be missing.
func slurp(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return b
}

// committed returns the names of the captures in testdata/pcaps, and makes it
// the working folder, so that outputs hold no paths.
func committed(t *testing.T) []string {
	t.Helper()
	t.Chdir(filepath.Join("..", "..", "testdata", "pcaps"))
	var names []string
	for _, pattern := range []string{"*.pcap", "*.pcapng", "*.pcap.gz", "*.pcap.zst", "*.pcap.lz4"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) < 40 {
		t.Fatalf("only %d captures in testdata/pcaps", len(names))
	}
	return names
}

// TestGolden replays each capture of testdata/pcaps and compares everything it
// says with testdata/golden. An empty golden is an assertion, too.
func TestGolden(t *testing.T) {
	golden, err := filepath.Abs(filepath.Join("..", "..", "testdata", "golden"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range committed(t) {
		t.Run(name, func(t *testing.T) {
			var flags []string
			if strings.HasPrefix(name, "outbreak.") {
				flags = outbreakArgs()
			}
			r := runReplay(t, []string{name}, flags...)
			if r.status != exitOK {
				t.Fatalf("exit status %d: %s", r.status, r.stderr)
			}
			compare(t, filepath.Join(golden, name+".txt"), []byte(r.stdout+r.stderr))
			compare(t, filepath.Join(golden, name+".alerts.json"), r.alerts)
			compare(t, filepath.Join(golden, name+".scope.json"), r.scope)
		})
	}
}

// compare compares with a golden file, or writes it.
func compare(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s differs (-want +got; `make golden` accepts):\n%s", filepath.Base(path), diff)
	}
}

// TestSameCaptureSameBytes replays a capture three times.
func TestSameCaptureSameBytes(t *testing.T) {
	committed(t)
	first := runReplay(t, []string{"outbreak.pcap"}, outbreakArgs()...)
	if len(first.alerts) == 0 || len(first.scope) == 0 || first.stdout == "" {
		t.Fatal("the outbreak gave no output")
	}
	for range 2 {
		again := runReplay(t, []string{"outbreak.pcap"}, outbreakArgs()...)
		if !bytes.Equal(first.alerts, again.alerts) {
			t.Error("the events differ from run to run")
		}
		if !bytes.Equal(first.scope, again.scope) || first.stdout != again.stdout {
			t.Error("the scope differs from run to run")
		}
	}
}
