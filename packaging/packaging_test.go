// Package packaging_test checks what packages are made of with the tools that
// will read it: systemd, dpkg, rpm, man, shells, Prometheus.
package packaging_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormscope/internal/testnet"
)

// unit is the service.
const unit = "wormscope.service"

// output runs a command that must succeed, and returns what it wrote.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// build builds the program.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wormscope")
	output(t, "go", "build", "-o", path, "../cmd/wormscope")
	return path
}

// TestUnitExposure asks systemd how much the service is exposed: 0 is nothing,
// 10 everything.
func TestUnitExposure(t *testing.T) {
	testnet.Need(t, "systemd-analyze")
	out := output(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "./"+unit)
	m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no exposure level in %s", out)
	}
	level, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("exposure level %v", level)
	if level > 2 {
		t.Errorf("the exposure level is %v, want at most 2.0:\n%s", level, out)
	}
}

// TestUnitRights holds the service to one capability and a user of its own.
func TestUnitRights(t *testing.T) {
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"AmbientCapabilities=CAP_NET_RAW", "CapabilityBoundingSet=CAP_NET_RAW", "NoNewPrivileges=yes",
		"User=wormscope", "Type=notify", "Restart=on-failure",
	} {
		if !slices.Contains(strings.Split(string(text), "\n"), want) {
			t.Errorf("%s lacks the line %q", unit, want)
		}
	}
}

// TestManualPages checks the pages of all commands with two readers of them.
func TestManualPages(t *testing.T) {
	testnet.Need(t, "mandoc", "man")
	dir := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	output(t, build(t), "man", dir)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 10 {
		t.Errorf("only %d pages: %q", len(pages), pages)
	}
	for _, page := range pages {
		if out, err := exec.CommandContext(t.Context(), "mandoc", "-T", "lint", "-W", "warning", page).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("mandoc: %v\n%s", err, out)
		}
		cmd := exec.CommandContext(t.Context(), "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80")
		var warnings strings.Builder
		cmd.Stderr = &warnings
		if err := cmd.Run(); err != nil || warnings.Len() > 0 {
			t.Errorf("man %s: %v\n%s", filepath.Base(page), err, warnings.String())
		}
	}
}

// TestCompletion lets each shell read its completion, and asks for some.
func TestCompletion(t *testing.T) {
	testnet.Need(t, "bash", "zsh", "fish")
	program := build(t)
	for shell, check := range map[string][]string{"bash": {"-n"}, "zsh": {"-n"}, "fish": {"--no-execute"}} {
		script := filepath.Join(t.TempDir(), shell)
		if err := os.WriteFile(script, []byte(output(t, program, "completion", shell)), 0o600); err != nil {
			t.Fatal(err)
		}
		output(t, shell, append(check, script)...)
	}
	if out := output(t, program, "__complete", "re"); !strings.Contains(out, "replay\t") || !strings.Contains(out, "report\t") {
		t.Errorf("completion of re: %s", out)
	}
	if out := output(t, program, "__complete", "replay", "--fe"); !strings.HasPrefix(out, "--feed\t") {
		t.Errorf("completion of replay --fe: %s", out)
	}
	for _, command := range []string{"live", "doctor"} {
		if out := output(t, program, "__complete", command, "-i", ""); !strings.HasPrefix(out, "lo\n") {
			t.Errorf("completion of %s -i: %s", command, out)
		}
	}
	if out := output(t, program, "__complete", "m"); strings.Contains(out, "man\t") {
		t.Errorf("the command that packages are made with is offered: %s", out)
	}
}

