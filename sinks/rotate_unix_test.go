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

// TestDeleted: somebody deletes the event file, or saves it from an editor, which
// renames another one to its name. What comes after that is in the file of that name.
func TestDeleted(t *testing.T) {
	dir := t.TempDir()
	path, edited := filepath.Join(dir, "events"), filepath.Join(dir, "edited")
	f := open(t, path, FileOptions{})
	event := func(line string) {
		t.Helper()
		must(t, f.Event([]byte(line)))
		must(t, f.Flush())
	}
	event("one")
	must(t, os.Remove(path))
	event("two")
	if got := read(t, path); got != "two\n" {
		t.Errorf("after the file was deleted there is %q", got)
	}
	must(t, os.WriteFile(edited, []byte("two, edited\n"), 0o600))
	must(t, os.Rename(edited, path))
	event("three")
	if got := read(t, path); got != "two, edited\nthree\n" {
		t.Errorf("after another took its place there is %q", got)
	}
	must(t, os.Remove(path))
	must(t, os.Mkdir(path, 0o700))
	must(t, f.Event([]byte("four")))
	if err := f.Flush(); err == nil {
		t.Error("a folder took its place, and nothing is said")
	}
	must(t, os.Remove(path))
	event("five")
	if got := read(t, path); got != "four\nfive\n" {
		t.Errorf("after the folder is gone there is %q", got)
	}
}
