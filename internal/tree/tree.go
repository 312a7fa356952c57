// Package tree finds what is below a folder, through links to folders too,
// which filepath.WalkDir does not follow.
package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// ErrAgain says of a folder that its files were met before: a link leads there.
var ErrAgain = errors.New("the same folder as another one")

// A Visit is told of a file or folder, and of what keeps it from being read,
// when info is of what a link leads to, or nil where nothing is known. Its
// error ends the walk; fs.SkipDir leaves out a folder only.
type Visit func(path string, info fs.FileInfo, err error) error

// Walk tells visit of root and of all below it, a folder before what is in it,
// in the order of names. A folder is read once, whatever links lead to it.
func Walk(root string, visit Visit) error {
	w := walk{visit: visit}
	return w.at(root)
}

// A walk is one call of Walk.
type walk struct {
	visit   Visit
	folders []fs.FileInfo // read so far
}

func (w *walk) at(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return w.tell(path, nil, err)
	}
	if !info.IsDir() {
		return w.tell(path, info, nil)
	}
	if slices.ContainsFunc(w.folders, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
		return w.tell(path, info, ErrAgain)
	}
	if err = w.visit(path, info, nil); err != nil {
		return unlessSkip(err)
	}
	w.folders = append(w.folders, info)
	entries, err := os.ReadDir(path)
	if err != nil {
		return w.tell(path, info, err)
	}
	for _, e := range entries {
		if err := w.at(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// tell has the caller visit what is not a folder to be read.
func (w *walk) tell(path string, info fs.FileInfo, err error) error {
	return unlessSkip(w.visit(path, info, err))
}

func unlessSkip(err error) error {
	if errors.Is(err, fs.SkipDir) {
		return nil
	}
	return err
}
