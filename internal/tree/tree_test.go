package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestWalk has a link to a folder outside, links in a circle, two names of one
// folder, a link to a file and one that leads nowhere; root is a link itself.
func TestWalk(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"real/sub", "real/.hidden", "other"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"real/b", "real/sub/c", "real/.hidden/x", "other/d"} {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"root": "real", "real/a": "../other", "real/sub/up": "..", "real/e": "../other", "real/f": "b", "real/g": "nowhere",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(dir, "root")
	var got []string
	err := Walk(root, func(path string, info fs.FileInfo, err error) error {
		name, _ := filepath.Rel(root, path)
		switch {
		case errors.Is(err, ErrAgain):
			name += " again"
		case errors.Is(err, fs.ErrNotExist):
			name += " missing"
		case err != nil:
			return err
		case name == ".hidden":
			return fs.SkipDir
		case info.IsDir():
			name += "/"
		}
		got = append(got, name)
		return nil
	})
	want := []string{"./", "a/", "a/d", "b", "e again", "f", "g missing", "sub/", "sub/c", "sub/up again"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: got %q, want %q", err, got, want)
	}
}

func TestWalkEnds(t *testing.T) {
	stop := errors.New("enough")
	if err := Walk(t.TempDir(), func(string, fs.FileInfo, error) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}
