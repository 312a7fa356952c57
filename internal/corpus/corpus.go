// Package corpus finds the public captures that tests run on. They are kept
// beside the project, in ../shared/pcaps, and are no part of it.
package corpus

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Dir returns the folder of public captures. Where it is missing, the test is
// skipped, or fails when CI is set.
func Dir(t testing.TB) string {
	t.Helper()
	_, self, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(self), "..", "..", "..", "shared", "pcaps")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the public captures are missing and CI is set: %v", err)
		}
		t.Skipf("the public captures are not here: %v", err)
	}
	return dir
}

// Files returns the captures of the named folders of Dir, or of all of them
// when none is named, sorted.
func Files(t testing.TB, folders ...string) []string {
	t.Helper()
	if len(folders) == 0 {
		folders = []string{"*"}
	}
	var files []string
	for _, f := range folders {
		found, err := filepath.Glob(filepath.Join(Dir(t), f, "*"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatalf("no captures in %s", strings.Join(folders, ", "))
	}
	return files
}
