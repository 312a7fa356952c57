package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormscope/internal/testnet"
	"wormscope/scope/store"
)

// runs runs a command that must succeed and returns its standard output.
func runs(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if status := run(args, nil, &stdout, &stderr); status != exitOK {
		t.Fatalf("%v: exit status %d: %s", args, status, stderr.String())
	}
	return stdout.String()
}

// TestStateSaysTheSame: with a state folder a replay says what it says without,
// whether it is the first or the second time, and so does a report.
func TestStateSaysTheSame(t *testing.T) {
	for _, name := range committed(t) {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			flags := []string{}
			if strings.HasPrefix(name, "outbreak.") {
				flags = outbreakArgs()
			}
			without := runReplay(t, []string{name}, flags...)
			first := runReplay(t, []string{name}, append(flags, "--state", dir)...)
			second := runReplay(t, []string{name}, append(flags, "--state", dir)...)
			reported := runs(t, "report", "--state", dir, "--scope", "-")
			for what, got := range map[string]string{
				"with a state folder": string(first.scope), "the second time": string(second.scope), "reported": reported,
			} {
				if diff := cmp.Diff(string(without.scope), got); diff != "" {
					t.Errorf("%s (-without +got):\n%s", what, diff)
				}
			}
			if diff := cmp.Diff(string(without.alerts), string(first.alerts)); diff != "" {
				t.Errorf("events (-without +with):\n%s", diff)
			}
			for _, e := range readEvents(t, second.alerts) {
				if e.Event.Kind == "state" {
					t.Errorf("the second time is news: %+v", e)
				}
			}
		})
	}
}

// TestStateAddsUp: captures replayed one by one are counted together, in any
// order, and a copy of one under another name is none.
func TestStateAddsUp(t *testing.T) {
	committed(t)
	parts := []string{"dig-nxdomain.pcap", "format.pcap", "ipv6-outbreak.pcap"}
	copied := filepath.Join(t.TempDir(), "copy.pcap")
	if err := os.WriteFile(copied, slurp("format.pcap"), 0o600); err != nil {
		t.Fatal(err)
	}
	var docs []string
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 1, 2, 2}} {
		dir := filepath.Join(t.TempDir(), "state")
		for _, i := range order {
			runReplay(t, []string{parts[i]}, "--state", dir)
		}
		runReplay(t, []string{copied}, "--state", dir)
		runReplay(t, []string{"format.pcap.gz"}, "--state", dir)
		text := runs(t, "report", "--state", dir)
		docs = append(docs, text)
	}
	for _, d := range docs[1:] {
		if diff := cmp.Diff(docs[0], d); diff != "" {
			t.Errorf("another order (-first +this):\n%s", diff)
		}
	}
	var doc document
	together := runReplay(t, parts)
	unmarshal(t, together.scope, &doc)
	if !strings.Contains(docs[0], "3 files") || doc.Totals.Infected == 0 {
		t.Errorf("the report is of other captures:\n%s", docs[0])
	}
}

// TestStateGrows: a capture that has grown takes the place of its beginning, however
// short that was.
func TestStateGrows(t *testing.T) {
	committed(t)
	whole := slurp("format.pcap")
	growing := filepath.Join(t.TempDir(), "growing.pcap")
	dir := filepath.Join(t.TempDir(), "state")
	for _, frames := range []int{1, 40, 110, -1} {
		end := 24 // of the file's head
		for i := 0; i != frames && end < len(whole); i++ {
			end += 16 + int(binary.LittleEndian.Uint32(whole[end+8:]))
		}
		if err := os.WriteFile(growing, whole[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		without := runReplay(t, []string{growing})
		with := runReplay(t, []string{growing}, "--state", dir)
		var want, got struct{ Capture map[string]any }
		unmarshal(t, without.scope, &want)
		unmarshal(t, with.scope, &got)
		if diff := cmp.Diff(want.Capture, got.Capture); diff != "" {
			t.Errorf("%d frames (-without +with):\n%s", frames, diff)
		}
	}
}

// TestPartsAndWhole: what the parts of a capture and the whole both hold counts once.
func TestPartsAndWhole(t *testing.T) {
	committed(t)
	const name = "smb-doublepulsar.pcap"
	whole := slurp(name)
	cut := 24 // behind the file's head, then behind 300 frames
	for range 300 {
		cut += 16 + int(binary.LittleEndian.Uint32(whole[cut+8:]))
	}
	dir := t.TempDir()
	parts := []string{filepath.Join(dir, "1.pcap"), filepath.Join(dir, "2.pcap")}
	for i, part := range [][]byte{whole[:cut], slices.Concat(whole[:24], whole[cut:])} {
		if err := os.WriteFile(parts[i], part, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(dir, "state")
	want := essence(t, runReplay(t, []string{name}).scope)
	for _, captures := range [][]string{parts, {name}, parts} {
		got := essence(t, runReplay(t, captures, "--state", state).scope)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-alone +with state):\n%s", captures, diff)
		}
	}
}

// TestKilled: a replay that is killed in the middle and run again comes to the
// scope of an unbroken run.
func TestKilled(t *testing.T) {
	committed(t)
	whole := slurp("outbreak.pcap")
	replayAll := func(dir string) string {
		cmd := exec.Command("wormscope", append([]string{"replay", "--state", dir, "--scope", "-", "-"}, outbreakArgs()...)...)
		cmd.Stdin = bytes.NewReader(whole)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	want := replayAll(filepath.Join(t.TempDir(), "state"))
	for _, share := range []float64{.2, .5, .9} {
		dir := filepath.Join(t.TempDir(), "state")
		killAfter(t, dir, whole[:int(share*float64(len(whole)))])
		if diff := cmp.Diff(want, replayAll(dir)); diff != "" {
			t.Errorf("killed after %v of it (-unbroken +again):\n%s", share, diff)
		}
	}
}

// killAfter runs a replay, gives it the beginning of a capture, and kills it
// when some of what it found is stored.
func killAfter(t *testing.T, dir string, part []byte) {
	t.Helper()
	cmd := exec.Command("wormscope", append([]string{"replay", "--state", dir, "-"}, outbreakArgs()...)...)
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
	testnet.Until(t, "something is stored before the end of the capture", func() bool { return stored(dir) > 0 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// stored counts the files that a state folder knows of, 0 when it can't be read
// yet.
func stored(dir string) int {
	db, err := store.Attach(dir)
	if err != nil {
		return 0
	}
	defer db.Close()
	c, err := db.Capture()
	if err != nil {
		return 0
	}
	return len(c.Files)
}