// TestPackages builds both packages, and installs and removes each on a copy
// of this machine that is thrown away.
func TestPackages(t *testing.T) {
	testnet.Need(t, "systemctl", "dpkg", "rpm", "unshare", "setpriv", "systemd-sysusers", "systemd-tmpfiles", "systemd-analyze", "logrotate")
	out := t.TempDir()
	output(t, "./build", out)
	for format, tool := range map[string]struct{ list, install, remove string }{
		"deb": {"dpkg-deb -c %s", "dpkg --force-depends --no-triggers -i %s", "dpkg --remove wormscope"},
		"rpm": {"rpm -qlp %s", "mkdir -p /var/lib/rpm && rpm --initdb && rpm -i --nodeps %s", "rpm -e --nodeps wormscope"},
	} {
		t.Run(format, func(t *testing.T) {
			paths, err := filepath.Glob(filepath.Join(out, "*."+format))
			if err != nil || len(paths) != 1 {
				t.Fatalf("want one %s: %q, %v", format, paths, err)
			}
			list := output(t, "sh", "-c", fmt.Sprintf(tool.list, paths[0]))
			for _, file := range append(
				linked(t),
				"/usr/bin/wormscope", "/usr/lib/systemd/system/wormscope.service", "/etc/wormscope/wormscope.yaml",
				"/usr/share/man/man1/wormscope-replay.1.gz", "/usr/share/bash-completion/completions/wormscope",
				"/usr/share/doc/wormscope/docs/install.md",
			) {
				if !strings.Contains(list, file) {
					t.Errorf("the %s lacks %s:\n%s", format, file, list)
				}
			}
			onCopy(t, paths[0], fmt.Sprintf(tool.install, "/run/package"), tool.remove)
			if format == "deb" {
				said := underSystemd(t, "0000000000002000", paths[0]) // CAP_NET_RAW, out of reach
				if strings.Contains(said, "kernel filter") {
					t.Errorf("the kernel filter is not asked for, but spoken of:\n%s", said)
				}
				said = underSystemd(t, "0000008000002000", paths[0], dropIn(t)) // and CAP_BPF
				if strings.Contains(said, "without the kernel filter") || !strings.Contains(said, "the kernel filter was on") {
					t.Errorf("the kernel filter was not loaded:\n%s", said)
				}
			}
		})
	}
}

// linked returns what the packaged documents link to, where it is then.
func linked(t *testing.T) (files []string) {
	t.Helper()
	documents, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range append(documents, "../README.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join("/usr/share/doc/wormscope", strings.TrimPrefix(filepath.Dir(document), ".."))
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllSubmatch(text, -1) {
			if to := string(link[1]); !strings.Contains(to, "://") {
				files = append(files, filepath.Join(folder, to))
			}
		}
	}
	return files
}

// dropIn writes the drop-in of docs/install.md that is for the kernel filter.
func dropIn(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```ini\n(.*?)```").FindAllSubmatch(text, -1)
	i := slices.IndexFunc(blocks, func(b [][]byte) bool { return strings.Contains(string(b[1]), "CAP_BPF") })
	if i < 0 {
		t.Fatal("docs/install.md has no drop-in for the kernel filter")
	}
	path := filepath.Join(t.TempDir(), "override.conf")
	if err := os.WriteFile(path, blocks[i][1], 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// underSystemd has a systemd of its own start, reload and stop the service as
// it is packaged, with a drop-in if one is named, and checks what it runs as. It
// returns what was said.
func underSystemd(t *testing.T, bounding string, with ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", append([]string{
		"--mount", "--pid", "--fork", "--kill-child", "--net", "--uts", "--ipc", "--cgroup", "bash", "testdata/boot.sh",
	}, with...)...)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput() // it ends as a machine does that is switched off
	none := "0000000000000000"
	for _, want := range []string{
		"ActiveState=active", "NRestarts=0", "runs as: wormscope",
		"CapInh: " + none, "CapPrm: " + none, "CapEff: " + none, "CapAmb: " + none,
		"CapBnd: " + bounding,
		"NoNewPrivs: 1", "Seccomp: 2", "reloaded", "stopped", "Result=success",
	} {
		if !slices.Contains(strings.Split(string(out), "\n"), want) {
			t.Errorf("the service did not say %q", want)
		}
	}
	// The last is of the summary. What that says first depends on whether a packet came.
	for _, want := range []string{" scope.json", " report.html", " alerts.json", "feeds renewed", "NOT SEEN"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the service did not leave %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%v; it said:\n%s", err, out)
	}
	return string(out)
}

// onCopy installs a package on a copy of this machine, checks what there is
// then, and removes it. The copy is an overlay that ends with the command.
func onCopy(t *testing.T, path, install, remove string) {
	t.Helper()
	script, err := filepath.Abs("testdata/install.sh")
	if err != nil {
		t.Fatal(err)
	}
	out := output(t, "unshare", "--mount", "--pid", "--fork", "--net", "bash", script, path, install, remove)
	for _, want := range []string{
		"version: wormscope version ",
		"user: wormscope",
		"config: 640 root:wormscope", "feeds: 750 root:wormscope", "folder: 750 wormscope:wormscope", "check: ok",
		"verify: ", // and nothing behind it
		"logrotate: ok",
		"capabilities: 0000000000002000 1", // CAP_NET_RAW
		"removed", "kept: evidence",
	} {
		if !slices.ContainsFunc(strings.Split(out, "\n"), func(l string) bool {
			return l == want || strings.HasSuffix(want, "version ") && strings.HasPrefix(l, want)
		}) {
			t.Errorf("the installation did not say %q", want)
		}
	}
	if t.Failed() {
		t.Logf("it said:\n%s", out)
	}
}
