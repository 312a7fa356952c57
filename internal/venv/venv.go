// Package venv gives tests a Python with packages that are published on PyPI: what other
// projects check their documents with, or make them with.
package venv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wormscope/internal/needs"
)

// Python returns the path of a Python that has the packages of a requirements file. They
// are installed once, into a folder of this name in the user's cache. Where that can't
// be done the test is skipped, or fails when CI is set.
func Python(t testing.TB, name, requirements string) string {
	t.Helper()
	missing := needs.GiveUp(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		missing("no place for Python's packages: %v", err)
	}
	dir := filepath.Join(cache, "wormscope", name)
	bin, ready := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "ready")
	want, err := os.ReadFile(requirements)
	if err != nil {
		t.Fatal(err)
	}
	if has, err := os.ReadFile(ready); err == nil && string(has) == string(want) {
		return bin
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{bin, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			missing("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if err := os.WriteFile(ready, want, 0o600); err != nil { //nolint:gosec // the name is the test's own
		t.Fatal(err)
	}
	return bin
}
