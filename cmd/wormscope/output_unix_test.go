//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// foreign is a user that is neither root nor, in a test, whoever runs it.
const foreign = 65534

// TestRootFollowsNoForeignLink: who has a folder that root writes to has root write
// nowhere else.
func TestRootFollowsNoForeignLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can write where others can't")
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	link := func(to, name string, owner int) string {
		if err := os.Symlink(to, path(name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(path(name), owner, owner); err != nil {
			t.Fatal(err)
		}
		return path(name)
	}
	if err := os.WriteFile(path("roots"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path("his"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path("his"), foreign, foreign); err != nil {
		t.Fatal(err)
	}
	link(path("nowhere"), "inner", foreign)
	write := func(w io.Writer) error { _, err := io.WriteString(w, "text"); return err }
	for _, bad := range []string{
		link(path("roots"), "to-roots", foreign), link(path("nothing"), "to-nothing", foreign), link("/dev/full", "to-device", foreign),
		link(path("inner"), "chain", 0), filepath.Join(link("/etc", "folder", foreign), "wormscope-test.html"),
	} {
		for what, err := range map[string]error{
			"report": writeWhole("report", bad, io.Discard, write), "check": writable("report", bad),
			"events": func() error { _, err := openEvents(&eventSetting{File: bad}, io.Discard, false); return err }(),
		} {
			if err == nil || !strings.Contains(err.Error(), "root does not follow it") {
				t.Errorf("%s at %s: %v", what, filepath.Base(bad), err)
			}
		}
	}
	for _, good := range []string{link(path("roots"), "own", 0), link(path("his"), "to-his", foreign)} {
		if err := writeWhole("report", good, io.Discard, write); err != nil {
			t.Errorf("%s: %v", filepath.Base(good), err)
		}
	}
	if err := os.Mkdir(path("state"), 0o750); err != nil {
		t.Fatal(err)
	}
	link(path("nologin"), "state/lock", foreign)
	_, err := openState(&settings{State: path("state")}, streams{err: io.Discard})
	if _, missing := os.Lstat(path("nologin")); err == nil || missing == nil {
		t.Errorf("a state folder with a link: %v", err)
	}
}

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
