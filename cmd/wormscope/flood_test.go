package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"wormscope/cmd/pcapgen/load"
	"wormscope/internal/testnet"
)

// floodMemory is what a replay of the flood may take at most, resident, in
// bytes. What it takes depends on when the garbage collector gets to run; see
// docs/performance.md.
const floodMemory = 200 << 20

// TestFloodOfTwoMillionSources replays a flood with two million spoofed
// sources, a tenth of them inside addresses, with real scanners in its midst:
// one flood alert, all scanners and nobody else, in little memory.
func TestFloodOfTwoMillionSources(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "flood.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := load.WriteFlood(f, 2_000_000)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var truth struct {
		Flood    struct{ IP string }
		Scanners []struct{ IP string }
	}
	if err := json.Unmarshal(raw, &truth); err != nil {
		t.Fatal(err)
	}
	alerts, memory := replayProcess(t, dir, path)
	if memory == 0 || memory > floodMemory {
		t.Errorf("took %d MB of memory, at most %d MB are allowed", memory>>20, floodMemory>>20)
	}
	t.Logf("peak memory %d MB", memory>>20)
	all := readEvents(t, alerts)
	if floods := last(all, "flood"); len(floods) != 1 || floods[0].Host.IP[0] != truth.Flood.IP {
		t.Errorf("%d flood alerts: %+v", len(floods), floods)
	}
	var found, planted []string
	for _, e := range last(all, "scan") {
		found = append(found, e.Host.IP[0])
	}
	for _, s := range truth.Scanners {
		planted = append(planted, s.IP)
	}
	slices.Sort(found)
	slices.Sort(planted)
	if !slices.Equal(found, planted) {
		t.Errorf("scanners: %v, want %v", found, planted)
	}
}

// replayProcess replays a capture in a process of its own, and returns the
// events and the most memory that it took, in bytes.
func replayProcess(t *testing.T, dir, path string) (alerts []byte, memory int64) {
	t.Helper()
	bin, out := filepath.Join(dir, "wormscope"), filepath.Join(dir, "alerts.json")
	if msg, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	cmd := exec.CommandContext(t.Context(), bin, "replay", "--alerts", out, path)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	memory, err := testnet.AwaitPeak(cmd.Process.Pid, done)
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	return slurp(out), memory
}
