//go:build !unix

package store

import (
	"os"
	"path/filepath"
)

// lockFolder opens the lock file. Here nothing keeps two processes from adding
// to a folder at once; the database itself stays whole even so.
func lockFolder(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o640) //nolint:gosec // the user names the folder
}
