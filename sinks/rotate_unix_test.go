//go:build unix

package sinks

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCompressIntoItsOwnFile: the name is easy to guess, and who may write to the
// folder must not have another file written by a link of that name.
func TestCompressIntoItsOwnFile(t *testing.T) {
	dir := t.TempDir()
	rotated, other := filepath.Join(dir, "events-1"), filepath.Join(dir, "other")
	for path, text := range map[string]string{rotated: "event 1\n", other: "precious"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(other, rotated+".gz.partial"); err != nil {
		t.Fatal(err)
	}
	if err := compress(rotated); err != nil {
		t.Fatal(err)
	}
	if text := read(t, other); text != "precious" {
		t.Errorf("the other file has %q", text)
	}
	if info, err := os.Lstat(rotated + ".gz"); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
}
