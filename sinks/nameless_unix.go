//go:build unix

package sinks

import (
	"os"
	"syscall"
)

// Nameless reports whether a file has no name any more: it was deleted, or another was
// renamed to its name. Nobody will read what is written to it. A file that was renamed
// has one.
func Nameless(file *os.File) bool {
	info, err := file.Stat()
	if err != nil {
		return false // of an open file it does not fail
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Nlink == 0
}
