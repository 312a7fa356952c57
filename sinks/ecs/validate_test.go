package ecs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wormscope/internal/needs"
	"wormscope/internal/samples"
)

// validatorDir holds the Node script that knows the published field list.
const validatorDir = "testdata/validate"

// validate runs events, one per line, through the script, and returns the faults
// that it prints. Without Node, or where the field list can't be installed,
// the test is skipped, or fails when CI is set.
func validate(t *testing.T, events []byte) []string {
	t.Helper()
	installFieldList(t)
	cmd := exec.CommandContext(t.Context(), "node", "validate.js")
	cmd.Dir, cmd.Stdin = validatorDir, bytes.NewReader(events)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || len(exit.Stderr) > 0) {
		t.Fatalf("validator: %v\n%s", err, out)
	}
	if len(out) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func installFieldList(t *testing.T) {
	t.Helper()
	needs.Tools(t, "node", "npm")
	if _, err := os.Stat(filepath.Join(validatorDir, "node_modules", "@elastic", "ecs", "package.json")); err == nil {
		return
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci")
	cmd.Dir = validatorDir
	if out, err := cmd.CombinedOutput(); err != nil {
		needs.GiveUp(t)("npm ci: %v\n%s", err, out)
	}
}

func TestEventsFollowTheSchema(t *testing.T) {
	r := renderer(t)
	var events bytes.Buffer
	var names []string
	for _, s := range samples.All() {
		events.Write(append(render(t, r, s), '\n'))
		names = append(names, s.Name)
	}
	for _, fault := range validate(t, events.Bytes()) {
		t.Errorf("%s\nin the order %v", fault, names)
	}
}

// TestGoldenEventsFollowTheSchema checks every event that the project's
// captures lead to.
func TestGoldenEventsFollowTheSchema(t *testing.T) {
	files, err := filepath.Glob("../../testdata/golden/*.alerts.json")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d golden files: %v", len(files), err)
	}
	var events []byte
	for _, f := range files {
		golden, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, golden...)
	}
	for _, fault := range validate(t, events) {
		t.Error(fault)
	}
	t.Logf("%d events in %d files", bytes.Count(events, []byte("\n")), len(files))
}

// TestValidatorFindsFaults plants one fault at a time in a good event: the
// check of the events is worth only what it finds.
func TestValidatorFindsFaults(t *testing.T) {
	r := renderer(t)
	var good []byte
	for _, s := range samples.All() {
		if s.Name == "ioc-domain" {
			good = render(t, r, s)
		}
	}
	faults := []struct {
		path  string // dotted
		value any    // nil deletes
		want  string
	}{
		{"event.kind", "alarm", `event.kind: "alarm" is not allowed`},
		{"event.category", "network", "event.category: must be an array"},
		{"event.category", []string{"dns"}, `event.category: "dns" is not allowed`},
		{"event.type", []string{"indicator"}, "event.type: indicator is not expected with category network"},
		{"event.severity", 9.5, "event.severity: 9.5 is no long"},
		{"event.severity", "95", `event.severity: "95" is no long`},
		{"event.start", "2026-01-05 08:00:00", `event.start: "2026-01-05 08:00:00" is no date`},
		{"source.ip", "10.1.0.300", `source.ip: "10.1.0.300" is no ip`},
		{"source.ip", "fe80::1%eth0", `source.ip: "fe80::1%eth0" is no ip`},
		{"source.ip", []string{"10.1.0.14"}, "source.ip: must not be an array"},
		{"source.name", "pc-14", "source.name: is not in the schema"},
		{"host.ip", "10.1.0.14", "host.ip: must be an array"},
		{"host.ip", nil, "host.ip: is missing"},
		{"event.id", nil, "event.id: is missing"},
		{"dns.resolved_ip", []string{"1.2.3.4", "x"}, `dns.resolved_ip: "x" is no ip`},
		{"threat.indicator.confidence", "high", `threat.indicator.confidence: "high" is not allowed`},
		{"threat.indicator.marking.tlp", "ORANGE", `threat.indicator.marking.tlp: "ORANGE" is not allowed`},
		{"threat.technique.id", "T1071", "threat.technique.id: must be an array"},
		{"network.vlan.id", 12, "network.vlan.id: 12 is no keyword"},
		{"rule.name", nil, ""}, // not required: nothing to find
	}
	var events bytes.Buffer
	for _, f := range faults {
		var e map[string]any
		if err := json.Unmarshal(good, &e); err != nil {
			t.Fatal(err)
		}
		plant(t, e, strings.Split(f.path, "."), f.value)
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		events.Write(append(b, '\n'))
	}
	found := validate(t, events.Bytes())
	for i, f := range faults {
		prefix := "line " + itoa(i+1) + ": "
		var got []string
		for _, line := range found {
			if what, ok := strings.CutPrefix(line, prefix); ok {
				got = append(got, what)
			}
		}
		switch {
		case f.want == "" && len(got) > 0:
			t.Errorf("%s = %v: found %q, want nothing", f.path, f.value, got)
		case f.want != "" && !contains(got, f.want):
			t.Errorf("%s = %v: found %q, want %q", f.path, f.value, got, f.want)
		}
	}
}

// plant sets or deletes a field.
func plant(t *testing.T, e map[string]any, path []string, value any) {
	t.Helper()
	for _, key := range path[:len(path)-1] {
		next, ok := e[key].(map[string]any)
		if !ok {
			t.Fatalf("the event has no %v", path)
		}
		e = next
	}
	key := path[len(path)-1]
	if value == nil {
		if _, ok := e[key]; !ok {
			t.Fatalf("the event has no %v", path)
		}
		delete(e, key)
		return
	}
	e[key] = value
}
