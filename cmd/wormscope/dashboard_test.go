package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"wormscope/internal/testnet"
)

// knownMetrics are the names that expressions may use: those of this program
// and some of every process.
func knownMetrics() map[string]bool {
	known := map[string]bool{turnedName: true}
	for _, m := range allMetrics() {
		known[m.name] = true
	}
	return known
}

// checkNames checks that an expression is about metrics that there are.
func checkNames(t *testing.T, where, expr string) {
	t.Helper()
	known := knownMetrics()
	for _, name := range regexp.MustCompile(`\bwormscope_\w+`).FindAllString(expr, -1) {
		if !known[name] {
			t.Errorf("%s is about %s, which there is not: %s", where, name, expr)
		}
	}
	if !strings.Contains(expr, "wormscope") {
		t.Errorf("%s is not about wormscope: %s", where, expr)
	}
}

// TestDashboard checks the expressions of the dashboard: that they are about
// metrics that there are, and that Prometheus understands them.
func TestDashboard(t *testing.T) {
	testnet.Need(t, "promtool")
	text, err := os.ReadFile("../../packaging/grafana/wormscope.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			Targets []struct{ Expr string }
			GridPos struct{ X, Y, W, H int }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	var exprs []string
	for _, a := range dashboard.Annotations.List {
		exprs = append(exprs, a.Expr)
	}
	ids := map[int]bool{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q: its number is not its own, it is out of the grid, or shows nothing", p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			checkNames(t, "panel "+p.Title, target.Expr)
			exprs = append(exprs, target.Expr)
		}
	}
	if len(exprs) < 20 {
		t.Errorf("only %d expressions found", len(exprs))
	}
	checkExpressions(t, exprs)
}

// checkExpressions has promtool read expressions, as rules, with a value for
// each variable of the dashboard.
func checkExpressions(t *testing.T, exprs []string) {
	t.Helper()
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, e := range exprs {
		e = strings.NewReplacer("$__rate_interval", "5m", "$__interval", "1m", "$instance", ".*").Replace(e)
		fmt.Fprintf(&rules, "  - record: panel:%d\n    expr: %q\n", i, e)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, out)
	}
}

// TestAlertRules checks the rules, runs their cases, and checks that they are
// about metrics that there are, and all have cases.
func TestAlertRules(t *testing.T) {
	testnet.Need(t, "promtool")
	const dir = "../../packaging/prometheus"
	for _, args := range [][]string{{"check", "rules", "rules.yaml"}, {"test", "rules", "rules_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile(filepath.Join(dir, "rules_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			n++
			checkNames(t, r.Alert, r.Expr)
			if !strings.Contains(string(cases), `alertname="`+r.Alert+`"`) {
				t.Errorf("no case shows that %s fires", r.Alert)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d rules found", n)
	}
}
