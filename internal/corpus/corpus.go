// Package corpus finds the public captures that tests run on. They are kept
// beside the project, in ../shared/pcaps, and are no part of it.
package corpus

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/internal/needs"
)

// Dir returns the folder of public captures. Where it is missing, the test is
// skipped, or fails when CI is set.
func Dir(t testing.TB) string {
	t.Helper()
	_, self, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(self), "..", "..", "..", "shared", "pcaps")
	if _, err := os.Stat(dir); err != nil {
		needs.GiveUp(t)("the public captures are not here: %v", err)
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

// Packets calls take with each packet of a capture that can be decoded; the packet
// is valid for the call only. It reports an error that says why the file is no
// capture, as some in the corpus are not. One that breaks off fails the test.
func Packets(t testing.TB, file string, take func(*packet.Packet)) error {
	t.Helper()
	r, err := capture.Open([]string{file}, nil)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read from
	d := packet.NewDecoder()
	var f capture.Frame
	var p packet.Packet
	for {
		switch err := r.Next(&f); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			t.Fatalf("%s: %v", file, err)
		}
		if d.Decode(&f, &p) == packet.OK {
			take(&p)
		}
	}
}
