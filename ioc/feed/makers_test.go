package feed

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormscope/internal/venv"
	"wormscope/ioc"
)

// TestMakers reads what the libraries of MISP and OASIS write.
func TestMakers(t *testing.T) {
	dir := t.TempDir()
	python := venv.Python(t, "feed-makers", "testdata/makers/requirements.txt")
	if out, err := exec.CommandContext(t.Context(), python, "testdata/makers/make.py", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	misp := []string{
		"203.0.113.10:443 GREEN: The next worm", "2001:db8:77::1 GREEN: The next worm", "198.51.100.7 GREEN: The next worm", "cc.worm.example GREEN: The next worm: panel",
		"drop.worm.example GREEN: The next worm", "load.worm.example GREEN: The next worm (http://load.worm.example/a.exe)", "pair.worm.example GREEN: The next worm",
	}
	stix := []string{
		"203.0.113.1 :", "203.0.113.2 :", "203.0.113.9:8443 :", "2001:db8:7::1 :", "198.51.100.0/24 :", "alt.worm.example :", "cc.worm.example AMBER: Panel",
		"exit.example :", "load.worm.example : http://load.worm.example/a.exe",
	}
	for path, want := range map[string][]string{"event.json": misp, "misp": misp, "pretty.json": stix, "line.json": stix, "old.json": {"old.worm.example :"}} {
		b := ioc.NewBuilder()
		r, err := Load(t.Context(), b, filepath.Join(dir, path), Options{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		set := b.Build()
		for _, w := range want {
			value, about, _ := strings.Cut(w, " ")
			i, ok := find(set, strings.Replace(value, "/24", "", 1))
			got := strings.TrimSpace(fmt.Sprintf("%s: %s", i.TLP, i.Description))
			if !ok || got != about {
				t.Errorf("%s: %s: got %q, want %q (found: %v)", path, value, got, about, ok)
			}
		}
		if r.Total() != len(want) {
			t.Errorf("%s: %d entries, want %d: %+v", path, r.Total(), len(want), r.Files)
		}
		if path == "pretty.json" {
			file := r.Files[0]
			lines := []int{}
			for _, s := range file.Skipped {
				for _, sample := range s.Samples {
					lines = append(lines, sample.Line)
				}
			}
			if file.SkippedTotal() != 7 || !slices.IsSortedFunc(lines, func(a, b int) int { return a - b }) || lines[0] < 2 {
				t.Errorf("left out %d, in lines %v", file.SkippedTotal(), lines)
			}
		}
	}
}
