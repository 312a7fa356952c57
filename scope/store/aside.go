package store

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// setAside renames a damaged database, and returns its new path. Nothing that
// is there is overwritten.
func setAside(dir string, now time.Time) (string, error) {
	base := filepath.Join(dir, FileName+".damaged-"+now.UTC().Format("20060102T150405Z"))
	name := base
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil {
			return "", err
		}
		name = base + "-" + strconv.Itoa(n)
	}
	// First the write-ahead log and its index: SQLite must never apply them to the new
	// database.
	for _, suffix := range []string{"-wal", "-shm", ""} {
		err := os.Rename(filepath.Join(dir, FileName+suffix), name+suffix)
		if err != nil && (suffix == "" || !errors.Is(err, os.ErrNotExist)) {
			return "", err
		}
	}
	return name, nil
}

// escapePath makes a path safe in an SQLite URI.
func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
}
