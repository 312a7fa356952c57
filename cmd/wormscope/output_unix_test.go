//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestWhoMayReadADocument: a new one is as the umask has it, and one that is replaced
// is for no one else to read than before.
func TestWhoMayReadADocument(t *testing.T) {
	dir := t.TempDir()
	defer syscall.Umask(syscall.Umask(0o027))
	write := func(w io.Writer) error { _, err := io.WriteString(w, "text"); return err }
	for name, mode := range map[string]os.FileMode{"new": 0o640, "private": 0o600, "public": 0o644} {
		path := filepath.Join(dir, name)
		if name != "new" {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeWhole("scope", path, io.Discard, write); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode || info.Size() != 4 {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
}
