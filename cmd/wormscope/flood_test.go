package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"wormscope/cmd/pcapgen/load"
)

// floodMemory is what a replay of the flood may take at the most, resident, in
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
	if memory > floodMemory {
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
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the system does not say what memory a process took")
	}
	return slurp(out), usage.Maxrss << 10
}
